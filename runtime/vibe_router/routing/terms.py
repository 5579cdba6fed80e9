"""What a caller asks of a decision: where the threshold is, what is forbidden, what to do without a score."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from vibe_router.errors import EngineError, UsageError
from vibe_router.policy import Call, Decision, Target, decide, decide_without_score

if TYPE_CHECKING:
    from vibe_router.text.tokenizer import TokenizedPrompt

_LOGGER = logging.getLogger("vibe_router")
# Without it Python prints warnings to stderr, which belongs to the host application.
_LOGGER.addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Terms:
    """`threshold` is on the scale of the engine's logits; `fallback` None means that a failure is raised."""

    threshold: float
    allow_cloud: bool
    fallback: Target | None
    call: Call = field(default_factory=Call)

    def begun_now(self) -> Terms:
        """Return the same terms for prompts that are read from now on."""
        return replace(self, call=replace(self.call, started=time.perf_counter()))

    @property
    def need_a_score(self) -> bool:
        """Whether there is no decision without one."""
        return self.allow_cloud and self.fallback is None

    def decide(self, logit: float, prompt: TokenizedPrompt, *, engine: str) -> Decision:
        """Return the decision for a prompt's logit."""
        return decide(
            logit,
            threshold=self.threshold,
            tokens=len(prompt.ids),
            truncated=prompt.truncated,
            engine=engine,
            allow_cloud=self.allow_cloud,
            call=self.call,
        )

    def decide_after(self, failure: EngineError, prompt: TokenizedPrompt | None, *, engine: str) -> Decision:
        """Return the decision for a prompt that has no score, None where not even its ids are known.

        Raises:
            EngineError: `failure`, where a score is needed.
        """
        decision = decide_without_score(
            threshold=self.threshold,
            tokens=0 if prompt is None else len(prompt.ids),
            truncated=prompt is not None and prompt.truncated,
            engine=engine,
            fallback=self.fallback,
            allow_cloud=self.allow_cloud,
            call=self.call,
        )
        if decision is None:
            raise failure
        # Without the message: an engine's may tell of the prompt.
        _LOGGER.warning("%s; decided without a score: %s", type(failure).__name__, decision.target.value)
        return decision


def check_fallback(fallback: Target | str | None) -> Target | None:
    """Return `fallback` as a target.

    Raises:
        UsageError: it is none.
    """
    try:
        return None if fallback is None else Target(fallback)
    except ValueError as error:
        raise UsageError(
            f"the fallback {fallback!r} is not a target", hint="give Target.DEVICE, Target.CLOUD or None"
        ) from error
