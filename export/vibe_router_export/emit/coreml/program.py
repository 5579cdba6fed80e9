"""The forward pass as a Core ML program (MIL) of one fixed length, built from numpy arrays, without torch."""

from __future__ import annotations

from typing import Any

from coremltools.converters.mil import Builder as mb  # noqa: N813, as everybody calls it
from coremltools.converters.mil.mil import Program, types

from vibe_router_export.checkpoint.weights import ModernBertWeights
from vibe_router_export.choices import Layout
from vibe_router_export.emit.coreml.ane import AneOperations
from vibe_router_export.emit.coreml.gpu import GpuOperations
from vibe_router_export.emit.coreml.operations import Constants, Var
from vibe_router_export.modernbert import forward


def build_program(
    weights: ModernBertWeights, *, tokens: int, layout: Layout, constants: Constants, opset: Any
) -> Program:
    """Emit the model for exactly `tokens` ids.

    Input: `input_ids`, int32 [1, tokens], filled up with the padding id, from which the program derives the mask.
    Outputs, fp32 [1, 1]: `logit` and `p_cloud` = sigmoid(logit). `opset` is a coremltools deployment target.
    """

    @mb.program(input_specs=[mb.TensorSpec(shape=(1, tokens), dtype=types.int32)], opset_version=opset)  # type: ignore[untyped-decorator]
    def program(input_ids: Var) -> tuple[Var, Var]:
        kind = AneOperations if layout is Layout.ANE else GpuOperations
        scores = forward(kind(weights.config, tokens, constants, input_ids), weights)
        logit = mb.cast(x=mb.reshape(x=scores.logits, shape=[1, 1]), dtype="fp32", name="logit")
        return logit, mb.sigmoid(x=logit, name="p_cloud")

    return program
