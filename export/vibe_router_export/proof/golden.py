"""Golden prompts: short list, sharp edges. Every engine and every binding must give these ids and these scores."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict

import numpy as np

from vibe_router.verify import GoldenPrompt

EXAMPLES = (
    "hi",
    "hello",
    "what is 2+2?",
    "how are you?",
    "tell me a joke",
    "what day is it today?",
    "translate hello to spanish",
    "define photosynthesis",
    "explain recursion",
    "Write a thread-safe LRU cache in Python",
    "Explain quantum entanglement",
    "Design a distributed consensus algorithm",
    "Implement a transformer attention mechanism",
    "Explain quantum error correction codes",
)
"""The published model card's example prompts."""

_WHITESPACE = (
    "",
    " ",
    "  ",
    "a b",
    "a  b",
    "a   b",
    " a",
    "a ",
    " " * 24,
    " " * 25,
    "\n",
    "\n\n\n",
    "\t",
    "a\tb",
    "\r\n",
)
_SMALL = ("a", "A", "1", "?", ".", "'", "I'm", "don't you're we'll they've he'd", "0123456789", "3.14159", "1,000,000")
_UNICODE = (
    "é",  # one character
    "e\u0301",  # the same as a pair; NFC makes them equal
    "\u212b \u00c5 A\u030a",  # Ångström sign, letter, pair
    "q\u0323\u0307 q\u0307\u0323",  # marks in both orders
    "한국어 \u1112\u1161\u11ab",  # Hangul, composed and conjoining
    "你好，世界。请解释量子纠缠。",
    "日本語の文章を英語に翻訳してください",
    "Привет, как дела?",
    "שלום עולם",
    "مرحبا بالعالم، كيف حالك؟",
    "नमस्ते दुनिया",
    "สวัสดีชาวโลก",
    "😀",
    "👩‍👩‍👧‍👦 family",  # joined by zero-width joiners
    "🇩🇪🇫🇷",  # regional indicators
    "👍🏽",  # skin tone modifier
    "zero\u200bwidth\u200djoin\ufeffmark",
    "right\u202eto left\u202c",
    "ﬁ ﬂ ½ ² ①",
    "\x00",
    "a\x00b",
    "\x1b[31mred\x1b[0m",
    "\ufffd",
    "\U000e0001\U0010ffff",  # a tag and a noncharacter
    "Z\u0351\u036b\u0343\u036aa\u034f\u031bl\u0336g\u0321o\u0329",
)
_SPECIAL = (
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "[PAD]",
    "[UNK]",
    "ignore this [SEP] and answer [MASK] [PAD][PAD]",
    "<|endoftext|> <s> </s> <|padding|>",
    "|||EMAIL_ADDRESS||| |||IP_ADDRESS|||",
)
_TEXTS = (
    "def fib(n):\n    a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n    return a\n\nprint(fib(10))",
    "SELECT name, COUNT(*) FROM users WHERE age >= 18 GROUP BY name HAVING COUNT(*) > 1;",
    '{"key": [1, 2.5e-3, null, true], "nested": {"a": "b\\n"}}',
    '<div class="x">A &amp; B</div><!-- comment -->',
    "∀ε>0 ∃δ>0: |x−a|<δ ⟹ |f(x)−f(a)|<ε, and \\int_0^1 x^2\\,dx = \\frac{1}{3}",
    "https://example.org/a/b?c=d&e=%20f#g user@example.org +1 (555) 010-9999 2024-02-29T12:00:00Z",
    "Summarise the causes of the French Revolution in three paragraphs, then compare them with those of 1848.",
    "A train leaves at 9:40 at 80 km/h; another leaves at 10:10 at 120 km/h on the same track. When do they meet?",
    "You are given an m x n grid of 0s and 1s. Return the size of the largest square of 1s, and prove the bound.",
    "Plan a five-day trip to Kyoto for a family with two small children and a limited budget, day by day.",
    "WHY IS MY CODE NOT WORKING??? PLEASE HELP!!! segfault at 0x0000000000000000",
    "set an alarm for 7 am tomorrow",
    "what's the weather like in Berlin right now",
    "please remind me to water the plants",
)
_LONG_SENTENCE = "Explain step by step how the garbage collector decides which objects are reachable. "


def edge_prompts(count_tokens: Callable[[str], int], *, max_tokens: int) -> list[str]:
    """Return the golden prompts for a tokenizer; `count_tokens` gives the untruncated number of ids of a text.

    Those around the length limit depend on the tokenizer: texts of exactly max_tokens - 1, max_tokens and
    max_tokens + 1 ids, and some of many times as much.
    """
    around = [_text_of(length, count_tokens) for length in (max_tokens - 1, max_tokens, max_tokens + 1)]
    # ModernBERT's window of local attention is 128: lengths at and around its half and its whole.
    windows = [
        _text_of(length, count_tokens) for length in (64, 65, 66, 67, 127, 128, 129, 130, 256) if length < max_tokens
    ]
    very_long = [_LONG_SENTENCE * 400, "x" * 20_000, "你好" * 3_000, "e\u0301" * 2_000, "- " * 4_000]
    prompts = [*EXAMPLES, *_WHITESPACE, *_SMALL, *_UNICODE, *_SPECIAL, *_TEXTS, *windows, *around, *very_long]
    return list(dict.fromkeys(prompts))


def mixed_prompts(prompts: Sequence[str], *, count: int, seed: int) -> list[str]:
    """Return `count` texts of 1 to 120 words drawn from `prompts`, so that all lengths are met, short ones most."""
    random = np.random.default_rng(seed)
    words = [word for prompt in prompts if len(prompt) < 500 for word in prompt.split()]
    lengths = np.geomspace(1, 120, count).astype(int)
    return [" ".join(random.choice(words, length)) for length in lengths]


def dump_golden(prompts: Iterable[GoldenPrompt]) -> str:
    """Return the text of `golden.jsonl`, ASCII only so that no tool on the way can normalise it."""
    return "".join(json.dumps(asdict(prompt), ensure_ascii=True) + "\n" for prompt in prompts)


def _text_of(length: int, count_tokens: Callable[[str], int]) -> str:
    """Return a text of exactly `length` ids: sentences, then single words that are one id each."""
    text = _LONG_SENTENCE * (length // count_tokens(_LONG_SENTENCE))
    text = text.rstrip() or "a"
    while count_tokens(text) < length:
        text += " a"
    return text
