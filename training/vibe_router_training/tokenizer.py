"""A tokenizer of ModernBERT's kind, trained on prompts: byte-level BPE over NFC text, [CLS] and [SEP] around."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from tokenizers import AddedToken, Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.normalizers import NFC, Lowercase
from tokenizers.normalizers import Sequence as NormalizerSequence
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import BpeTrainer

from vibe_router.errors import CheckpointError
from vibe_router_export.checkpoint.config import parse_backbone
from vibe_router_export.checkpoint.files import read_object
from vibe_router_export.checkpoint.find import find_checkpoint
from vibe_router_export.checkpoint.tokenizer import TOKENIZER, check_tokenizer, readable_tokenizer

UNKNOWN, START, END, PADDING, MASK = SPECIAL_TOKENS = ("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")
VOCABULARY_SIZE: Final = 8000


def train_tokenizer(prompts: Iterable[str], *, vocabulary_size: int = VOCABULARY_SIZE) -> Tokenizer:
    """Return a tokenizer whose ids 0..4 are the special tokens; the same prompts give the same tokenizer."""
    tokenizer = Tokenizer(BPE())
    tokenizer.normalizer = NFC()
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = ByteLevelDecoder(add_prefix_space=False, use_regex=True)
    special = [AddedToken(name, special=True, normalized=False, lstrip=name == MASK) for name in SPECIAL_TOKENS]
    trainer = BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=special,
        initial_alphabet=sorted(ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(prompts, trainer=trainer)
    start, end = tokenizer.token_to_id(START), tokenizer.token_to_id(END)
    tokenizer.post_processor = TemplateProcessing(
        single=f"{START} $A {END}",
        pair=f"{START} $A {END} $B:1 {END}:1",
        special_tokens=[(START, start), (END, end)],
    )
    return tokenizer


def in_small_letters(tokenizer: Tokenizer) -> Tokenizer:
    """Return a tokenizer of the same vocabulary that reads capitals as small letters, so that case changes no id."""
    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.normalizer = NormalizerSequence([Lowercase(), NFC()])
    return copy


def read_tokenizer(path: Path) -> Tokenizer:
    """Return the tokenizer in a `tokenizer.json`.

    Raises:
        CheckpointError: the file is not there or cannot be read, is of a kind that the runtime does not read, or lacks
            a special token that models need.
    """
    if not path.is_file():
        raise CheckpointError(f"no tokenizer at {path}", hint="name a tokenizer.json")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}", hint="check the file") from error
    # Before a fit takes hours, because no export would take what was fitted with it.
    tokenizer = readable_tokenizer(content)
    missing = [name for name in (START, END, PADDING) if tokenizer.token_to_id(name) is None]
    if missing:
        raise CheckpointError(f"{path} lacks {', '.join(missing)}", hint="use a tokenizer of ModernBERT's kind")
    return tokenizer


def load_tokenizer(checkpoint: str | Path) -> Tokenizer:
    """Return the tokenizer of a checkpoint folder or hub id, judged as the exporter judges it.

    Raises:
        CheckpointError: it cannot be found or read, or is one that could not be exported.
    """
    folder = find_checkpoint(checkpoint)
    config = parse_backbone(read_object(folder, "config.json"))
    check_tokenizer(folder, vocabulary_size=config.vocabulary_size)
    return Tokenizer.from_file(str(folder / TOKENIZER))


def encode(tokenizer: Tokenizer, prompts: Sequence[str], *, max_tokens: int) -> list[list[int]]:
    """Return the token ids of each prompt, cut to `max_tokens` with the closing [SEP] kept.

    Special tokens written in a prompt are encoded as the text they are, as the runtime does.
    """
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    rows: list[list[int]] = [encoding.ids for encoding in tokenizer.encode_batch(list(prompts))]
    return [row if len(row) <= max_tokens else [*row[: max_tokens - 1], row[-1]] for row in rows]


def tokenizer_config(tokenizer: Tokenizer, max_tokens: int) -> str:
    """Return the text of `tokenizer_config.json` that lets transformers load the tokenizer."""
    named = {
        "unk_token": UNKNOWN,
        "cls_token": START,
        "sep_token": END,
        "pad_token": PADDING,
        "mask_token": MASK,
    }
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        # transformers would add those that a tokenizer of another family does not have.
        **{key: name for key, name in named.items() if tokenizer.token_to_id(name) is not None},
        "model_max_length": max_tokens,
        "model_input_names": ["input_ids", "attention_mask"],
        "clean_up_tokenization_spaces": False,
    }
    return json.dumps(config, indent=2) + "\n"
