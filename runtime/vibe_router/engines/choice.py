"""The names of the engines, and the choice of one: what a caller asks for, as `Router.load` takes it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from vibe_router.bundle.strict_json import shown
from vibe_router.engines.usage import Usage
from vibe_router.errors import UsageError

AUTO = "auto"
NATIVE, ONNX, COREML = "native", "onnx", "coreml"
"""The kinds of files that engines run; "coreml" is also the engine that leaves the choice of hardware to Core ML."""
NATIVE_CPU = "native-cpu"
ONNX_CPU = "onnx-cpu"
ONNX_CUDA = "onnx-cuda"
ONNX_CUDA_GRAPHS = "onnx-cuda-graphs"
ENGINE_KINDS = {
    NATIVE_CPU: NATIVE,
    ONNX_CPU: ONNX,
    ONNX_CUDA: ONNX,
    ONNX_CUDA_GRAPHS: ONNX,
    COREML: COREML,
    "coreml-cpu": COREML,
    "coreml-gpu": COREML,
    "coreml-ane": COREML,
}
"""The engines that exist, each with the kind of file that it runs."""

MOST_THREADS = 1024
"""Threads that an engine may be asked for."""


@dataclass(frozen=True, kw_only=True)
class EngineChoice:
    """A bundle and how to run it, as `Router.load` takes both; `source` None is the bundled default.

    "auto" leaves the engine or the precision to this machine and to what is proven. `threads` None means the CPUs
    that this process may use.
    """

    source: str | os.PathLike[str] | None = None
    engine: str = AUTO
    precision: str = AUTO
    threads: int | None = None
    usage: Usage = Usage.REPEATEDLY

    def __post_init__(self) -> None:
        """Check the number of threads.

        Raises:
            UsageError: it is not positive.
        """
        for name in (self.engine, self.precision):
            if not isinstance(name, str):
                raise UsageError(f"an engine and a precision are named by texts, not by {type(name).__name__}")
        if self.threads is not None and (type(self.threads) is not int or not 1 <= self.threads <= MOST_THREADS):
            raise UsageError(f"threads must be at least 1, and at most {MOST_THREADS}, not {shown(self.threads)}")
