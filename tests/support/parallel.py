"""An engine that takes several batches at a time, and a router of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.support.faulty import FaultyEngine
from vibe_router import Router
from vibe_router.bundle.bundle import open_bundle
from vibe_router.text.protocol import Prompt
from vibe_router.text.tokenizer import PromptTokenizer

AT_ONCE = 3
MANY = [f"prompt {number}" for number in range(600)]


class ParallelEngine(FaultyEngine):
    """Three batches at a time; a prompt's logit is its number of tokens, unless `trouble` raises."""

    batches_at_once = AT_ONCE

    def __init__(self, trouble: Callable[[Sequence[Prompt]], None] = lambda _: None) -> None:
        super().__init__(lambda _: None)
        self.threads: set[int] = set()
        self.prompts = 0
        self.by_all = 0
        """Calls that all threads compute."""
        self.most = 0
        """Calls at a time, at most."""
        self._running = 0
        self.trouble = trouble
        self._lock = threading.Lock()

    def prompt_logits(self, prompts: Sequence[Prompt], *, alone: bool = False) -> list[float]:
        if alone:
            self.threads.add(threading.get_ident())
        else:
            self.by_all += 1
        with self._lock:
            self._running += 1
            self.most = max(self.most, self._running)
        try:
            self.trouble(prompts)
        finally:
            with self._lock:
                self._running -= 1
        with self._lock:
            self.prompts += len(prompts)
        return [float(prompt.tokens) for prompt in prompts]


def router_of(folder: Path, engine: ParallelEngine, *, at_once: int = AT_ONCE + 1) -> Router:
    bundle = open_bundle(folder)
    tokenizer = PromptTokenizer(bundle.read("tokenizer.json"), max_tokens=bundle.manifest.max_tokens)
    return Router(bundle, tokenizer, engine, at_once=at_once)


def logits(decisions: Sequence[Any]) -> list[float]:
    return [decision.logit for decision in decisions]
