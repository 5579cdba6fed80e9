"""Small tokenizers built as those of multilingual ModernBERTs are: the same parts, trained on a few lines."""

from __future__ import annotations

import json
from collections.abc import Callable

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import BpeTrainer, UnigramTrainer

from tests.support.tokenizers import CORPUS, train_tokenizer

_SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
_LINES = [part for line in CORPUS for part in line.split(",")]
GPT_4 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
    r"\s+(?!\S)|\s+"
)


def gemma() -> Tokenizer:
    """Gemma's kind, mmBERT's: no splitting, spaces replaced, unknown characters as their bytes."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    trainer = BpeTrainer(vocab_size=700, special_tokens=[*_SPECIAL, *_BYTES], show_progress=False)
    tokenizer.train_from_iterator(_LINES * 5, trainer)
    # The bytes are entries of the vocabulary, and no tokens that are found in the text.
    return _around(_with_special(tokenizer, _SPECIAL))


def unigram() -> Tokenizer:
    """A Unigram of the kind of SentencePiece, as Japanese ModernBERTs have it, with bytes for what is unknown."""
    trained = Tokenizer(models.Unigram())
    trained.normalizer = normalizers.NFKC()
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    trainer = UnigramTrainer(vocab_size=400, special_tokens=_SPECIAL, unk_token="<unk>", show_progress=False)
    trained.train_from_iterator(_LINES * 5, trainer)
    pieces = [(token, 0.0) for token in (*_SPECIAL, *_BYTES)]
    vocabulary = sorted(trained.get_vocab(), key=trained.get_vocab().__getitem__)
    pieces += [(token, -5.0 - index / 100) for index, token in enumerate(vocabulary) if token not in _SPECIAL]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3, byte_fallback=True))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="never")])
    return _around(_with_special(tokenizer, _SPECIAL))


def lower_case_last() -> Tokenizer:
    """ModernBERT's kind with text in lower case, made so after NFC."""
    tokenizer = train_tokenizer()
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    return tokenizer


def lower_case_first() -> Tokenizer:
    """ModernBERT's kind with text in lower case, made so before NFC; its added tokens have capitals."""
    tokenizer = train_tokenizer(normalizer=normalizers.Sequence([normalizers.Lowercase(), normalizers.NFC()]))
    # Of two that are one in lower case the library finds the first; the last one is found before it is made so.
    tokenizer.add_tokens([AddedToken(text, normalized=True) for text in ("USER", "user", "\u0130|", "E\u0301\u212b")])
    tokenizer.add_tokens([AddedToken("RAW", normalized=False)])
    return tokenizer


def gpt_4() -> Tokenizer:
    """Byte-level BPE with the splitting of GPT-4, whole words taken from the vocabulary without merges."""
    tokenizer = train_tokenizer()
    split = pre_tokenizers.Split(Regex(GPT_4), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    model = tokenizer.model
    model.ignore_merges = True
    tokenizer.model = model
    return tokenizer


def one_normalizer() -> Tokenizer:
    """ModernBERT's kind, its normalizer written as a sequence of one."""
    tokenizer = train_tokenizer()
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC()])
    return tokenizer


FAMILY: dict[str, Callable[[], Tokenizer]] = {
    "gemma": gemma,
    "unigram": unigram,
    "lower case last": lower_case_last,
    "lower case first": lower_case_first,
    "GPT-4": gpt_4,
    "one normalizer": one_normalizer,
}


def _with_special(tokenizer: Tokenizer, special: list[str]) -> Tokenizer:
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = [token for token in content["added_tokens"] if token["content"] in special]
    kept: Tokenizer = Tokenizer.from_str(json.dumps(content))
    kept.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in special])
    return kept


def _around(tokenizer: Tokenizer) -> Tokenizer:
    start, end = tokenizer.token_to_id("<bos>"), tokenizer.token_to_id("<eos>")
    tokenizer.post_processor = TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", start), ("<eos>", end)]
    )
    return tokenizer
