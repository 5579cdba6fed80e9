"""Weights in a file beside the graph, which ONNX Runtime opens by itself: checked all the same."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from tests.support.bundles import PARITY, replace_file, tiny_logit, write_bundle
from vibe_router import Router
from vibe_router.bundle.bundle import Bundle, open_bundle
from vibe_router.bundle.manifest import EngineFile, FileEntry
from vibe_router.engines.onnx.cpu import OnnxCpuEngine
from vibe_router.errors import BundleCorruptError, UsageError

DATA = "onnx/model.onnx_data"


def with_external_weights(folder: Path) -> Path:
    """Move the big tensors of a bundle's graph into a file beside it, as the exporter does."""
    model = onnx.load(folder / "onnx/model.onnx")
    content = b""
    for tensor in model.graph.initializer:
        if len(tensor.raw_data) > 1000:
            offset = -(-len(content) // 4096) * 4096
            content = content.ljust(offset, b"\0") + tensor.raw_data
            for key, value in (("location", "model.onnx_data"), ("offset", offset), ("length", len(tensor.raw_data))):
                tensor.external_data.add(key=key, value=str(value))
            tensor.data_location = onnx.TensorProto.EXTERNAL
            tensor.ClearField("raw_data")
    assert content
    (folder / DATA).write_bytes(content)
    replace_file(folder, "onnx/model.onnx", model.SerializeToString())
    replace_file(folder, DATA, content)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return with_external_weights(write_bundle(tmp_path / "b"))


def assert_routes(folder: Path) -> None:
    with Router.load(folder, threads=1) as router:
        ids = router.tokenizer.encode("hi").ids.tolist()
        p_cloud = router.route("hi", threshold=0.5).p_cloud
        assert p_cloud is not None
        assert (p_cloud > 0.5) == (tiny_logit(ids) > 0)


def test_a_bundle_with_weights_beside_its_graph_routes(folder: Path) -> None:
    assert_routes(folder)


def test_one_flipped_bit_in_the_weights_gives_no_router(folder: Path) -> None:
    content = bytearray((folder / DATA).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / DATA).write_bytes(content)
    with pytest.raises(BundleCorruptError, match="altered"):
        Router.load(folder, threads=1)
    with Router.load(folder, threads=1, verify="off") as router:
        router.route("hi")


def replace_it(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


def write_into_it(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\1\2\3\4")


def swap_it_and_back(path: Path) -> None:
    other, kept = path.with_name("other"), path.with_name("kept")
    other.write_bytes(b"\1" * path.stat().st_size)
    path.replace(kept)
    other.replace(path)
    path.replace(other)
    kept.replace(path)


@pytest.mark.parametrize("change", [replace_it, write_into_it, swap_it_and_back])
@pytest.mark.parametrize("verify", ["used", "off"])
def test_weights_that_change_while_the_session_is_made_give_no_router(
    folder: Path, change: Callable[[Path], None], verify: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = OnnxCpuEngine.__init__

    def change_meanwhile(self: OnnxCpuEngine, *values: object, **options: object) -> None:
        change(folder / DATA)
        make(self, *values, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(OnnxCpuEngine, "__init__", change_meanwhile)
    with pytest.raises(BundleCorruptError, match=r"changed while|altered"):
        Router.load(folder, threads=1, verify=verify)


def test_corrupt_weights_are_named_before_what_the_engine_says_of_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("strange weights")

    monkeypatch.setattr(OnnxCpuEngine, "__init__", fail)
    with pytest.raises(RuntimeError, match="strange"):
        Router.load(folder, threads=1)
    content = (folder / DATA).read_bytes()
    (folder / DATA).write_bytes(b"\1" + content[1:])
    with pytest.raises(BundleCorruptError, match="altered"):
        Router.load(folder, threads=1)


@pytest.mark.parametrize("location", ["other", "../onnx/model.onnx_data", "/etc/passwd", "./model.onnx_data"])
def test_weights_anywhere_else_are_refused_before_a_session_is_made(
    folder: Path, location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = onnx.load(folder / "onnx/model.onnx", load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    replace_file(folder, "onnx/model.onnx", model.SerializeToString())
    monkeypatch.setattr("onnxruntime.InferenceSession", None)
    with pytest.raises(BundleCorruptError, match=r"instead of 'model\.onnx_data'"):
        Router.load(folder, threads=1)


def test_a_snapshot_of_the_hubs_cache_routes(folder: Path, tmp_path: Path) -> None:
    snapshot, blobs = tmp_path / "repository" / "snapshots" / "abc", tmp_path / "repository" / "blobs"
    blobs.mkdir(parents=True)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            blob = blobs / hashlib.sha256(path.read_bytes()).hexdigest()
            link = snapshot / path.relative_to(folder)
            link.parent.mkdir(parents=True, exist_ok=True)
            path.rename(blob)
            link.symlink_to(os.path.relpath(blob, link.parent))
    assert_routes(snapshot)
    (snapshot / DATA).unlink()
    (snapshot / DATA).symlink_to("/etc/passwd")
    with pytest.raises(BundleCorruptError, match="link"):
        Router.load(snapshot, threads=1)


def test_only_big_weights_of_other_engines_may_go_unhashed(tmp_path: Path) -> None:
    engines = tuple(
        EngineFile(kind="onnx", file=f"onnx/{name}.onnx", precision=name, parity=PARITY) for name in ("int8", "fp32")
    )
    bundle = open_bundle(write_bundle(tmp_path / "b", engines=engines))
    big = FileEntry(bytes=2**30, sha256="0" * 64)
    more = {"onnx/fp32.onnx_data": big, "onnx/int8.onnx_data": big, "golden.jsonl": big}
    manifest = type(bundle.manifest)(**{**vars(bundle.manifest), "files": {**bundle.manifest.files, **more}})
    assert Bundle(bundle.folder, manifest).unused("onnx/int8.onnx") == {"onnx/fp32.onnx_data"}
    assert bundle.unused("onnx/int8.onnx") == set()


@pytest.mark.parametrize("verify", ["", "full", "OFF"])
def test_an_unknown_mode_is_a_usage_error(folder: Path, verify: str) -> None:
    with pytest.raises(UsageError, match="verify"):
        Router.load(folder, verify=verify)
