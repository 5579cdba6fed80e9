"""Checkpoints that the native engine runs, and engines of them."""

from __future__ import annotations

import json
import mmap
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.support.bundles import PARITY
from tests.support.checkpoints import ROUTER_CONFIG, small_config, write_checkpoint
from vibe_router.bundle.manifest import MANIFEST_NAME, EngineFile, ParityNumbers, dump_manifest
from vibe_router.engines.native.engine import NativeEngine
from vibe_router.engines.native.library import Instructions, native_problem
from vibe_router_export.checkpoint.checkpoint import Checkpoint, read_checkpoint
from vibe_router_export.choices import ReferenceChoice
from vibe_router_export.emit.native.file import NATIVE_FILE, native_architecture, open_native, write_native
from vibe_router_export.emit.quantize import encoder_linears
from vibe_router_export.export import ExportOptions, export_onnx
from vibe_router_export.fold.folds import fold_temperature
from vibe_router_tools.bundle_edit import hash_files

_UNAVAILABLE = native_problem()
needs_native_engine = pytest.mark.skipif(
    _UNAVAILABLE is not None, reason=f"the native engine cannot run here: {_UNAVAILABLE}"
)
# The engine takes widths that are multiples of 64.
WIDTH = 64
# Many thresholds, so that a wrong score is a wrong decision somewhere.
PROFILES = {f"above-{step}": step / 40 for step in range(4, 39)}


def native_config(**changes: Any) -> dict[str, Any]:
    """Return config.json of a small model that the engine runs."""
    return small_config(**{"hidden_size": WIDTH, **changes})


def native_checkpoint(folder: Path, *, profiles: dict[str, float] | None = None, **changes: Any) -> Checkpoint:
    """Write a small checkpoint with `changes` of its config.json, and read it."""
    write_checkpoint(folder, native_config(**changes))
    if profiles is not None:
        settings = ROUTER_CONFIG | {"profiles": profiles, "default_profile": next(iter(profiles))}
        (folder / "router_config.json").write_text(json.dumps(settings))
    return read_checkpoint(folder)


def with_a_loud_neuron(checkpoint: Checkpoint, *, layer: int) -> Checkpoint:
    """Make one neuron of an MLP a thousand times as loud and what it writes as faint: the same function.

    Every token's largest activation there is that neuron's, and its scale leaves nothing of the others.
    """
    path = checkpoint.folder / "model.safetensors"
    tensors = load_file(path)
    gates = checkpoint.config.intermediate_size
    loud = np.float32(1000)
    tensors[f"model.layers.{layer}.mlp.Wi.weight"][gates] *= loud
    tensors[f"model.layers.{layer}.mlp.Wo.weight"][:, 0] /= loud
    save_file(tensors, path, metadata={"format": "pt"})
    return read_checkpoint(checkpoint.folder)


def matrix_names(checkpoint: Checkpoint) -> list[str]:
    """Return the names of the encoder's matrices."""
    return [linear.weight.name for linear in encoder_linears(checkpoint.weights)]


def native_engine(
    checkpoint: Checkpoint,
    path: Path,
    *,
    exact: Collection[str] = (),
    threads: int = 1,
    instructions: Instructions | None = None,
) -> NativeEngine:
    """Write the file of a checkpoint, without temperature, and open it."""
    architecture = native_architecture(checkpoint.weights, max_tokens=checkpoint.config.max_positions, exact=exact)
    write_native(checkpoint.weights, architecture, path)
    return open_native(path, file=path.name, threads=threads, instructions=instructions)


def mapped(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def native_bundle(folder: Path, checkpoint: Checkpoint, *, parity: ParityNumbers | None = PARITY) -> Path:
    """Write a bundle with an fp32 graph and a native file whose entry has `parity`, and return the folder."""
    manifest = export_onnx(checkpoint, folder, options=ExportOptions(reference=ReferenceChoice.NONE)).manifest
    (folder / NATIVE_FILE).parent.mkdir()
    weights = fold_temperature(checkpoint.weights, manifest.calibration.temperature)
    write_native(weights, native_architecture(weights, max_tokens=manifest.max_tokens), folder / NATIVE_FILE)
    entry = EngineFile(kind="native", file=NATIVE_FILE, precision="int8", parity=parity)
    manifest = replace(manifest, engines=(*manifest.engines, entry), files=hash_files(folder))
    (folder / MANIFEST_NAME).write_text(dump_manifest(manifest), encoding="utf-8")
    return folder
