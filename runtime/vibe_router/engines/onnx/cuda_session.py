"""Sessions of ONNX Runtime that compute on an NVIDIA GPU and nowhere else, and why there may be none here."""

from __future__ import annotations

import contextlib
import ctypes
import io
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from vibe_router.engines.onnx.external_weights import ExternalWeights
from vibe_router.engines.onnx.library import NOT_AT_LOAD, READ_AS_ONNX, onnxruntime
from vibe_router.errors import EngineUnavailableError
from vibe_router.printable import first_line

PROVIDER = "CUDAExecutionProvider"
_HINT = (
    "on a machine with an NVIDIA GPU: pip uninstall onnxruntime && pip install 'onnxruntime-gpu[cuda,cudnn]'; "
    "see docs/cuda.md"
)
_FATAL_ONLY = 4
# https://docs.nvidia.com/cuda/cuda-driver-api/: cuInit, and what it returns.
_DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
_SUCCESS = 0


def cuda_problem() -> str | None:
    """Return why ONNX Runtime cannot use a GPU here, or None where it can: it has been given memory of one."""
    if PROVIDER not in onnxruntime.get_available_providers():
        return f"the installed onnxruntime {onnxruntime.__version__} has no {PROVIDER}"
    # First, because ONNX Runtime writes to stderr where it cannot start CUDA.
    problem = _driver_problem()
    if problem is not None:
        return problem
    _load_nvidia_libraries()
    try:
        onnxruntime.OrtValue.ortvalue_from_shape_and_type([1], np.float32, "cuda", 0)
    except Exception as error:  # noqa: BLE001 - any error is the answer
        # The text before it names the place in ONNX Runtime's sources.
        return f"ONNX Runtime cannot start CUDA: {first_line(error).rpartition('() ')[2]}"
    return None


def require_gpu() -> None:
    """Check that ONNX Runtime can use a GPU here.

    Raises:
        EngineUnavailableError: it cannot; the message says why.
    """
    problem = cuda_problem()
    if problem is not None:
        raise _unavailable(problem)


def open_cuda_session(
    content: bytes | Path, *, file: str, weights: ExternalWeights | None = None, cuda_graphs: bool
) -> Any:
    """Return a session of an ONNX file, its bytes and what holds its big weights or its path, on the first GPU.

    Raises:
        EngineUnavailableError: CUDA cannot start, or a node of the graph would run on the CPU.
    """
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry(*READ_AS_ONNX)
    options.log_severity_level = _FATAL_ONLY
    # Prompts differ in length: a memory pattern planned for one shape is planned again for the next.
    options.enable_mem_pattern = False
    # Without this, what the GPU has no kernel for runs on the CPU, and so does everything where CUDA cannot start.
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    # TF32 would round the factors of the few fp32 products to 10 bits.
    settings = {"device_id": "0", "use_tf32": "0", "enable_cuda_graph": "1" if cuda_graphs else "0"}
    try:
        mapping = None if weights is None else weights.give_to(options)
        session = onnxruntime.InferenceSession(
            content if isinstance(content, bytes) else str(content),
            sess_options=options,
            providers=[(PROVIDER, settings)],
            disabled_optimizers=NOT_AT_LOAD,
            # The Python package has a fallback of its own: it prints, and tries again with the CPU.
            enable_fallback=0,
        )
    except Exception as error:
        raise _unavailable(f"ONNX Runtime cannot load {file} on the GPU: {first_line(error)}") from error
    # As long as the session lives it reads from there.
    session.weights_mapping = mapping
    providers = session.get_providers()
    if providers[:1] != [PROVIDER]:
        raise _unavailable(f"ONNX Runtime chose {', '.join(providers)} instead of the GPU")
    return session


def _driver_problem() -> str | None:
    """Return why the NVIDIA driver offers no GPU, or None where it does."""
    try:
        driver = ctypes.CDLL(_DRIVER)
    except OSError:
        return "there is no NVIDIA driver"
    status = driver.cuInit(0)
    return None if status == _SUCCESS else f"the NVIDIA driver offers no GPU (cuInit gives {status})"


def _load_nvidia_libraries() -> None:
    """Load CUDA and cuDNN from the packages that pip installs, which are on no path of the system's loader."""
    if find_spec("nvidia") is None or not hasattr(onnxruntime, "preload_dlls"):
        return
    # It prints what it does not find; what is really missing shows in the next call.
    with contextlib.redirect_stdout(io.StringIO()):
        onnxruntime.preload_dlls()


def _unavailable(reason: str) -> EngineUnavailableError:
    return EngineUnavailableError(f"the CUDA engine cannot run here: {reason}", hint=_HINT)
