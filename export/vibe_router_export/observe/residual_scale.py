"""The largest inputs of a folded model's norms on real prompts, from which the residual's scale is chosen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vibe_router_export.checkpoint.weights import ModernBertWeights
from vibe_router_export.observe.activations import NormInputs, norm_inputs
from vibe_router_tools.evenly import evenly

# Spikes stand at the first tokens of any prompt.
_PROMPTS, _TOKENS = 16, 64


def measured_norm_inputs(weights: ModernBertWeights, prompts: Sequence[NDArray[np.int64]]) -> NormInputs:
    """Run a model that is folded, its residual at scale 1, on some of the prompts, padding included.

    `prompts` are ids, int64 [tokens]; a few are taken evenly, so they should be of many lengths.
    """
    chosen = [ids[:_TOKENS] for ids in evenly(prompts, _PROMPTS)]
    ids = np.full((len(chosen), _TOKENS), weights.config.pad_token_id, np.int64)
    mask = np.zeros_like(ids)
    for row, tokens in enumerate(chosen):
        ids[row, : len(tokens)], mask[row, : len(tokens)] = tokens, 1
    return norm_inputs(weights, ids, mask)
