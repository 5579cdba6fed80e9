"""The Hugging Face files of a bundle, config.json and the tokenizer's, from those of a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vibe_router_export.checkpoint.checkpoint import Checkpoint
from vibe_router_export.checkpoint.files import has_file, read_object, read_text
from vibe_router_export.checkpoint.tokenizer import TOKENIZER, TOKENIZER_CONFIG

_SPECIAL_NAMES = {
    "[UNK]": "unk_token",
    "[CLS]": "cls_token",
    "[SEP]": "sep_token",
    "[PAD]": "pad_token",
    "[MASK]": "mask_token",
}

_SPECIAL_MAP = "special_tokens_map.json"

# What transformers.js calls the graphs, the best first.
_DTYPES = (
    ("model.onnx", "fp32"),
    ("model_quantized.onnx", "q8"),
    ("model_fp16.onnx", "fp16"),
    ("model_q4.onnx", "q4"),
)


def write_model_files(checkpoint: Checkpoint, folder: Path, *, max_tokens: int) -> None:
    """Write config.json and the tokenizer's files so that generic loaders read the bundle as it is meant.

    config.json says one label with a sigmoid (a plain one-logit configuration would get a softmax, always 1.0).
    tokenizer.json has special tokens in its vocabulary alone, so that literal ones in a prompt are text everywhere.

    Raises:
        CheckpointError: a tokenizer file of the checkpoint cannot be read.
    """
    config = read_object(checkpoint.folder, "config.json")
    config |= {
        "id2label": {"0": "cloud"},
        "label2id": {"cloud": 0},
        "problem_type": "multi_label_classification",
    }
    config.pop("num_labels", None)
    _write_json(folder / "config.json", config)
    original = read_text(checkpoint.folder, TOKENIZER)
    (folder / TOKENIZER).write_text(special_tokens_as_text(original), encoding="utf-8")
    special = _special_tokens(original)
    tokenizer = _optional(checkpoint.folder, TOKENIZER_CONFIG)
    # For transformers 4, which would make the tokens special again.
    tokenizer.pop("added_tokens_decoder", None)
    tokenizer = special | tokenizer
    tokenizer |= {
        # The one class that transformers 4 and 5 and transformers.js know.
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": max_tokens,
        "split_special_tokens": True,
        "model_input_names": ["input_ids", "attention_mask"],
    }
    _write_json(folder / TOKENIZER_CONFIG, tokenizer)
    _write_json(folder / _SPECIAL_MAP, special | _optional(checkpoint.folder, _SPECIAL_MAP))


def special_tokens_as_text(tokenizer: str) -> str:
    """Return a tokenizer.json whose special tokens are entries of the vocabulary and nothing more.

    Every tokenizer library looks for the tokens in `added_tokens` in the text first. Without them no text reaches a
    special token, because no merge makes one, while the template still puts [CLS] and [SEP] around the ids. Truncation
    and padding, which would apply to every prompt, are taken out, too. Where ids would change, special tokens stay.
    """
    from tokenizers import Tokenizer

    content = json.loads(tokenizer) | {"truncation": None, "padding": None}
    normalizer = content.get("normalizer") or {}
    if normalizer.get("type") == "Sequence" and len(normalizer["normalizers"]) == 1:
        # The same without the sequence, and then one that the runtime reads in pieces.
        content["normalizer"] = normalizer["normalizers"][0]
    plain = _compact(content)
    added = content.get("added_tokens", [])
    if not isinstance(content["model"]["vocab"], dict):
        # A Unigram finds every entry of its vocabulary in the text: special tokens must not be among them.
        return plain
    vocabulary = dict(content["model"]["vocab"])
    for token in sorted(added, key=lambda token: token["id"]):
        if token["special"]:
            vocabulary.setdefault(token["content"], token["id"])
    content["model"]["vocab"] = vocabulary
    content["added_tokens"] = [token for token in added if not token["special"]]
    rewritten = _compact(content)
    before, after = (Tokenizer.from_str(text).get_vocab() for text in (plain, rewritten))
    return rewritten if before == after else plain


def declare_data_files(folder: Path) -> None:
    """Tell transformers.js in config.json which graphs have their weights in another file, and which it takes.

    It fetches such a file only if config.json says so, and in a browser it takes int8 unless told otherwise:
    https://huggingface.co/docs/transformers.js/api/configs.
    """
    there = {path.name for path in (folder / "onnx").glob("*.onnx")}
    data = {path.name.removesuffix("_data"): True for path in sorted((folder / "onnx").glob("*.onnx_data"))}
    known: dict[str, Any] = {}
    dtype = next((dtype for file, dtype in _DTYPES if file in there), None)
    if dtype is not None:
        known["dtype"] = dtype
    if data:
        known["use_external_data_format"] = data
    config = json.loads((folder / "config.json").read_text("utf-8"))
    settings = config.get("transformers.js_config")
    config["transformers.js_config"] = (settings if isinstance(settings, dict) else {}) | known
    _write_json(folder / "config.json", config)


def _special_tokens(tokenizer: str) -> dict[str, Any]:
    added = json.loads(tokenizer).get("added_tokens", [])
    return {_SPECIAL_NAMES[token["content"]]: token["content"] for token in added if token["content"] in _SPECIAL_NAMES}


def _optional(folder: Path, name: str) -> dict[str, Any]:
    return read_object(folder, name) if has_file(folder, name) else {}


def _compact(content: Mapping[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
