"""ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vibe_router.engines.cancellation import CURRENT_STOP
from vibe_router.engines.choice import ONNX_CPU
from vibe_router.engines.cpus import available_cpus
from vibe_router.engines.onnx.external_weights import ExternalWeights
from vibe_router.engines.onnx.forks import keep_in_children
from vibe_router.engines.onnx.host import int8_products_overflow
from vibe_router.engines.onnx.library import NOT_AT_LOAD, READ_AS_ONNX, onnxruntime
from vibe_router.engines.onnx.padding import pad
from vibe_router.engines.usage import Usage
from vibe_router.errors import EngineError
from vibe_router.policy import LOW_PRECISION_BAND
from vibe_router.printable import first_line

if TYPE_CHECKING:
    from vibe_router.bundle.bundle import Bundle
    from vibe_router.bundle.manifest import EngineFile
    from vibe_router.engines.onnx.checked_graph import CheckedGraph

_PROVIDER = "CPUExecutionProvider"
_INPUTS = {"input_ids": "tensor(int64)", "attention_mask": "tensor(int64)"}
_LOGITS = "logits"
# Rounding differs with the batch: by about 1e-6 of p_cloud in fp32.
_FP32_BAND = 1e-4
# ONNX Runtime logs an error when a run is asked to end.
_FATAL_ONLY = 4


class OnnxCpuEngine:
    """A graph: int64 `input_ids` and `attention_mask` [batch, sequence] to float32 `logits` [batch, 1]."""

    name = ONNX_CPU

    def __init__(
        self,
        content: bytes | Path,
        *,
        file: str,
        precision: str,
        pad_token_id: int,
        threads: int | None = None,
        usage: Usage = Usage.REPEATEDLY,
        weights: ExternalWeights | None = None,
        parity_band: float = 0.0,
    ) -> None:
        """Make a session from the bytes of an ONNX file and what holds its big weights, or from the path of a file.

        `threads` None means `available_cpus()`; `parity_band` is the one within which the parity gate let decisions
        differ from fp32's.

        Raises:
            EngineError: ONNX Runtime refuses the file, or its inputs or outputs are others.
        """
        self.file = file
        self.precision = precision
        # Below fp32 the batch matters far more than by rounding: scales of activations are taken over all of it.
        self.batch_band = _FP32_BAND if precision == "fp32" else max(LOW_PRECISION_BAND, parity_band)
        self._pad_token_id = pad_token_id
        count = 1 if usage is Usage.BACKGROUND else threads or available_cpus()
        options = _session_options(count, precision, usage)
        try:
            mapping = None if weights is None else weights.give_to(options)
            self._session: Any = onnxruntime.InferenceSession(
                content if isinstance(content, bytes) else str(content),
                sess_options=options,
                providers=[_PROVIDER],
                disabled_optimizers=NOT_AT_LOAD,
            )
            # As long as the session lives it reads from there.
            self._session.weights_mapping = mapping
            keep_in_children(self._session)
        except Exception as error:
            raise EngineError(
                f"ONNX Runtime cannot load {file}: {first_line(error)}",
                hint=f"the installed onnxruntime {onnxruntime.__version__} may be too old for this bundle",
            ) from error
        inputs = {node.name: node.type for node in self._session.get_inputs()}
        outputs = {node.name: node.type for node in self._session.get_outputs()}
        if inputs != _INPUTS or outputs.get(_LOGITS) != "tensor(float)":
            raise EngineError(
                f"{file} has inputs {inputs} and outputs {outputs}, which are not a router's",
                hint="export the bundle again",
            )

    def logits(self, sequences: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        """Return the logits, float32 [n], of sequences, int64 [tokens]; see `Engine.logits`."""
        session = self._session
        if session is None:
            raise EngineError.closed()
        if len(sequences) == 1:
            ids = sequences[0][np.newaxis, :]
            mask = np.ones_like(ids)
        else:
            ids, mask = pad(sequences, pad_token_id=self._pad_token_id)
        try:
            (output,) = session.run([_LOGITS], {"input_ids": ids, "attention_mask": mask}, _run_options())
        except Exception as error:
            raise EngineError(f"ONNX Runtime failed on {self.file}: {first_line(error)}") from error
        logits: NDArray[np.float32] = output.reshape(-1)
        return logits

    def close(self) -> None:
        """Drop the session and with it its memory."""
        from vibe_router.engines.onnx.memory import return_free_memory

        if self._session is not None:
            self._session = None
            return_free_memory()


def load(graph: CheckedGraph, bundle: Bundle, file: EngineFile, *, threads: int | None, usage: Usage) -> OnnxCpuEngine:
    """Return the engine of a bundle's graph.

    Raises:
        EngineError: as `OnnxCpuEngine`.
    """
    return OnnxCpuEngine(
        graph.content,
        file=file.file,
        precision=file.precision,
        pad_token_id=bundle.manifest.pad_token_id,
        threads=threads,
        usage=usage,
        weights=graph.weights,
        parity_band=file.parity.band if file.parity else 0.0,
    )


def _session_options(threads: int, precision: str, usage: Usage) -> Any:
    """Return the settings whose measurements are in docs/speed.md."""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry(*READ_AS_ONNX)
    options.intra_op_num_threads = threads
    # The graph is one chain of nodes: a second pool would have nothing to run.
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # Threads spin between two nodes, because sleeping threads would be late for the next one, but not between two
    # prompts, because they would burn the caller's CPU.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    # Exported graphs are fused already. ONNX Runtime's optimiser takes longer to look for what is left than that saves,
    # and its fusion of the last Add with its norm is slower than the two.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    # Prompts differ in length: a memory pattern planned for one shape is planned again for the next.
    options.enable_mem_pattern = False
    if usage is Usage.ONCE:
        # Weights stay as they lie in the mapped file instead of being copied into the order that products want.
        options.add_session_config_entry("session.disable_prepacking", "1")
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    if precision == "int8" and int8_products_overflow():
        # A third slower, so it is used only where the fast products overflow. The rewrite that obeys this entry belongs
        # to the extended optimisations: below that level the entry changes nothing.
        options.add_session_config_entry("session.x64quantprecision", "1")
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    # What it prints goes to stderr, which belongs to the host application.
    options.log_severity_level = _FATAL_ONLY
    return options


def _run_options() -> Any:
    """Return options through which a stop ends a run between two nodes; None where nobody may ask for that."""
    stop = CURRENT_STOP.get()
    if stop is None:
        return None
    options = onnxruntime.RunOptions()
    options.log_severity_level = _FATAL_ONLY
    stop.when_set(lambda: setattr(options, "terminate", True))
    return options
