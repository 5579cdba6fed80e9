"""ONNX Runtime on an NVIDIA GPU. Has not been measured on one yet; docs/cuda.md says how to."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vibe_router.engines.cancellation import CURRENT_STOP
from vibe_router.engines.choice import ONNX_CUDA, ONNX_CUDA_GRAPHS
from vibe_router.engines.onnx.library import onnxruntime
from vibe_router.engines.onnx.padding import pad
from vibe_router.errors import EngineError
from vibe_router.policy import LOW_PRECISION_BAND
from vibe_router.printable import first_line

if TYPE_CHECKING:
    from vibe_router.bundle.bundle import Bundle
    from vibe_router.bundle.manifest import EngineFile
    from vibe_router.engines.onnx.checked_graph import CheckedGraph

_LOGITS = "logits"
# Fused attention with a bias takes whole groups of 8 tokens (multihead_attention.cc of ONNX Runtime).
_STEP = 8
# The run option that tells captured graphs apart, and its value for a run that is neither captured nor replayed.
_GRAPH_OPTION, _NO_GRAPH = "gpu_graph_id", -1
# ONNX Runtime logs an error when a run is asked to end.
_FATAL_ONLY = 4


class OnnxCudaEngine:
    """One prompt runs in buffers that stay on the GPU, several in buffers of their own.

    Sequences are filled up to a multiple of 8 tokens. With CUDA graphs they are filled up to a power of two, and the
    kernels of each such length are captured once and then launched with one call.
    """

    def __init__(
        self,
        session: Any,
        *,
        file: str,
        precision: str,
        pad_token_id: int,
        max_tokens: int,
        cuda_graphs: bool = False,
        device: str = "cuda",
        parity_band: float = 0.0,
    ) -> None:
        """Take a session of `open_cuda_session`; `device` is where its buffers are, "cpu" only in tests."""
        self.name = ONNX_CUDA_GRAPHS if cuda_graphs else ONNX_CUDA
        self.file = file
        self.precision = precision
        self.batch_band = max(LOW_PRECISION_BAND, parity_band)
        self._session = session
        self._pad_token_id = pad_token_id
        self._max_tokens = max_tokens
        self._cuda_graphs = cuda_graphs
        self._device = device
        self._buffers: dict[int, _Buffers] = {}
        # The buffers are shared, and a captured graph is of one stream.
        self._lock = threading.Lock()

    def logits(self, sequences: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        """Return the logits, float32 [n], of sequences, int64 [tokens]; see `Engine.logits`."""
        input_ids, attention_mask = pad(sequences, pad_token_id=self._pad_token_id)
        with self._lock:
            if self._session is None:
                raise EngineError.closed()
            length = self._padded_length(input_ids.shape[1])
            ids = _filled(input_ids, length, self._pad_token_id)
            mask = _filled(attention_mask, length, 0)
            try:
                output = self._run_alone(ids, mask) if len(ids) == 1 else self._run_batch(ids, mask)
            except Exception as error:
                raise EngineError(f"ONNX Runtime failed on {self.file}: {first_line(error)}") from error
        return output.reshape(-1)

    def close(self) -> None:
        """Drop the session, the buffers and with them the GPU's memory."""
        with self._lock:
            self._buffers.clear()
            self._session = None

    def _padded_length(self, tokens: int) -> int:
        if tokens > self._max_tokens:
            raise EngineError(f"{self.file} takes {self._max_tokens} tokens at most, not {tokens}")
        length = -(-tokens // _STEP) * _STEP
        if self._cuda_graphs:
            length = max(_STEP, 1 << (length - 1).bit_length())
        return min(length, self._max_tokens)

    def _run_alone(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        length = ids.shape[1]
        if length not in self._buffers:
            self._buffers[length] = _bind(self._session, length, self._device)
        buffers = self._buffers[length]
        buffers.ids.update_inplace(ids)
        buffers.mask.update_inplace(mask)
        self._session.run_with_iobinding(buffers.binding, self._run_options(length))
        logits: NDArray[np.float32] = buffers.logits.numpy()
        return logits

    def _run_batch(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        feeds = {"input_ids": ids, "attention_mask": mask}
        (logits,) = self._session.run([_LOGITS], feeds, self._run_options(_NO_GRAPH))
        output: NDArray[np.float32] = logits
        return output

    def _run_options(self, graph: int) -> Any:
        options = onnxruntime.RunOptions()
        stop = CURRENT_STOP.get()
        if stop is not None:
            options.log_severity_level = _FATAL_ONLY
            stop.when_set(lambda: setattr(options, "terminate", True))
        if self._cuda_graphs:
            options.add_run_config_entry(_GRAPH_OPTION, str(graph))
        return options


def load(graph: CheckedGraph, bundle: Bundle, file: EngineFile, *, cuda_graphs: bool) -> OnnxCudaEngine:
    """Return the engine of a bundle's graph in fp16.

    Raises:
        EngineUnavailableError: CUDA cannot start, or a node of the graph would run on the CPU.
    """
    from vibe_router.engines.onnx.cuda_session import open_cuda_session

    return OnnxCudaEngine(
        open_cuda_session(graph.content, file=file.file, weights=graph.weights, cuda_graphs=cuda_graphs),
        file=file.file,
        precision=file.precision,
        pad_token_id=bundle.manifest.pad_token_id,
        max_tokens=bundle.manifest.max_tokens,
        cuda_graphs=cuda_graphs,
        parity_band=file.parity.band if file.parity else 0.0,
    )


@dataclass(frozen=True)
class _Buffers:
    """Tensors of one prompt, on the device: ids and mask int64 [1, length], logits float32 [1, 1]."""

    ids: Any
    mask: Any
    logits: Any
    binding: Any


def _bind(session: Any, length: int, device: str) -> _Buffers:
    zeros = np.zeros((1, length), np.int64)
    ids = onnxruntime.OrtValue.ortvalue_from_numpy(zeros, device, 0)
    mask = onnxruntime.OrtValue.ortvalue_from_numpy(zeros.copy(), device, 0)
    logits = onnxruntime.OrtValue.ortvalue_from_shape_and_type([1, 1], np.float32, device, 0)
    binding = session.io_binding()
    binding.bind_ortvalue_input("input_ids", ids)
    binding.bind_ortvalue_input("attention_mask", mask)
    binding.bind_ortvalue_output(_LOGITS, logits)
    return _Buffers(ids, mask, logits, binding)


def _filled(rows: NDArray[np.int64], length: int, value: int) -> NDArray[np.int64]:
    """Return rows [batch, length], contiguous, with `value` after what was there."""
    filled = np.full((len(rows), length), value, np.int64)
    filled[:, : rows.shape[1]] = rows
    return filled
