"""transformers on PyTorch, as the model card shows it: eager execution, scaled dot product attention."""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.contenders.definition import Contender
from benchmarks.peers.contenders.scorer import MAX_TOKENS, Ids, Load, Mark, Scorer, TextScorer


def _load(load: Load, mark: Mark, *, precision: str) -> Scorer:
    import torch
    import transformers

    mark("imports")
    if load.checkpoint is None:
        raise ValueError("no checkpoint was given")
    torch.set_num_threads(load.threads)
    transformers.utils.logging.set_verbosity_error()
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(load.checkpoint, local_files_only=True)
    mark("tokenizer")
    model = load_model(load.checkpoint, dtype=torch.bfloat16 if precision == "bf16" else torch.float32)
    if precision == "int8":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            quantize: Any = torch.ao.quantization.quantize_dynamic
            model = quantize(model, {torch.nn.Linear})

    def encode(prompt: str) -> Ids:
        return np.array(tokenizer(prompt, truncation=True, max_length=MAX_TOKENS)["input_ids"], np.int64)

    def logits(ids: Ids, mask: Ids) -> NDArray[np.float32]:
        with torch.inference_mode():
            output = model(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask))
        values: NDArray[np.float32] = output.logits.float().numpy()[:, 0]
        return values

    mark("session")
    return TextScorer(encode, logits, pad_token_id=tokenizer.pad_token_id)


def load_model(checkpoint: Path, *, dtype: Any) -> Any:
    """Return the model with sdpa attention in `dtype`, ready for inference."""
    import transformers

    from vibe_router_export.checkpoint.config import parse_config
    from vibe_router_export.checkpoint.transformers_config import transformers_config

    expected = parse_config((checkpoint / "config.json").read_text("utf-8"))
    model: Any = transformers.AutoModelForSequenceClassification.from_pretrained(
        checkpoint,
        config=transformers_config(transformers, checkpoint, expected),
        attn_implementation="sdpa",
        local_files_only=True,
    )
    return model.to(dtype).eval()


def _contender(precision: str, label: str, settings: str, weight_bytes: float) -> Contender:
    return Contender(
        key=f"pytorch-{precision}",
        label=label,
        family="pytorch",
        settings=settings,
        modules=("torch", "transformers"),
        libraries=("torch", "transformers"),
        load=partial(_load, precision=precision),
        weight_bytes=weight_bytes,
        products=precision,
    )


CONTENDERS = (
    _contender("fp32", "PyTorch fp32", "eager, sdpa, inference_mode", 4),
    _contender("bf16", "PyTorch bf16", "model.to(bfloat16), eager, sdpa, inference_mode", 2),
    _contender("int8", "PyTorch int8", "quantize_dynamic of every Linear, eager, sdpa, inference_mode", 1),
)
