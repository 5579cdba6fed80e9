"""Small byte-level BPE tokenizers of ModernBERT's kind, trained on the spot."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from tokenizers import AddedToken, Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.normalizers import NFC, Normalizer
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import BpeTrainer

SPECIAL = ("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")

CORPUS = (
    "hi hello what is 2+2? how are you? tell me a joke. It's we'll they've I'm she'd you're don't",
    "Write a thread-safe LRU cache in Python: def get(self, key):\n    return self.items[key]\n\n",
    "Explain quantum entanglement, then design a distributed consensus algorithm with proofs.",
    "aaaa aaaaaaaa aaaaaaaaaaaaaaaa ababab abcabcabc ---- -------- ---------------- ........ ====",
    "naïve café résumé Ångström über 日本語のテキスト 你好世界 مرحبا بالعالم שלום עולם 한국어",
    "🙂🙃 1234567890",
    "        deep\n            deeper\n\t\ttabs\r\n   x",
)


def train_tokenizer(
    corpus: Iterable[str] = CORPUS, *, vocab_size: int = 700, normalizer: Normalizer | None = None
) -> Tokenizer:
    """Return a tokenizer with [CLS] and [SEP] around, runs of spaces and an e-mail mark as added tokens.

    The normalizer is NFC by default.
    """
    tokenizer = Tokenizer(BPE())
    tokenizer.normalizer = normalizer or NFC()
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    trainer = BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL),
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(list(corpus) * 20, trainer)
    tokenizer.add_special_tokens([AddedToken("[MASK]", lstrip=True, special=True, normalized=False)])
    tokenizer.add_tokens([AddedToken(" " * count, normalized=True) for count in range(24, 1, -1)])
    tokenizer.add_tokens([AddedToken("|||EMAIL_ADDRESS|||", normalized=True)])
    start, end = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", start), ("[SEP]", end)]
    )
    return tokenizer


def reference_ids(tokenizer_json: bytes, prompt: str, *, max_tokens: int) -> tuple[list[int], bool]:
    """Return ids and `truncated` of the whole prompt, without any cap."""
    ids = _whole(tokenizer_json).encode(prompt).ids
    if len(ids) <= max_tokens:
        return ids, False
    return [*ids[: max_tokens - 1], ids[-1]], True


@functools.lru_cache(maxsize=8)
def _whole(tokenizer_json: bytes) -> Tokenizer:
    """Return a tokenizer that cuts nothing off and fills nothing up."""
    tokenizer = Tokenizer.from_buffer(tokenizer_json)
    tokenizer.encode_special_tokens = True
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
