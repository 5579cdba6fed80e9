"""The shared library of the native engine: which processors it knows, and its functions and structures for ctypes.

The library is C of this project (`native/` in the repository), compiled for every platform when the wheel is built.
"""

from __future__ import annotations

import ctypes
import platform
import sys
from enum import IntEnum
from functools import cache
from pathlib import Path

from vibe_router.errors import EngineUnavailableError

_FOLDER = Path(__file__).resolve().parents[2] / "_native"
_SYSTEMS = {"linux": ("linux", "so"), "darwin": ("macos", "dylib")}
_PROCESSORS = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
_INSTEAD = "engine='onnx-cpu' runs the bundle's ONNX graphs everywhere"


class Instructions(IntEnum):
    """Instruction sets that the library has an engine for, as it numbers them."""

    AVX_VNNI = 1
    AVX512_VNNI = 2
    AMX = 3
    NEON = 4
    AVX2 = 5


# The fastest first.
_PREFERENCE = (
    Instructions.AMX,
    Instructions.AVX512_VNNI,
    Instructions.AVX_VNNI,
    Instructions.AVX2,
    Instructions.NEON,
)


class Status(IntEnum):
    """What a call returns."""

    OK = 0
    STOPPED = 1
    NO_MEMORY = 2
    BAD_INPUT = 3


class TextStatus(IntEnum):
    """What reading a prompt returns; `VrTextStatus` of native/text/tables.h."""

    OK = 0
    NO_MEMORY = 1
    NOT_UTF8 = 2
    MARKS = 3
    UNSETTLED = 4


class Matrix(ctypes.Structure):
    """`VrMatrix` of native/engine/api.h."""

    _fields_ = (
        ("values", ctypes.c_void_p),
        ("scales", ctypes.c_void_p),
        ("offsets", ctypes.c_void_p),
        ("bias", ctypes.c_void_p),
        ("inputs", ctypes.c_int32),
        ("panels", ctypes.c_int32),
    )


class Norm(ctypes.Structure):
    """`VrNorm` of native/engine/api.h."""

    _fields_ = (("weight", ctypes.c_void_p), ("bias", ctypes.c_void_p))


class Layer(ctypes.Structure):
    """`VrLayer` of native/engine/api.h."""

    _fields_ = (
        ("attention_norm", Norm),
        ("query_key_value", Matrix),
        ("attention_output", Matrix),
        ("mlp_norm", Norm),
        ("mlp_input", Matrix),
        ("mlp_output", Matrix),
        ("rope_cosine", ctypes.c_void_p),
        ("rope_sine", ctypes.c_void_p),
        ("attention_scale", ctypes.c_float),
        ("window", ctypes.c_int32),
    )


class Model(ctypes.Structure):
    """`VrModel` of native/engine/api.h."""

    _fields_ = (
        ("embedding", ctypes.c_void_p),
        ("embedding_scales", ctypes.c_void_p),
        ("embedding_norm", Norm),
        ("layers", ctypes.POINTER(Layer)),
        ("final_norm", Norm),
        ("head_dense", Matrix),
        ("head_norm", Norm),
        ("classifier", ctypes.c_void_p),
        ("classifier_bias", ctypes.c_float),
        ("norm_epsilon", ctypes.c_float),
        ("vocabulary", ctypes.c_int32),
        ("hidden", ctypes.c_int32),
        ("intermediate", ctypes.c_int32),
        ("heads", ctypes.c_int32),
        ("layer_count", ctypes.c_int32),
        ("max_tokens", ctypes.c_int32),
        ("mean_pooling", ctypes.c_int32),
    )


def library_file() -> Path | None:
    """Return the library for this platform; None where there is none."""
    system = _SYSTEMS.get(sys.platform)
    processor = _PROCESSORS.get(platform.machine().lower())
    if system is None or processor is None:
        return None
    path = _FOLDER / f"vibe_router-{system[0]}-{processor}.{system[1]}"
    return path if path.is_file() else None


@cache
def native_library() -> ctypes.CDLL:
    """Return the library, its functions typed.

    Raises:
        EngineUnavailableError: there is none for this platform, or it cannot be loaded.
    """
    path = library_file()
    if path is None:
        raise EngineUnavailableError(
            f"this installation has no native library for {sys.platform} on {platform.machine()}", hint=_INSTEAD
        )
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise EngineUnavailableError(f"{path.name} cannot be loaded: {error}", hint=_INSTEAD) from error
    library.vr_supports.argtypes = [ctypes.c_int32]
    library.vr_supports.restype = ctypes.c_int32
    library.vr_check_weights.argtypes = [ctypes.POINTER(Model)]
    library.vr_check_weights.restype = ctypes.c_int32
    library.vr_open.argtypes = [ctypes.POINTER(Model), ctypes.c_int32, ctypes.c_int32]
    library.vr_open.restype = ctypes.c_void_p
    library.vr_logits.argtypes = [
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_int32,
        ctypes.POINTER(ctypes.c_int32),
        ctypes.c_void_p,
    ]
    library.vr_logits.restype = ctypes.c_int32
    library.vr_close.argtypes = [ctypes.c_void_p]
    library.vr_close.restype = None
    return library


@cache
def text_library() -> ctypes.CDLL:
    """Return the library, its functions of native/python/file.h typed: they read a file and make ids of prompts.

    Raises:
        EngineUnavailableError: as `native_library`, or it is one from before it had them.
    """
    library = native_library()
    number, text = ctypes.POINTER(ctypes.c_int32), ctypes.POINTER(ctypes.c_char_p)
    try:
        library.vr_file_open.argtypes = [ctypes.c_int32, ctypes.POINTER(Model), number, text]
        library.vr_file_open.restype = ctypes.c_void_p
        library.vr_file_tokenize.argtypes = [
            ctypes.c_void_p,
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_void_p,
            number,
            number,
        ]
        library.vr_file_tokenize.restype = ctypes.c_int32
        library.vr_file_close.argtypes = [ctypes.c_void_p]
        library.vr_file_close.restype = None
    except AttributeError as error:
        raise EngineUnavailableError(f"the native library is an old one: {error}", hint=_INSTEAD) from error
    return library


def supported_instructions() -> tuple[Instructions, ...]:
    """Return the instruction sets of this processor that the library uses, the fastest first; may be empty.

    Raises:
        EngineUnavailableError: as `native_library`.
    """
    library = native_library()
    return tuple(one for one in _PREFERENCE if library.vr_supports(one))


def require_native() -> None:
    """Return if the native engine can run here.

    Raises:
        EngineUnavailableError: there is no library for this platform, or this processor has no such instructions.
    """
    if not supported_instructions():
        raise EngineUnavailableError(
            "this processor has none of the instructions that the native engine is made of (AVX2 with FMA, or NEON "
            "with dot products)",
            hint=_INSTEAD,
        )


def native_problem() -> str | None:
    """Return why the native engine cannot run here, or None."""
    try:
        require_native()
    except EngineUnavailableError as error:
        return error.message
    return None
