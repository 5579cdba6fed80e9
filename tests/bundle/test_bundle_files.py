from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.support.bundles import write_bundle
from vibe_router import Router
from vibe_router.bundle import Bundle, open_bundle
from vibe_router.errors import BundleCorruptError, BundleNotFoundError, SchemaError

FILES = ("tokenizer.json", "config.json", "golden.jsonl", "onnx/model.onnx")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


def test_a_sound_bundle_opens_and_checks(folder: Path) -> None:
    bundle = open_bundle(folder)
    bundle.check()
    assert bundle.read("config.json") == (folder / "config.json").read_bytes()
    assert open_bundle(str(folder)).manifest == bundle.manifest


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_found_when_the_bundle_is_opened(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleCorruptError, match=f"{name} is missing"):
        open_bundle(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_size_is_found_when_the_bundle_is_opened(folder: Path, name: str) -> None:
    with (folder / name).open("ab") as file:
        file.write(b"\n")
    with pytest.raises(BundleCorruptError, match="bytes instead of"):
        open_bundle(folder)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
def test_one_flipped_bit_is_found_before_any_decision(folder: Path, name: str, place: float) -> None:
    content = bytearray((folder / name).read_bytes())
    content[int(place * (len(content) - 1))] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(BundleCorruptError, match=f"{name} has been altered"):
        Router.load(folder, threads=1)
    with pytest.raises(BundleCorruptError):
        open_bundle(folder).read(name)
    with pytest.raises(BundleCorruptError):
        open_bundle(folder).check()


def test_the_bytes_read_are_the_bytes_checked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = open_bundle(folder)
    path_of = Bundle.path

    def swap_after_the_check(self: Bundle, name: str) -> Path:
        path = path_of(self, name)
        path.write_bytes(b"[]\n")
        return path

    monkeypatch.setattr(Bundle, "path", swap_after_the_check)
    with pytest.raises(BundleCorruptError, match="altered"):
        bundle.read("config.json")


def test_files_that_the_manifest_does_not_list_are_never_read(folder: Path) -> None:
    (folder / "evil.pkl").write_bytes(b"x")
    bundle = open_bundle(folder)
    bundle.check()
    with pytest.raises(BundleCorruptError, match="does not list"):
        bundle.read("evil.pkl")


@pytest.mark.parametrize("name", ["tokenizer.json", "router.json"])
def test_a_link_is_refused_even_to_the_right_content(folder: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    (folder / name).rename(outside)
    (folder / name).symlink_to(outside)
    with pytest.raises(BundleCorruptError, match="through a link"):
        open_bundle(folder)


def test_a_linked_folder_inside_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "onnx").rename(tmp_path / "elsewhere")
    (folder / "onnx").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleCorruptError, match="through a link"):
        open_bundle(folder)


def test_a_link_to_the_bundle_itself_is_the_users_business(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to(folder)
    open_bundle(tmp_path / "latest").check()


def test_what_is_no_regular_file_is_refused(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "config.json").mkdir()
    with pytest.raises(BundleCorruptError, match="not a regular file"):
        open_bundle(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_is_refused_without_waiting_on_it(folder: Path) -> None:
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")
    with pytest.raises(BundleCorruptError, match="not a regular file"):
        open_bundle(folder)


def test_another_schema_is_named(folder: Path) -> None:
    manifest = json.loads((folder / "router.json").read_text())
    (folder / "router.json").write_text(json.dumps(manifest | {"schema": "vibe-router-bundle/2"}))
    with pytest.raises(SchemaError, match="vibe-router-bundle/2"):
        open_bundle(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"schema": "vibe-router-bundle/1"}'])
def test_what_is_no_manifest_is_refused(folder: Path, content: bytes) -> None:
    (folder / "router.json").write_bytes(content)
    with pytest.raises(BundleCorruptError, match=r"router\.json"):
        open_bundle(folder)


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "a//b", "a/./b", "C:\\x", "router.json"])
def test_a_path_that_leaves_the_bundle_is_refused(folder: Path, path: str) -> None:
    manifest = json.loads((folder / "router.json").read_text())
    manifest["files"][path] = manifest["files"]["config.json"]
    (folder / "router.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleCorruptError, match="not a plain path"):
        open_bundle(folder)


@pytest.mark.parametrize("source", ["nowhere-at-all", "./nowhere", "/nowhere/at/all", Path("no/where")])
def test_nothing_there_is_not_found(source: str | Path) -> None:
    with pytest.raises(BundleNotFoundError) as caught:
        open_bundle(source)
    assert caught.value.exit_code == 3
    assert caught.value.hint


def test_a_mistyped_folder_is_not_looked_up_on_the_network(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent.parent)
    with pytest.raises(BundleNotFoundError, match="no bundle at"):
        open_bundle(f"{folder.parent.name}/missing")


def test_a_folder_without_manifest_and_a_file_are_not_found(folder: Path) -> None:
    shutil.move(folder / "router.json", folder / "kept.json")
    for source in (folder, folder / "kept.json"):
        with pytest.raises(BundleNotFoundError):
            open_bundle(source)
