"""Files and bundles for the native engine, small enough to make anew."""

from __future__ import annotations

import mmap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.bundles import PARITY
from tests.support.checkpoints import small_config, write_checkpoint
from vibe_router.engines.native_library import native_problem
from vibe_router.manifest import MANIFEST_NAME, EngineFile, ParityNumbers, dump_manifest
from vibe_router_export.assemble import hash_files
from vibe_router_export.checkpoint import Checkpoint, read_checkpoint
from vibe_router_export.fold import fold_temperature
from vibe_router_export.native_file import native_architecture, write_native
from vibe_router_export.onnx_export import ExportOptions, ReferenceChoice, export_onnx

FILE = "native/model_int8.safetensors"
needs_native = pytest.mark.skipif(native_problem() is not None, reason=f"no native engine: {native_problem()}")


def native_config(**changes: Any) -> dict[str, Any]:
    """config.json of a small model that the native engine runs."""
    return small_config(**{"hidden_size": 64, "intermediate_size": 96} | changes)


def native_checkpoint(folder: Path, *, seed: int = 0, **changes: Any) -> Checkpoint:
    return read_checkpoint(str(write_checkpoint(folder, native_config(**changes), seed=seed)))


def write_file(checkpoint: Checkpoint, path: Path, *, max_tokens: int = 128) -> Path:
    """Write the engine's file of a checkpoint, its temperature not folded in, and return the path."""
    write_native(checkpoint.weights, native_architecture(checkpoint.weights, max_tokens=max_tokens), path)
    return path


def mapped(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def native_bundle(folder: Path, checkpoint: Checkpoint, *, parity: ParityNumbers | None = PARITY) -> Path:
    """Write a bundle with an fp32 graph and a native file that counts as proven, and return the folder."""
    manifest = export_onnx(checkpoint, folder, options=ExportOptions(reference=ReferenceChoice.NONE)).manifest
    (folder / FILE).parent.mkdir()
    weights = fold_temperature(checkpoint.weights, manifest.calibration.temperature)
    write_native(weights, native_architecture(weights, max_tokens=manifest.max_tokens), folder / FILE)
    entry = EngineFile(kind="native", file=FILE, precision="int8", parity=parity)
    manifest = replace(manifest, engines=(*manifest.engines, entry), files=hash_files(folder))
    (folder / MANIFEST_NAME).write_text(dump_manifest(manifest), encoding="utf-8")
    return folder
