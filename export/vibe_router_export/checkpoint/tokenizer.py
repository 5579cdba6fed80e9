"""Judge a checkpoint's tokenizer before any work is done.

The runtime must read it, and cut prompts where the model was fitted to have them cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from vibe_router.errors import BundleCorruptError, CheckpointError
from vibe_router.text.tokenizer import PromptTokenizer
from vibe_router_export.checkpoint.code import refuse_code
from vibe_router_export.checkpoint.files import has_file, read_bytes, read_object

TOKENIZER, TOKENIZER_CONFIG = "tokenizer.json", "tokenizer_config.json"


# Older versions of transformers wrote this path, and none opens it.
_IGNORED = "special_tokens_map_file"


def check_tokenizer(folder: Path, *, vocabulary_size: int) -> None:
    """Check tokenizer.json and tokenizer_config.json of a checkpoint whose table has `vocabulary_size` rows.

    Raises:
        CheckpointError: a file is missing or unreadable, names code or other files, is of a kind that the runtime does
            not read, cuts prompts on the left, or has ids that the model has no row for.
    """
    content = read_bytes(folder, TOKENIZER)
    config = read_object(folder, TOKENIZER_CONFIG) if has_file(folder, TOKENIZER_CONFIG) else {}
    refuse_code(config, where=TOKENIZER_CONFIG)
    _refuse_other_files(config)
    tokenizer = readable_tokenizer(content)
    # transformers takes the side from tokenizer.json where tokenizer_config.json names none.
    cut = (tokenizer.truncation or {}).get("direction", "right")
    if config.get("truncation_side", cut) == "left":
        raise CheckpointError(
            "prompts are cut on the left: truncation_side is 'left'; the runtime keeps their beginning",
            hint="fit the model to prompts cut on the right, and set truncation_side to 'right'",
        )
    highest = max([*tokenizer.get_vocab().values(), *tokenizer.encode("").ids])
    if highest >= vocabulary_size:
        raise CheckpointError(
            f"{TOKENIZER} has the id {highest}, but the model has only {vocabulary_size} rows",
            hint="save the model and its own tokenizer into one folder",
        )


def _refuse_other_files(config: Mapping[str, Any]) -> None:
    """Refuse paths of files, which transformers would open in place of the checkpoint's own, wherever they lead."""
    named = [key for key, value in config.items() if key.endswith("_file") and key != _IGNORED and value is not None]
    if named:
        raise CheckpointError(
            f"{TOKENIZER_CONFIG} sets {named[0]}, which leads to another file", hint=f"remove {named[0]}"
        )


def readable_tokenizer(content: bytes) -> Tokenizer:
    """Return the tokenizer in the bytes of a `tokenizer.json`.

    Raises:
        CheckpointError: it is of a kind that the runtime does not read.
    """
    try:
        PromptTokenizer(content, max_tokens=8)
    except BundleCorruptError as error:
        raise CheckpointError(
            f"the runtime does not read this tokenizer: {error.message}",
            hint="docs/checkpoints.md names the kinds of tokenizers that it reads",
        ) from error
    # Safe to read with the library now.
    return Tokenizer.from_buffer(content)
