"""Files of the native engine from an attacker: other architectures, other numbers, all else computed anew."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from benchmarks.hardening.fuzzing.mutations import mutate_bytes, mutate_json
from vibe_router.bundle.strict_json import read_record
from vibe_router.engines.native.format import (
    FORMAT,
    NativeArchitecture,
    NativeLayer,
    TensorShape,
    TensorType,
    encoder_matrices,
    expected_tensors,
    padded,
)

_ODD = (np.nan, -np.nan, np.inf, -np.inf, 3e38, -3e38, 1e30, -1e30, 1e19, 1e-42, -1e-42, 1e-38, 0.0, -0.0, -1.0)
_ALIGNMENT = 64
# Numbers to fill new tensors with.
_POOL = np.random.default_rng(0).normal(0, 1, 2**18).astype(np.float32)
_BYTES = np.random.default_rng(1).integers(-127, 128, 2**19).astype(np.int8)


@dataclass(frozen=True)
class NativeFile:
    """A file's header, architecture and tensors."""

    header: dict[str, Any]
    architecture: NativeArchitecture
    body: bytes

    def mutated(self, draw: random.Random) -> bytes:
        """Return another file; the same randomness makes the same one."""
        kind = draw.randrange(8)
        if kind == 0:
            return mutate_bytes(_file(json.dumps(self.header).encode(), self.body), draw)
        if kind == 1:
            return _file(mutate_json(self.header, draw), self.body)
        if kind == 2:
            header = json.loads(json.dumps(self.header))
            data = json.loads(header["__metadata__"]["architecture"])
            header["__metadata__"]["architecture"] = mutate_json(data, draw).decode("utf-8", "surrogatepass")
            return _file(json.dumps(header).encode(), self.body)
        architecture = self.architecture if kind < 5 else _other_architecture(self.architecture, draw)
        tensors = _tensors(architecture, draw)
        _spoil(tensors, draw)
        if draw.random() < 0.8:
            _fit(tensors, architecture)
        return _whole(architecture, tensors)


def read_native(content: bytes) -> NativeFile:
    """Return the parts of a file of the engine's own tensors; those for the reader in C are left out."""
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    architecture = read_record(NativeArchitecture, json.loads(header["__metadata__"]["architecture"]), "architecture")
    own = {name: entry for name, entry in header.items() if not name.startswith("router.")}
    end = max(entry["data_offsets"][1] for name, entry in own.items() if name != "__metadata__")
    return NativeFile(own, architecture, content[8 + length : 8 + length + end])


def _file(text: bytes, body: bytes) -> bytes:
    text = text.ljust(padded(len(text) + 8, _ALIGNMENT) - 8)
    return struct.pack("<Q", len(text)) + text + body


def _other_architecture(known: NativeArchitecture, draw: random.Random) -> NativeArchitecture:
    """Return an architecture that the engine takes, of sizes where its kernels go other ways."""
    head = draw.choice((16, 32, 48, 64))
    hidden = draw.choice([width for width in (64, 64, 64, 128, 192) if width % head == 0] or [192])
    layers = tuple(
        NativeLayer(
            window=draw.choice((None, 0, 1, 2, 5, 15, 16, 17, 32, 64, 2**20)),
            rope_theta=draw.choice((1.0, 10000.0, 160000.0)),
            attention_scale=draw.choice((0.25, 0.125, 1.0, 2.0**-20, 2.0**20)),
        )
        for _ in range(draw.choice((1, 1, 2)))
    )
    matrices = sorted(encoder_matrices(len(layers)))
    return replace(
        known,
        vocabulary_size=draw.choice((1, 2, 63, 64, 65, 130)),
        hidden_size=hidden,
        intermediate_size=32 * draw.choice((1, 1, 2, 3)),
        heads=hidden // head,
        max_tokens=draw.choice((1, 2, 3, 7, 17, 33, 63, 64, 65)),
        norm_epsilon=draw.choice((1e-5, 2.0**-60, 2.0**20)),
        mean_pooling=draw.random() < 0.5,
        norm_bias=draw.random() < 0.5,
        attention_bias=draw.random() < 0.5,
        mlp_bias=draw.random() < 0.5,
        classifier_bias=draw.random() < 0.5,
        layers=layers,
        exact=tuple(name for name in matrices if draw.random() < 0.2),
    )


Tensors = dict[str, np.ndarray[Any, Any]]


def _tensors(architecture: NativeArchitecture, draw: random.Random) -> Tensors:
    """Return numbers for every tensor, in its shape."""
    made: Tensors = {}
    for name, tensor in expected_tensors(architecture).items():
        count = tensor.bytes // tensor.type.bytes
        pool = _BYTES if tensor.type is TensorType.INT8 else _POOL
        first = draw.randrange(len(pool) - count)
        values = pool[first : first + count].copy()
        if tensor.type is TensorType.FLOAT32:
            values *= np.float32(
                0.002 if name.endswith(".scales") else 1.0 if "norm" in name or "rope" in name else 0.1
            )
        made[name] = values.astype(np.int32 if tensor.type is TensorType.INT32 else values.dtype).reshape(tensor.shape)
    return made


def _spoil(tensors: Tensors, draw: random.Random) -> None:
    """Give a few tensors numbers that no model has."""
    for name in draw.sample(sorted(tensors), min(draw.choice((0, 1, 1, 2, 5)), len(tensors))):
        values = tensors[name].reshape(-1)
        where = slice(None) if draw.random() < 0.1 else draw.randrange(len(values))
        if values.dtype == np.float32:
            values[where] = np.float32(draw.choice(_ODD))
        elif values.dtype == np.int8:
            values[where] = draw.choice((-128, -127, 127, 0))
        else:
            values[where] = draw.choice((2**31 - 1, -(2**31), 0, 128))


def _fit(tensors: Tensors, architecture: NativeArchitecture) -> None:
    """Make weights, padding and offsets fit each other, as `vr_check_weights` wants them."""
    for name, offsets in tensors.items():
        if not name.endswith(".offsets"):
            continue
        weights = tensors[name.removesuffix(".offsets")]
        used = architecture.intermediate_size if name.endswith("mlp.Wo.weight.offsets") else architecture.hidden_size
        np.maximum(weights, -127, out=weights)
        weights[:, used // 4 :] = 0
        offsets[...] = (weights.sum(axis=(1, 3), dtype=np.int32) * -128).reshape(-1)


def _whole(architecture: NativeArchitecture, tensors: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    metadata = {"format": FORMAT, "architecture": json.dumps(asdict(architecture), allow_nan=False)}
    header: dict[str, Any] = {"__metadata__": metadata}
    shapes: dict[str, TensorShape] = expected_tensors(architecture)
    end = 0
    for name, shape in shapes.items():
        begin, end = end, end + shape.bytes
        header[name] = {"dtype": shape.type.value, "shape": list(shape.shape), "data_offsets": [begin, end]}
    return _file(json.dumps(header).encode(), b"".join(tensors[name].tobytes() for name in shapes))
