"""Small whole native files, one for each kind of shape that the engine has a way for: what the C fuzzers change."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from vibe_router.bundle.bundle import bundled_folder
from vibe_router.bundle.manifest import MANIFEST_NAME, parse_manifest
from vibe_router_export.checkpoint.config import parse_config
from vibe_router_export.checkpoint.weights import arrange
from vibe_router_export.emit.native.file import native_architecture, write_native
from vibe_router_export.emit.native.router_file import complete_router_file
from vibe_router_export.emit.quantize import encoder_linears
from vibe_router_export.synthetic.checkpoint import random_tensors

_MERGES = 40
_ADDED = (("|||EMAIL_ADDRESS|||", True, False), ("   ", True, False), ("[MASK]", False, True))
_PROMPTS = ("hi", "e\u0301 the \u4f60 [SEP]   ok", "")
_BIASES = dict.fromkeys(("norm_bias", "attention_bias", "mlp_bias", "classifier_bias"), True)
_SHAPES: tuple[tuple[dict[str, Any], int, slice], ...] = (
    # What differs from the plainest model, the most tokens of a prompt, and which of the encoder's matrices are float.
    ({}, 16, slice(0)),
    ({"num_attention_heads": 4, "num_hidden_layers": 2, "classifier_pooling": "cls"}, 33, slice(0)),
    ({"num_attention_heads": 2, "intermediate_size": 96, **_BIASES}, 16, slice(0)),
    ({"num_attention_heads": 4, "hidden_size": 192, "intermediate_size": 64}, 16, slice(0)),
    ({"num_hidden_layers": 2, "local_attention": 4, **_BIASES}, 24, slice(0, None, 2)),
    ({"num_attention_heads": 1}, 2, slice(None)),
)
_PLAINEST = {
    "architectures": ["ModernBertForSequenceClassification"],
    "model_type": "modernbert",
    "hidden_size": 64,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "max_position_embeddings": 128,
    "local_attention": 16,
    "global_attn_every_n_layers": 2,
    "global_rope_theta": 160000.0,
    "local_rope_theta": 10000.0,
    "classifier_pooling": "mean",
    "id2label": {"0": "cloud"},
    "label2id": {"cloud": 0},
    "pad_token_id": 3,
    "cls_token_id": 1,
    "bos_token_id": 1,
    "sep_token_id": 2,
}


def write_small_files(folder: Path) -> list[Path]:
    """Write the files into `folder`, each of a random model with a tokenizer of all bytes and a few merges."""
    tokenizer, vocabulary = _small_tokenizer()
    manifest = parse_manifest((bundled_folder() / MANIFEST_NAME).read_text("utf-8"))
    paths = []
    for number, (changes, max_tokens, exact) in enumerate(_SHAPES):
        config = parse_config(json.dumps(_PLAINEST | changes | {"vocab_size": vocabulary}))
        weights = arrange(config, random_tensors(config, seed=number))
        names = [linear.weight.name for linear in encoder_linears(weights)][exact]
        paths.append(folder / f"{number}.safetensors")
        write_native(weights, native_architecture(weights, max_tokens=max_tokens, exact=names), paths[-1])
        own = replace(manifest, max_tokens=max_tokens)
        complete_router_file(paths[-1], manifest=own, tokenizer_json=tokenizer, prompts=_PROMPTS)
    return paths


def _small_tokenizer() -> tuple[bytes, int]:
    """Return a tokenizer.json of the bundled one's first tokens and merges, and how many tokens it has."""
    data = json.loads((bundled_folder() / "tokenizer.json").read_bytes())
    model = data["model"]
    merges = [pair if isinstance(pair, list) else pair.split(" ") for pair in model["merges"]][:_MERGES]
    kept = {"".join(pair) for pair in merges}
    tokens = [text for text in model["vocab"] if len(text) == 1 or text in kept or text.startswith("[")]
    model["vocab"] = {text: number for number, text in enumerate(_first(model["vocab"], tokens))}
    model["merges"] = merges
    number = len(model["vocab"])
    flags = {"single_word": False, "lstrip": False, "rstrip": False}
    data["added_tokens"] = [
        {
            "id": model["vocab"].get(text, number + place),
            "content": text,
            **flags,
            "normalized": normalized,
            "special": special,
        }
        for place, (text, normalized, special) in enumerate(_ADDED)
    ]
    return json.dumps(data).encode(), number + len(_ADDED)


def _first(vocabulary: dict[str, int], tokens: list[str]) -> list[str]:
    """Return the five special tokens, which keep their numbers, then the others in their order."""
    return [text for text in sorted(tokens, key=vocabulary.__getitem__) if text in vocabulary]
