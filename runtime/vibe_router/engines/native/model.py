"""A mapped file of the native engine, checked, as the structure of pointers that the library takes."""

from __future__ import annotations

import ctypes
import mmap
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from vibe_router.bundle.background import in_background
from vibe_router.bundle.strict_json import parse_json, read_record
from vibe_router.engines.native.format import (
    FORMAT,
    GROUP,
    NativeArchitecture,
    TensorShape,
    TensorType,
    expected_tensors,
    problem,
    rope_name,
)
from vibe_router.engines.native.library import Layer, Matrix, Model, Norm, Status, native_library
from vibe_router.engines.native.sections import NAMES
from vibe_router.errors import BundleCorruptError

_HINT = "export the bundle again with this version"
# Twice what the most layers need.
_HEADER_LIMIT = 2**20
_ALIGNMENT = 64


class NativeModel:
    """Keeps the mapping, and what points into it, alive as long as an engine needs them."""

    def __init__(self, mapping: mmap.mmap, *, file: str) -> None:
        """Check the mapped file, named `file` in errors; nothing but its header is read.

        Raises:
            BundleCorruptError: not a file of the native engine, or not exactly the tensors of its architecture.
        """
        self._mapping = mapping
        self._file = file
        header, start = self._read_header()
        self.architecture = self._read_architecture(header.pop("__metadata__", None))
        expected = expected_tensors(self.architecture)
        self._types = expected
        self._offsets = self._read_offsets(header, expected, start)
        # As long as this array lives, the mapping cannot be closed.
        self._bytes = np.frombuffer(mapping, np.uint8)
        self._address: int = self._bytes.__array_interface__["data"][0]
        self._layers = (Layer * len(self.architecture.layers))(
            *(self._layer(index) for index in range(len(self.architecture.layers)))
        )
        self.structure = self._model()

    def begin_check(self) -> Callable[[], None]:
        """Start to check, in a thread, that every instruction set computes the same with these weights.

        Return a function that waits for the verdict. It raises BundleCorruptError for a weight of -128, for padding
        that is not zero, and for offsets that are not those of the weights.
        """
        return in_background(self._check_weights, name="vibe-router-weights")

    def _check_weights(self) -> None:
        if native_library().vr_check_weights(ctypes.byref(self.structure)) != Status.OK:
            raise self._corrupt("its weights, their padding and their offsets do not fit each other")

    def _corrupt(self, message: str) -> BundleCorruptError:
        return BundleCorruptError(f"{self._file}: {message}", hint=_HINT)

    def _read_header(self) -> tuple[dict[str, Any], int]:
        length = int.from_bytes(self._mapping[:8], "little")
        start = 8 + length
        if not 2 <= length <= _HEADER_LIMIT or start > len(self._mapping) or start % _ALIGNMENT:
            raise self._corrupt("it does not begin as a safetensors file of the native engine")
        header = parse_json(self._mapping[8:start], self._file)
        if not isinstance(header, dict):
            raise self._corrupt("its header is not an object")
        return header, start

    def _read_architecture(self, metadata: object) -> NativeArchitecture:
        if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
            raise self._corrupt(f"its format is not {FORMAT!r}")
        where = f"{self._file}: architecture"
        data = parse_json(str(metadata.get("architecture")), where)
        architecture: NativeArchitecture = read_record(NativeArchitecture, data, where)
        why = problem(architecture)
        if why is not None:
            raise self._corrupt(why)
        return architecture

    def _read_offsets(self, header: dict[str, Any], expected: dict[str, TensorShape], start: int) -> dict[str, int]:
        """Return where each tensor begins in the file; they must be those expected, one after the other."""
        offsets, end = {}, 0
        for name, tensor in expected.items():
            entry = {
                "dtype": tensor.type.value,
                "shape": list(tensor.shape),
                "data_offsets": [end, end + tensor.bytes],
            }
            if header.get(name) != entry:
                raise self._corrupt(f"the tensor {name!r} is not what the architecture asks for")
            offsets[name] = start + end
            end += tensor.bytes
        end = self._end_of_sections(header, set(header) - set(expected), end)
        if start + end != len(self._mapping):
            raise self._corrupt("it holds more, or less, than the architecture asks for")
        return offsets

    def _end_of_sections(self, header: dict[str, Any], names: set[str], end: int) -> int:
        """Return where the tensors end that only the reader in C needs; `end` is where the engine's do."""
        if names and names != NAMES:
            raise self._corrupt("it holds more, or less, than the architecture asks for")
        by_begin: dict[int, list[int]] = {}
        for name in names:
            offsets = header[name].get("data_offsets") if isinstance(header[name], dict) else None
            if not (isinstance(offsets, list) and len(offsets) == 2 and all(isinstance(one, int) for one in offsets)):
                raise self._corrupt(f"the section {name!r} has no place")
            # The filler may be empty, and begins where the next section does.
            by_begin.setdefault(offsets[0], []).append(offsets[1])
        for _ in names:
            ends = by_begin.get(end)
            if not ends or min(ends) < end:
                raise self._corrupt("its sections do not follow one another")
            end = min(ends)
            ends.remove(end)
        return end

    def _pointer(self, name: str) -> int:
        return self._address + self._offsets[name]

    def _optional(self, name: str) -> int | None:
        return self._pointer(name) if name in self._offsets else None

    def _norm(self, name: str) -> Norm:
        return Norm(self._pointer(f"{name}.weight"), self._optional(f"{name}.bias"))

    def _matrix(self, name: str) -> Matrix:
        weight = f"{name}.weight"
        tensor = self._types[weight]
        return Matrix(
            self._pointer(weight),
            self._optional(f"{weight}.scales"),
            self._optional(f"{weight}.offsets"),
            self._optional(f"{name}.bias"),
            tensor.shape[1] * (GROUP if tensor.type is TensorType.INT8 else 1),
            tensor.shape[0],
        )

    def _layer(self, index: int) -> Layer:
        layer = self.architecture.layers[index]
        prefix = f"model.layers.{index}"
        return Layer(
            # The first layer has none: the embedding's norm comes just before it.
            self._norm(f"{prefix}.attn_norm") if index > 0 else Norm(None, None),
            self._matrix(f"{prefix}.attn.Wqkv"),
            self._matrix(f"{prefix}.attn.Wo"),
            self._norm(f"{prefix}.mlp_norm"),
            self._matrix(f"{prefix}.mlp.Wi"),
            self._matrix(f"{prefix}.mlp.Wo"),
            self._pointer(rope_name(layer.rope_theta, "cosine")),
            self._pointer(rope_name(layer.rope_theta, "sine")),
            layer.attention_scale,
            -1 if layer.window is None else layer.window,
        )

    def _model(self) -> Model:
        one = self.architecture
        table = "model.embeddings.tok_embeddings.weight"
        (bias,) = struct.unpack_from("<f", self._mapping, self._offsets["classifier.bias"])
        return Model(
            self._pointer(table),
            self._pointer(f"{table}.scales"),
            self._norm("model.embeddings.norm"),
            self._layers,
            self._norm("model.final_norm"),
            self._matrix("head.dense"),
            self._norm("head.norm"),
            self._pointer("classifier.weight"),
            bias,
            one.norm_epsilon,
            one.vocabulary_size,
            one.hidden_size,
            one.intermediate_size,
            one.heads,
            len(one.layers),
            one.max_tokens,
            int(one.mean_pooling),
        )
