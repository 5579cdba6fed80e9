"""Small checkpoints with real structure, written without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.numpy import save_file

from tests.support.bundles import tiny_tokenizer_json
from vibe_router_export.checkpoint.config import parse_config
from vibe_router_export.synthetic.checkpoint import Outliers, random_tensors

ROUTER_CONFIG = {
    "name": "small",
    "version": "1.2",
    "temperature": 1.083,
    "ece_before": 0.05,
    "ece_after": 0.01,
    "default_profile": "balanced",
    "profiles": {"conservative": 0.90, "balanced": 0.95, "aggressive": 0.99},
}


def small_config(**changes: Any) -> dict[str, Any]:
    """config.json as transformers 4 writes it; a change to None removes the key."""
    tokenizer = json.loads(tiny_tokenizer_json())
    ids = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    vocabulary = max([*tokenizer["model"]["vocab"].values(), *ids.values()]) + 1
    config: dict[str, Any] = {
        "architectures": ["ModernBertForSequenceClassification"],
        "model_type": "modernbert",
        "vocab_size": vocabulary,
        "hidden_size": 48,
        "intermediate_size": 64,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "max_position_embeddings": 128,
        "local_attention": 16,
        "global_attn_every_n_layers": 3,
        "global_rope_theta": 160000.0,
        "local_rope_theta": 10000.0,
        "classifier_pooling": "mean",
        "pad_token_id": ids["[PAD]"],
        "cls_token_id": ids["[CLS]"],
        "sep_token_id": ids["[SEP]"],
        "bos_token_id": ids["[CLS]"],
        "eos_token_id": ids["[SEP]"],
        "id2label": {"0": "LABEL_0"},
        "label2id": {"LABEL_0": 0},
    }
    config |= changes
    return {key: value for key, value in config.items() if value is not None}


def write_checkpoint(
    folder: Path,
    config: dict[str, Any] | None = None,
    *,
    router: bool = True,
    seed: int = 0,
    outliers: Outliers | None = None,
) -> Path:
    """Write a whole checkpoint and return its folder."""
    config = config or small_config()
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_bytes(tiny_tokenizer_json())
    names = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False, **names})
    )
    if router:
        (folder / "router_config.json").write_text(json.dumps(ROUTER_CONFIG))
    tensors = random_tensors(parse_config(json.dumps(config)), seed=seed, outliers=outliers)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder
