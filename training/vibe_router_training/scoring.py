"""Logits of a checkpoint in torch: what calibration and evaluation of a training run are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from vibe_router_tools.evaluation.logistic import FloatArray
from vibe_router_training.model import model_max_tokens, pad
from vibe_router_training.tokenizer import encode


def score_logits(model: Any, tokenizer: Tokenizer, prompts: Sequence[str], *, batch: int = 64) -> FloatArray:
    """Return the raw logit z of each prompt, float64 [n], computed in fp32 and cut as the runtime cuts."""
    rows = encode(tokenizer, prompts, max_tokens=model_max_tokens(model))
    order = np.argsort([len(row) for row in rows], kind="stable")
    logits = np.empty(len(rows), dtype=np.float64)
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(order), batch):
            index = order[start : start + batch]
            ids, mask = pad([rows[row] for row in index], int(model.config.pad_token_id))
            output = model(input_ids=ids.to(model.device), attention_mask=mask.to(model.device), return_dict=True)
            logits[index] = output.logits[:, 0].float().cpu().numpy()
    return logits
