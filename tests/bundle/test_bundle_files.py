from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path

import pytest

from tests.support.bundles import write_bundle
from vibe_router import Router
from vibe_router.bundle.bundle import open_bundle
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
    fstat = os.fstat

    def write_after_the_check(descriptor: int) -> os.stat_result:
        status = fstat(descriptor)
        (folder / "config.json").write_bytes(b"[]\n")
        return status

    monkeypatch.setattr(os, "fstat", write_after_the_check)
    with pytest.raises(BundleCorruptError, match="altered"):
        bundle.read("config.json")


def test_a_file_swapped_after_it_was_opened_is_not_the_one_that_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = open_bundle(folder)
    content = (folder / "config.json").read_bytes()
    fstat = os.fstat

    def swap_after_the_check(descriptor: int) -> os.stat_result:
        status = fstat(descriptor)
        (folder / "other").write_bytes(b"[]\n")
        (folder / "other").replace(folder / "config.json")
        return status

    monkeypatch.setattr(os, "fstat", swap_after_the_check)
    assert bundle.read("config.json") == content
    with pytest.raises(BundleCorruptError):
        bundle.read("config.json")


@pytest.mark.parametrize("name", ["config.json", "router.json", "onnx/model.onnx"])
def test_a_hard_link_is_refused_but_to_the_bundle_that_was_installed(
    folder: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.link(folder / name, tmp_path / "other name")
    with pytest.raises(BundleCorruptError, match="hard link"):
        open_bundle(folder)
    # Package managers link what they install to their caches.
    monkeypatch.setattr("vibe_router.bundle.bundle.bundled_folder", lambda: folder)
    open_bundle(folder).check()


@pytest.mark.parametrize("name", ["config.json", "router.json", "onnx"])
def test_a_socket_is_refused(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The path of a socket may not be long.
    monkeypatch.chdir(folder)
    if (folder / name).is_dir():
        shutil.rmtree(folder / name)
    else:
        (folder / name).unlink()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        with pytest.raises(BundleCorruptError):
            open_bundle(folder)


def test_a_device_is_not_opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "config.json").unlink()
    (folder / "config.json").write_bytes(b"{}\n")
    device = Path("/dev/zero").stat()
    stat_of, opened = os.stat, []

    def pretend(path: object, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> os.stat_result:
        if path == "config.json":
            return device
        return stat_of(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)  # type: ignore[arg-type]

    open_of = os.open
    monkeypatch.setattr(os, "open", lambda path, *rest, **more: (opened.append(path), open_of(path, *rest, **more))[1])
    monkeypatch.setattr(os, "stat", pretend)
    with pytest.raises(BundleCorruptError, match="not a regular file"):
        open_bundle(folder)
    assert "config.json" not in opened


def test_a_file_too_large_to_read_is_refused_by_its_manifest(folder: Path) -> None:
    with (folder / "config.json").open("wb") as file:
        file.truncate(2**30)
    manifest = json.loads((folder / "router.json").read_text())
    manifest["files"]["config.json"]["bytes"] = 2**30
    (folder / "router.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleCorruptError, match="at most"):
        open_bundle(folder).read("config.json")


def test_no_descriptor_stays_open(folder: Path) -> None:
    if not Path("/dev/fd").is_dir():
        pytest.skip("this system does not list descriptors")
    before = sum(1 for _ in Path("/dev/fd").iterdir())
    open_bundle(folder).check()
    (folder / "config.json").write_bytes(b"other")
    with pytest.raises(BundleCorruptError):
        open_bundle(folder)
    assert sum(1 for _ in Path("/dev/fd").iterdir()) == before


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
