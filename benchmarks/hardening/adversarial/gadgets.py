"""Search for confounder gadgets: short rows of tokens that move a router's score, whatever they say.

After "Rerouting LLM Routers" (Shafran et al., 2025, https://arxiv.org/abs/2501.01818): a gadget of random tokens is
improved by hill climbing. In each step one position is drawn and the best of several random tokens is kept there, if
it is better than what stands. A query-independent gadget is found once, on the score of the gadget alone or on the
mean over a few tuning prompts, and then put before any prompt; a query-specific one is found for each prompt anew.
The search needs only scores, which everybody who has the bundle can compute.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from vibe_router.policy import Target
from vibe_router.router import Router


@dataclass(frozen=True, kw_only=True)
class Search:
    """How long to climb: `steps` draws of a position, `candidates` tokens tried at each."""

    tokens: int
    steps: int
    candidates: int


def printable_tokens(router: Router) -> list[str]:
    """Return the vocabulary's entries that are printable text of their own, in the order of their ids."""
    tokenizer = Tokenizer.from_buffer(router.bundle.read("tokenizer.json"))
    special = set(tokenizer.get_added_tokens_decoder())
    texts = (tokenizer.decode([token]) for token in range(tokenizer.get_vocab_size()) if token not in special)
    return [text for text in texts if text.strip() and text.isprintable() and "\ufffd" not in text]


def climb(
    router: Router, prompts: Sequence[str], target: Target, *, vocabulary: Sequence[str], search: Search, seed: str
) -> str:
    """Return a gadget that moves the mean score of gadget + prompt over `prompts` towards `target`."""
    draw = random.Random(seed)
    gadget = [draw.choice(vocabulary) for _ in range(search.tokens)]
    best = _mean(router, [gadget], prompts, target)[0]
    for _ in range(search.steps):
        place = draw.randrange(search.tokens)
        tokens = draw.choices(vocabulary, k=search.candidates)
        tried = [[*gadget[:place], token, *gadget[place + 1 :]] for token in tokens]
        scores = _mean(router, tried, prompts, target)
        top = max(range(len(tried)), key=scores.__getitem__)
        if scores[top] > best:
            gadget, best = tried[top], scores[top]
    return "".join(gadget)


def before(gadget: str, prompt: str) -> str:
    """Return the prompt with the gadget before it."""
    return f"{gadget} {prompt}" if prompt else gadget


def _mean(router: Router, gadgets: Sequence[Sequence[str]], prompts: Sequence[str], target: Target) -> list[float]:
    """Return each gadget's mean score, signed so that more is nearer to the target."""
    sign = 1.0 if target is Target.CLOUD else -1.0
    texts = [before("".join(gadget), prompt) for gadget in gadgets for prompt in prompts]
    scores = [decision.p_cloud or 0.0 for decision in router.route_many(texts)]
    rows = range(0, len(scores), len(prompts))
    return [sign * sum(scores[start : start + len(prompts)]) / len(prompts) for start in rows]
