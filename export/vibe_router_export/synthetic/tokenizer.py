"""Fit a tokenizer to a vocabulary size that it was not trained for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vibe_router.errors import UsageError

_SPECIAL = ("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")


@dataclass(frozen=True, kw_only=True)
class SpecialTokens:
    """Ids of the special tokens, and the number of ids in all."""

    cls: int
    sep: int
    pad: int
    vocabulary_size: int

    def tokenizer_config(self) -> dict[str, Any]:
        """Return what `tokenizer_config.json` must say for transformers to load the tokenizer."""
        names = dict(zip(("unk_token", "cls_token", "sep_token", "pad_token", "mask_token"), _SPECIAL, strict=True))
        return {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": 8192,
            "model_input_names": ["input_ids", "attention_mask"],
            "clean_up_tokenization_spaces": False,
            **names,
        }


def resized_tokenizer(path: Path, vocabulary_size: int | None) -> tuple[str, SpecialTokens]:
    """Return the tokenizer.json at `path` with its vocabulary filled up to `vocabulary_size` ids, and its specials.

    The ids that no token has are given to names that no text can produce. None keeps the vocabulary as it is.

    Raises:
        UsageError: not a tokenizer with [UNK], [CLS], [SEP], [PAD] and [MASK], or one with too many tokens.
    """
    try:
        raw = json.loads(path.read_text("utf-8"))
        vocabulary: dict[str, int] = raw["model"]["vocab"]
        known = vocabulary | {token["content"]: token["id"] for token in raw["added_tokens"]}
        cls, sep, pad = (known[name] for name in ("[CLS]", "[SEP]", "[PAD]"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is not a tokenizer.json with {', '.join(_SPECIAL)}: {error}", hint=_HINT) from error
    highest = max(known.values()) + 1
    if vocabulary_size is not None and highest > vocabulary_size:
        raise UsageError(f"{path} has {highest} tokens, more than {vocabulary_size}", hint=_HINT)
    used = set(known.values())
    total = vocabulary_size or highest
    vocabulary.update({f"[filler{index}]": index for index in range(total) if index not in used})
    # A special token outside the model's own vocabulary is given the next free id on loading; inside it keeps its id.
    vocabulary.update({name: index for name, index in known.items() if name not in vocabulary})
    return json.dumps(raw, ensure_ascii=False), SpecialTokens(cls=cls, sep=sep, pad=pad, vocabulary_size=total)


_HINT = "pass another one with --tokenizer"
