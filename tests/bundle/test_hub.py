"""A bundle in the Hugging Face cache, laid out as huggingface_hub lays it out."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from tests.support.bundles import write_bundle
from vibe_router import Router
from vibe_router.bundle.bundle import open_bundle
from vibe_router.bundle.hub import is_hub_id
from vibe_router.errors import BundleCorruptError, BundleNotFoundError, MissingExtraError, UsageError

constants = pytest.importorskip("huggingface_hub.constants", reason="the extra 'hub' is not installed")

NAME = "hf://someone/router"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Fill an offline cache with the tiny bundle and return its snapshot folder."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    repository = tmp_path / "hub" / "models--someone--router"
    source = write_bundle(tmp_path / "source")
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    (repository / "blobs").mkdir()
    snapshot = repository / "snapshots" / COMMIT
    for path in (path for path in source.rglob("*") if path.is_file()):
        content = path.read_bytes()
        blob = repository / "blobs" / hashlib.sha256(content).hexdigest()
        blob.write_bytes(content)
        link = snapshot / path.relative_to(source)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)
    return snapshot


def test_a_cached_bundle_is_found_by_name_without_a_network(snapshot: Path) -> None:
    with Router.load(NAME, threads=1) as router:
        assert router.bundle.folder == snapshot
        assert router.route("hi").engine == "onnx-cpu"


def test_the_snapshot_folder_itself_is_a_bundle(snapshot: Path) -> None:
    open_bundle(snapshot).check()


def test_a_link_out_of_the_cache_is_refused(snapshot: Path, tmp_path: Path) -> None:
    link = snapshot / "config.json"
    outside = tmp_path / "outside.json"
    outside.write_bytes(link.read_bytes())
    link.unlink()
    link.symlink_to(outside)
    with pytest.raises(BundleCorruptError, match="through a link"):
        open_bundle(NAME)


def test_an_altered_blob_is_found(snapshot: Path) -> None:
    blob = (snapshot / "onnx/model.onnx").resolve()
    content = bytearray(blob.read_bytes())
    content[-1] ^= 1
    blob.write_bytes(content)
    with pytest.raises(BundleCorruptError, match="altered"):
        Router.load(NAME, threads=1)


@pytest.mark.usefixtures("snapshot")
def test_what_is_not_cached_is_not_found_offline() -> None:
    with pytest.raises(BundleNotFoundError, match="HF_HUB_OFFLINE"):
        open_bundle("hf://someone/else")


def test_a_file_that_is_not_cached_is_not_found_offline(snapshot: Path) -> None:
    (snapshot / "golden.jsonl").unlink()
    with pytest.raises(BundleNotFoundError, match=r"golden\.jsonl"):
        open_bundle(NAME)


def test_pickled_files_are_refused(snapshot: Path) -> None:
    manifest = (snapshot / "router.json").resolve()
    manifest.write_text(manifest.read_text().replace('"config.json"', '"config.pkl"'))
    with pytest.raises(BundleCorruptError, match="pickled"):
        open_bundle(NAME)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError) as caught:
        open_bundle(NAME)
    assert caught.value.hint.endswith("pip install '.[hub]'")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("source", "is_id"),
    [
        ("org/name", True),
        ("org/name-1.0_x", True),
        ("name", False),
        ("a/b/c", False),
        ("../x", False),
        ("./x", False),
        ("org/na--me", False),
        ("org/na..me", False),
        ("org/" + "n" * 100, False),
    ],
)
def test_hub_ids_are_told_from_paths(source: str, is_id: bool) -> None:
    assert is_hub_id(source) is is_id


def test_a_revision_names_the_commit(snapshot: Path) -> None:
    assert open_bundle(f"{NAME}@{COMMIT}").folder == snapshot
    with pytest.raises(BundleNotFoundError, match="HF_HUB_OFFLINE"):
        open_bundle(f"{NAME}@{'f' * 40}")


@pytest.mark.parametrize("name", ["someone/router", "bundles/mine", "someone/missing"])
def test_a_name_without_the_scheme_never_goes_to_the_hub(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the hub was asked")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", refuse)
    with pytest.raises(BundleNotFoundError) as caught:
        open_bundle(name)
    assert caught.value.hint == f"to fetch it from the Hugging Face hub, say hf://{name}"


@pytest.mark.parametrize(
    "name", ["hf://", "hf://name", "hf://a/b--c", "hf://a/b..c", "hf://a/b@", "hf://a/b@../x", "hf://\ud800/x"]
)
def test_what_is_no_name_on_the_hub_is_a_usage_error(name: str) -> None:
    with pytest.raises(UsageError, match="no name on the Hugging Face hub"):
        open_bundle(name)


@pytest.mark.parametrize("content", [b"\xff\xfe", b'{"schema":"' + b"x" * 2**24 + b'"}'], ids=["latin", "large"])
def test_a_manifest_on_the_hub_that_cannot_be_read_is_corrupt(snapshot: Path, content: bytes) -> None:
    (snapshot / "router.json").resolve().write_bytes(content)
    with pytest.raises(BundleCorruptError):
        open_bundle(NAME)
