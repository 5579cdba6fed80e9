"""The Hugging Face files of a bundle, config.json and the tokenizer's, from those of a checkpoint."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vibe_router.errors import CheckpointError
from vibe_router_export.checkpoint.checkpoint import Checkpoint

_SPECIAL_NAMES = {
    "[UNK]": "unk_token",
    "[CLS]": "cls_token",
    "[SEP]": "sep_token",
    "[PAD]": "pad_token",
    "[MASK]": "mask_token",
}


def write_model_files(checkpoint: Checkpoint, folder: Path, *, max_tokens: int) -> None:
    """Write config.json and the tokenizer's files so that generic loaders read the bundle as it is meant.

    config.json says one label with a sigmoid (a plain one-logit configuration would get a softmax, always 1.0).
    tokenizer_config.json says that literal special tokens in a prompt are text, as the runtime reads them.

    Raises:
        CheckpointError: tokenizer_config.json or special_tokens_map.json of the checkpoint is not JSON.
    """
    config = json.loads((checkpoint.folder / "config.json").read_text("utf-8"))
    config |= {
        "id2label": {"0": "cloud"},
        "label2id": {"cloud": 0},
        "problem_type": "multi_label_classification",
    }
    config.pop("num_labels", None)
    _write_json(folder / "config.json", config)
    shutil.copyfile(checkpoint.folder / "tokenizer.json", folder / "tokenizer.json")
    special = _special_tokens(folder / "tokenizer.json")
    tokenizer = _read_json(checkpoint.folder / "tokenizer_config.json")
    tokenizer = {"tokenizer_class": "PreTrainedTokenizerFast"} | special | tokenizer
    tokenizer |= {
        "model_max_length": max_tokens,
        "split_special_tokens": True,
        "model_input_names": ["input_ids", "attention_mask"],
    }
    _write_json(folder / "tokenizer_config.json", tokenizer)
    _write_json(folder / "special_tokens_map.json", special | _read_json(checkpoint.folder / "special_tokens_map.json"))


def declare_data_files(folder: Path) -> None:
    """Name in config.json the graphs whose weights lie in a file beside them.

    transformers.js fetches such a file only where config.json says so:
    https://huggingface.co/docs/transformers.js/api/configs.
    """
    graphs = {path.name.removesuffix("_data"): True for path in sorted((folder / "onnx").glob("*.onnx_data"))}
    if not graphs:
        return
    config = json.loads((folder / "config.json").read_text("utf-8"))
    settings = config.get("transformers.js_config")
    known = settings if isinstance(settings, dict) else {}
    config["transformers.js_config"] = known | {"use_external_data_format": graphs}
    _write_json(folder / "config.json", config)


def _special_tokens(tokenizer: Path) -> dict[str, Any]:
    added = json.loads(tokenizer.read_text("utf-8")).get("added_tokens", [])
    return {_SPECIAL_NAMES[token["content"]]: token["content"] for token in added if token["content"] in _SPECIAL_NAMES}


def _read_json(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path.name} is not valid JSON: {error}", hint="save the tokenizer again") from error
    return content


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
