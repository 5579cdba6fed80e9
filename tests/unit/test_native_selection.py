"""The native engine as a part of the runtime: what it loads and refuses, threads, processes, stopping and closing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.bundles import PARITY
from tests.support.native import mapped, native_bundle, native_checkpoint, needs_native_engine
from tests.support.prompts import mixed_prompts
from vibe_router import Router
from vibe_router.bundle.bundle import open_bundle
from vibe_router.engines.choice import EngineChoice
from vibe_router.engines.native import library as native_library
from vibe_router.engines.native.engine import NativeEngine
from vibe_router.engines.native.library import Instructions, supported_instructions
from vibe_router.engines.native.model import NativeModel
from vibe_router.engines.select import load_engine
from vibe_router.errors import BundleCorruptError, EngineUnavailableError
from vibe_router_export.checkpoint.checkpoint import Checkpoint
from vibe_router_export.emit.native.file import NATIVE_FILE, native_architecture, write_native

PROMPTS = mixed_prompts(60, seed=3)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return native_checkpoint(tmp_path_factory.mktemp("checkpoint") / "small")


@pytest.fixture(scope="module")
def file(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("file") / "model.safetensors"
    write_native(checkpoint.weights, native_architecture(checkpoint.weights, max_tokens=128), path)
    return path


@pytest.fixture(scope="module")
def bundle(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return native_bundle(tmp_path_factory.mktemp("bundle") / "small", checkpoint)


def load(
    file: Path, *, threads: int = 2, instructions: Instructions | None = None, background: bool = False
) -> NativeEngine:
    return NativeEngine(
        NativeModel(mapped(file), file=NATIVE_FILE),
        file=NATIVE_FILE,
        precision="int8",
        threads=threads,
        instructions=instructions,
        background=background,
    )


@needs_native_engine
def test_a_proven_file_is_what_auto_takes(bundle: Path) -> None:
    with Router.load(bundle) as router, Router.load(bundle, engine="onnx-cpu") as exact:
        assert (router.engine.name, router.engine.file, router.engine.precision) == ("native-cpu", NATIVE_FILE, "int8")
        assert router.route("hi").engine == "native-cpu"
        assert router.route("hi").p_cloud == pytest.approx(exact.route("hi").p_cloud, abs=0.05)


@needs_native_engine
@pytest.mark.parametrize("parity", [None, replace(PARITY, flips_outside_band=1)])
def test_an_unproven_file_is_taken_only_by_name(tmp_path: Path, checkpoint: Checkpoint, parity: Any) -> None:
    folder = native_bundle(tmp_path / "b", checkpoint, parity=parity)
    assert load_engine(open_bundle(folder), EngineChoice()).name == "onnx-cpu"
    assert load_engine(open_bundle(folder), EngineChoice(engine="native-cpu", precision="int8")).name == "native-cpu"
    with pytest.raises(EngineUnavailableError, match="no proven native file"):
        load_engine(open_bundle(folder), EngineChoice(engine="native-cpu"))


def test_a_bundle_without_such_a_file_does_not_load_the_library(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native_library, "native_library", lambda: pytest.fail("asked for instructions"))
    assert load_engine(open_bundle(tiny_bundle), EngineChoice()).name == "onnx-cpu"
    assert load_engine(open_bundle(tiny_bundle), EngineChoice(engine="onnx-cpu")).name == "onnx-cpu"


@pytest.mark.parametrize("library", ["missing", "broken"])
def test_without_a_library_auto_takes_onnx_and_the_name_is_refused(
    bundle: Path, library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.so"
    broken.write_bytes(b"no library")
    monkeypatch.setattr(native_library, "library_file", lambda: broken if library == "broken" else None)
    native_library.native_library.cache_clear()
    try:
        assert load_engine(open_bundle(bundle), EngineChoice()).name == "onnx-cpu"
        with pytest.raises(EngineUnavailableError, match=r"native library|cannot be loaded") as caught:
            load_engine(open_bundle(bundle), EngineChoice(engine="native-cpu"))
        assert "onnx-cpu" in caught.value.hint
    finally:
        native_library.native_library.cache_clear()


@needs_native_engine
def test_a_processor_without_the_instructions_is_told_apart(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = next(one for one in Instructions if one not in supported_instructions())
    with pytest.raises(EngineUnavailableError, match=foreign.name):
        load(file, instructions=foreign)
    monkeypatch.setattr(native_library, "supported_instructions", lambda: ())
    with pytest.raises(EngineUnavailableError, match="this processor"):
        load(file)


def test_altered_bytes_are_never_mapped_into_an_engine(tmp_path: Path, checkpoint: Checkpoint) -> None:
    folder = native_bundle(tmp_path / "b", checkpoint)
    content = bytearray((folder / NATIVE_FILE).read_bytes())
    content[-5] ^= 1
    (folder / NATIVE_FILE).write_bytes(content)
    with pytest.raises(BundleCorruptError, match="altered"):
        Router.load(folder, engine="native-cpu")
