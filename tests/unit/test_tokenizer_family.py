"""Tokenizers of other kinds than ModernBERT's give the ids of the whole text, up to a bound that is stated."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer

from tests.support.tokenizer_family import FAMILY
from tests.support.tokenizers import CORPUS
from vibe_router.errors import PromptError
from vibe_router.text.tokenizer import MOST_WHOLE, PromptTokenizer
from vibe_router_export.model_files import special_tokens_as_text
from vibe_router_export.proof.golden import edge_prompts

IN_PIECES = ("one normalizer", "lower case first")
STORED = {name: make().to_str() for name, make in FAMILY.items()}


def reference(text: str) -> Tokenizer:
    tokenizer = Tokenizer.from_str(text)
    tokenizer.encode_special_tokens = True
    return tokenizer


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("max_tokens", [8, 64, 512])
def test_ids_are_those_of_the_whole_text(name: str, max_tokens: int) -> None:
    whole = reference(STORED[name])
    prompts = PromptTokenizer(special_tokens_as_text(STORED[name]).encode(), max_tokens=max_tokens)
    texts = edge_prompts(lambda text: len(whole.encode(text).ids), max_tokens=max_tokens)
    for text in (*texts, *CORPUS, "<bos> <eos> <pad> <0x41> ▁ <unk>", "ﬁ ① Ａ İstanbul ΑΣ"):
        ids, encoded = whole.encode(text).ids, prompts.encode(text)
        kept = ids if len(ids) <= max_tokens else [*ids[: max_tokens - 1], ids[-1]]
        assert encoded.ids.tolist() == kept, repr(text[:50])
        assert encoded.truncated == (len(ids) > max_tokens)


@pytest.mark.parametrize("name", FAMILY)
def test_what_is_read_whole_has_a_bound(name: str) -> None:
    prompts = PromptTokenizer(special_tokens_as_text(STORED[name]).encode(), max_tokens=16)
    assert prompts.reads_whole == (name not in IN_PIECES)
    longest = "word " * (MOST_WHOLE // 5)
    assert prompts.encode(longest).truncated
    if prompts.reads_whole:
        with pytest.raises(PromptError, match=f"at most {MOST_WHOLE}"):
            prompts.encode(longest + "word ")


# A Unigram finds every entry of its vocabulary in a text, special ones too; so does transformers'.
@pytest.mark.parametrize("name", sorted(set(FAMILY) - {"unigram"}))
def test_special_tokens_in_a_prompt_are_text(name: str) -> None:
    whole = reference(STORED[name])
    special = {token.content for token in whole.get_added_tokens_decoder().values() if token.special}
    prompts = PromptTokenizer(special_tokens_as_text(STORED[name]).encode(), max_tokens=512)
    ends = prompts.encode("").ids.tolist()
    for token in special:
        inner = prompts.encode(token).ids.tolist()[1:-1]
        assert whole.token_to_id(token) not in inner
        assert not set(ends) & set(inner)
