"""One prompt's ids to its decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vibe_router.errors import EngineError

if TYPE_CHECKING:
    from vibe_router.policy import Decision
    from vibe_router.routing.deadline import Deadline
    from vibe_router.routing.scorer import Scorer
    from vibe_router.routing.terms import Terms
    from vibe_router.text.tokenizer import TokenizedPrompt


def decide_alone(scorer: Scorer, item: TokenizedPrompt, terms: Terms, deadline: Deadline) -> Decision:
    """Return the decision for a tokenized prompt.

    Raises:
        EngineError: there is no score, and `terms` need one.
    """
    try:
        (logit,) = scorer.logits([item.ids], deadline=deadline)
    except EngineError as error:
        return terms.decide_after(error, item, engine=scorer.engine.name)
    return terms.decide(float(logit), item, engine=scorer.engine.name)
