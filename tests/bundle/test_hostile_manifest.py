"""A manifest by somebody who writes what he likes: a typed error, and soon."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.bundles import write_bundle
from vibe_router import Router
from vibe_router.bundle.bundle import open_bundle
from vibe_router.bundle.manifest import MANIFEST_NAME
from vibe_router.errors import BundleCorruptError, BundleNotFoundError, UsageError, VibeRouterError

_EMPTY = {"bytes": 0, "sha256": "0" * 64}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


def _change(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / MANIFEST_NAME
    manifest = json.loads(path.read_text(encoding="utf-8"))
    change(manifest)
    path.write_text(json.dumps(manifest), encoding="utf-8")


HOSTILE: dict[str, Callable[[dict[str, Any]], object]] = {
    "surrogate in a file name": lambda m: m["files"].update({"\ud800": _EMPTY}),
    "surrogate in a label": lambda m: m["labels"].update(device="\ud800"),
    "surrogate in a version": lambda m: m.update(version="\udc80"),
    "surrogate in a precision": lambda m: m["engines"][0].update(precision="\ud800"),
    "surrogate in a library's name": lambda m: m["provenance"]["versions"].update({"\ud800": "1"}),
    "padding beyond int64": lambda m: m.update(pad_token_id=2**63),
    "padding beyond int32": lambda m: m.update(pad_token_id=2**31),
    "padding below zero": lambda m: m.update(pad_token_id=-1),
    "size beyond int64": lambda m: m["files"]["config.json"].update(bytes=2**64),
    "number of prompts beyond int64": lambda m: m["engines"][0]["parity"].update(prompts=10**400),
    "temperature that divides to infinity": lambda m: m["calibration"].update(temperature=5e-324),
    "temperature that divides to zero": lambda m: m["calibration"].update(temperature=1e308),
    "text of a megabyte": lambda m: m["labels"].update(cloud="x" * 2**20),
    "name of a megabyte": lambda m: m["files"].update({"x" * 2**20: _EMPTY}),
    "many files": lambda m: m["files"].update({f"f{i}": _EMPTY for i in range(100_000)}),
    "many engines": lambda m: m.update(engines=m["engines"] * 5000),
    "engines by the hundred": lambda m: m.update(engines=m["engines"] * 100),
    "many thresholds": lambda m: m["thresholds"].update({f"t{i}": m["thresholds"]["balanced"] for i in range(9999)}),
    "schema of a megabyte": lambda m: m.update(schema="x" * 2**20),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_manifest_is_a_typed_error_with_a_short_message(folder: Path, case: str) -> None:
    _change(folder, HOSTILE[case])
    with pytest.raises(VibeRouterError) as caught:
        Router.load(folder, threads=1)
    assert len(caught.value.message) < 400
    assert caught.value.message.isascii()


@pytest.mark.parametrize("content", [b"", b"\xff", b"null", b"[" * 10**6, b'{"a":' * 10**6, b'"' + b"x" * 2**24 + b'"'])
def test_what_is_no_manifest_is_corrupt(folder: Path, content: bytes) -> None:
    (folder / MANIFEST_NAME).write_bytes(content)
    with pytest.raises(BundleCorruptError):
        open_bundle(folder)


@pytest.mark.parametrize("source", ["a" * 5000, "a\0b", "\ud800", "~nouser12/x", "", "/dev/null", Path("a" * 5000)])
def test_a_name_that_no_file_system_takes_is_not_found(source: str | Path) -> None:
    with pytest.raises((BundleNotFoundError, BundleCorruptError)):
        open_bundle(source)


@pytest.mark.parametrize("source", [5, b"x", ["x"], object()])
def test_what_names_no_bundle_is_a_usage_error(source: Any) -> None:
    with pytest.raises(UsageError):
        open_bundle(source)


def test_a_bundle_without_its_card_loads_and_an_altered_card_is_refused(folder: Path) -> None:
    card = folder / "README.md"
    card.write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    _change(folder, lambda m: m["files"].update({"README.md": {"bytes": 0, "sha256": empty}}))
    open_bundle(folder).check()
    card.unlink()
    open_bundle(folder).check()
    card.write_bytes(b"x")
    with pytest.raises(BundleCorruptError):
        open_bundle(folder)
