"""A model of the native engine and what to ask of it, in one file with pointers, for a program in C to map.

Such a program, native_logits.c, runs where this Python does not: on another processor, or with a sanitizer.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.support.native import mapped
from vibe_router.engines.native.library import Instructions, Layer, Model
from vibe_router.engines.native.model import NativeModel


class Image(ctypes.Structure):
    """`Image` of native_logits.c."""

    _fields_ = (
        ("address", ctypes.c_void_p),
        ("model", Model),
        ("instructions", ctypes.c_int32),
        ("sequences", ctypes.c_int32),
        ("lengths", ctypes.c_void_p),
        ("ids", ctypes.c_void_p),
    )


def write_image(
    path: Path, model_file: Path, instructions: Instructions, sequences: list[NDArray[np.int64]], *, address: int
) -> None:
    """Write what a program that maps `path` to `address` hands to the library."""
    mapping = mapped(model_file)
    model = NativeModel(mapping, file=model_file.name)
    layers = (Layer * model.structure.layer_count)(*model.structure.layers[: model.structure.layer_count])
    lengths, ids = np.array([len(one) for one in sequences], np.int32), np.concatenate(sequences)
    sizes = (ctypes.sizeof(Image), len(mapping), ctypes.sizeof(layers), lengths.nbytes, ids.nbytes)
    places = [address, *(address + int(end) for end in np.cumsum([_rounded_up(size) for size in sizes]))]
    image = Image(address, model.structure, instructions, len(sequences), places[3], places[4])
    distance = places[1] - np.frombuffer(mapping, np.uint8).__array_interface__["data"][0]
    for structure in (image.model, *layers):
        _move(structure, distance)
    image.model.layers = ctypes.cast(places[2], ctypes.POINTER(Layer))
    parts = (bytes(image), mapping[:], bytes(layers), lengths.tobytes(), ids.tobytes())
    with path.open("wb") as file:
        for place, part in zip(places, parts, strict=False):
            file.seek(place - address)
            file.write(part)


def _move(structure: ctypes.Structure, distance: int) -> None:
    """Add `distance` to every pointer in `structure` that is not null."""
    for name, kind in structure._fields_:
        value = getattr(structure, name)
        if isinstance(value, ctypes.Structure):
            _move(value, distance)
        elif kind is ctypes.c_void_p and value is not None:
            setattr(structure, name, value + distance)


def _rounded_up(size: int) -> int:
    return -(-size // 64) * 64
