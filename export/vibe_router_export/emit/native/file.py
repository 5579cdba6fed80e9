"""The file of the native engine, from weights: panels of int8, float where asked for; see `native_format`."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vibe_router.bundle.safe_open import map_file
from vibe_router.engines.native.engine import NativeEngine
from vibe_router.engines.native.format import (
    FORMAT,
    GATED,
    GROUP,
    PANEL,
    NativeArchitecture,
    NativeLayer,
    TensorShape,
    expected_tensors,
    padded,
    problem,
    rope_name,
)
from vibe_router.engines.native.library import Instructions
from vibe_router.engines.native.model import NativeModel
from vibe_router.errors import CheckpointError
from vibe_router_export.checkpoint.config import Pooling
from vibe_router_export.checkpoint.weights import Array, LayerNorm, Linear, ModernBertWeights
from vibe_router_export.choices import Precision
from vibe_router_export.emit.quantize import int8_rows
from vibe_router_export.emit.rope import rope_tables

# x86 adds 128 to int8 activations to make them unsigned; the offsets take that, times the weights, off again.
_ACTIVATION_OFFSET = 128
_ALIGNMENT = 64
NATIVE_FILE = "native/model_int8.safetensors"
"""Where a bundle keeps it."""


def native_architecture(
    weights: ModernBertWeights, *, max_tokens: int, exact: Collection[str] = ()
) -> NativeArchitecture:
    """Return what a file says of a model whose matrices `exact`, by name, stay float.

    Raises:
        CheckpointError: the native engine cannot run such a model.
    """
    config = weights.config
    architecture = NativeArchitecture(
        vocabulary_size=config.vocabulary_size,
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        heads=config.heads,
        max_tokens=max_tokens,
        norm_epsilon=config.norm_epsilon,
        mean_pooling=config.pooling is Pooling.MEAN,
        norm_bias=config.norm_bias,
        attention_bias=config.attention_bias,
        mlp_bias=config.mlp_bias,
        classifier_bias=config.classifier_bias,
        layers=tuple(
            NativeLayer(
                window=layer.pattern.window,
                rope_theta=layer.pattern.rope_theta,
                attention_scale=layer.attention_scale,
            )
            for layer in weights.layers
        ),
        exact=tuple(sorted(exact)),
    )
    why = problem(architecture)
    if why is not None:
        raise CheckpointError(
            f"the native engine cannot run this model: {why}", hint="use `router-export onnx --precision int8`"
        )
    return architecture


def write_native(weights: ModernBertWeights, architecture: NativeArchitecture, path: Path) -> None:
    """Write the file, one tensor in memory at a time."""
    expected = expected_tensors(architecture)
    with path.open("wb") as file:
        file.write(_header(architecture, expected))
        start = file.tell()
        offsets = _offsets(expected)
        for name, value in _tensors(weights, architecture):
            shape = expected[name]
            if value.nbytes != shape.bytes:
                raise ValueError(f"{name} has {value.nbytes} bytes instead of {shape.bytes}")
            file.seek(start + offsets[name][0])
            file.write(np.ascontiguousarray(value).data)


def open_native(
    path: Path, *, file: str, threads: int | None = None, instructions: Instructions | None = None
) -> NativeEngine:
    """Return the engine of a file at `path`; `file` is its name in the bundle.

    `threads` None means all CPUs, `instructions` None the fastest that there are here.

    Raises:
        EngineUnavailableError: the native engine cannot run here, or not with these instructions.
        BundleCorruptError: not one of its files.
        EngineError: not enough memory, or not so many threads.
    """
    with path.open("rb") as opened:
        model = NativeModel(map_file(opened.fileno(), name=file), file=file)
    model.begin_check()()
    return NativeEngine(model, file=file, precision=Precision.INT8.value, threads=threads, instructions=instructions)


def _header(architecture: NativeArchitecture, expected: dict[str, TensorShape]) -> bytes:
    """Return the length of the description and the description, as safetensors begin; a multiple of 64 bytes."""
    offsets = _offsets(expected)
    entries: dict[str, object] = {
        "__metadata__": {"format": FORMAT, "architecture": json.dumps(asdict(architecture), allow_nan=False)}
    }
    for name, shape in expected.items():
        entries[name] = {"dtype": shape.type.value, "shape": list(shape.shape), "data_offsets": list(offsets[name])}
    text = json.dumps(entries, separators=(",", ":")).encode()
    text = text.ljust(padded(len(text) + 8, _ALIGNMENT) - 8)
    return len(text).to_bytes(8, "little") + text


def _offsets(expected: dict[str, TensorShape]) -> dict[str, tuple[int, int]]:
    offsets, end = {}, 0
    for name, shape in expected.items():
        offsets[name] = (end, end + shape.bytes)
        end += shape.bytes
    return offsets


def _tensors(weights: ModernBertWeights, architecture: NativeArchitecture) -> Iterator[tuple[str, NDArray[np.generic]]]:
    """Yield every tensor of the file."""
    exact = set(architecture.exact)
    table = weights.token_embedding
    rows = int8_rows(table.value)
    yield table.name, _filled(rows.values, padded(len(rows.values), PANEL))
    yield f"{table.name}.scales", _filled(rows.scales, padded(len(rows.scales), PANEL))
    yield from _norm(weights.embedding_norm)
    for layer in weights.layers:
        yield from _norm(layer.attention_norm)
        yield from _matrix(layer.query_key_value, exact)
        yield from _matrix(layer.attention_output, exact)
        yield from _norm(layer.mlp_norm)
        yield from _matrix(layer.mlp_input, exact, gated=True)
        yield from _matrix(layer.mlp_output, exact)
    yield from _norm(weights.final_norm)
    yield from _matrix(weights.head_dense, {weights.head_dense.weight.name})
    yield from _norm(weights.head_norm)
    positions = padded(architecture.max_tokens, PANEL)
    for theta in {layer.pattern.rope_theta for layer in weights.layers}:
        cosine, sine = rope_tables(positions, architecture.head_size, theta)
        yield rope_name(theta, "cosine"), cosine
        yield rope_name(theta, "sine"), sine
    yield weights.classifier.weight.name, weights.classifier.weight.value
    if weights.classifier.bias is not None:
        yield weights.classifier.bias.name, weights.classifier.bias.value


def _norm(norm: LayerNorm | None) -> Iterator[tuple[str, Array]]:
    if norm is not None:
        for parameter in (norm.weight, norm.bias):
            if parameter is not None:
                yield parameter.name, parameter.value


def _matrix(
    linear: Linear, exact: Collection[str], *, gated: bool = False
) -> Iterator[tuple[str, NDArray[np.generic]]]:
    name = linear.weight.name
    weight = _beside_gates(linear.weight.value) if gated else linear.weight.value
    if name in exact:
        yield name, _float_panels(weight)
    else:
        rows = int8_rows(weight)
        panels = int8_panels(rows.values)
        yield name, panels
        yield f"{name}.scales", _filled(rows.scales, panels.shape[0] * PANEL)
        sums = panels.sum(axis=(1, 3), dtype=np.int32).reshape(-1)
        yield f"{name}.offsets", sums * np.int32(-_ACTIVATION_OFFSET)
    if linear.bias is not None:
        bias = _beside_gates(linear.bias.value) if gated else linear.bias.value
        yield linear.bias.name, _filled(bias, padded(len(bias), PANEL))


def _beside_gates(rows: Array) -> Array:
    """Bring 16 rows of the first half and the 16 of the second that gate them together."""
    groups = len(rows) // (2 * GATED)
    return np.ascontiguousarray(rows.reshape(2, groups, GATED, *rows.shape[1:]).swapaxes(0, 1).reshape(rows.shape))


def int8_panels(values: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return [panels, inputs / 4, 64, 4] of a matrix [outputs, inputs]."""
    outputs, inputs = values.shape
    full = np.zeros((padded(outputs, PANEL), padded(inputs, PANEL)), np.int8)
    full[:outputs, :inputs] = values
    return np.ascontiguousarray(full.reshape(-1, PANEL, full.shape[1] // GROUP, GROUP).swapaxes(1, 2))


def _float_panels(weight: Array) -> Array:
    """Return [panels, inputs, 64] of a matrix [outputs, inputs]."""
    full = _filled(weight, padded(len(weight), PANEL))
    return np.ascontiguousarray(full.reshape(-1, PANEL, full.shape[1]).swapaxes(1, 2))


def _filled(rows: NDArray[np.generic], count: int) -> NDArray[np.generic]:
    """Return `rows` followed by rows of zeros, `count` in all."""
    return np.pad(rows, ((0, count - len(rows)), *((0, 0) for _ in rows.shape[1:])))
