"""Many prompts to their decisions: scored in batches, decided as each alone would be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from vibe_router.engines.choice import NATIVE
from vibe_router.errors import EngineError, UsageError
from vibe_router.policy import LOW_PRECISION_BAND, Decision, sigmoid
from vibe_router.routing.alone import decide_alone
from vibe_router.routing.batching import batches

if TYPE_CHECKING:
    from vibe_router.bundle.bundle import Bundle
    from vibe_router.engines.protocol import Engine
    from vibe_router.routing.deadline import Deadline
    from vibe_router.routing.process_scorer import ProcessScorer
    from vibe_router.routing.terms import Terms
    from vibe_router.text.tokenizer import PromptTokenizer, TokenizedPrompt

_FP32_BAND = 1e-4


def several(prompts: Iterable[str]) -> Iterable[str]:
    """Return `prompts`.

    Raises:
        UsageError: they are one text, whose characters would be routed.
    """
    if isinstance(prompts, (str, bytes)):
        raise UsageError("prompts must be several texts, not one", hint="pass a list, or call route")
    return prompts


def decide_stream(
    scorer: ProcessScorer,
    tokenizer: PromptTokenizer,
    bundle: Bundle,
    prompts: Iterable[str],
    terms: Terms,
    deadline: Deadline,
    *,
    chunk: int,
) -> Iterator[Decision]:
    """Yield one decision a prompt, in order, holding at most `chunk` prompts' ids in memory.

    When `prompts` raises, or a prompt cannot be tokenized, the prompts before it are decided first.

    Raises:
        PromptError: a prompt cannot be tokenized.
        EngineError: there is no score, and `terms` need one.
    """
    source = iter(prompts)
    while True:
        encoded: list[TokenizedPrompt] = []
        failure: Exception | None = None
        terms = terms.begun_now()
        try:
            for prompt in source:
                encoded.append(tokenizer.encode(prompt))
                if len(encoded) == chunk:
                    break
        except Exception as error:  # noqa: BLE001 - raised again below, after the decisions before it
            failure = error
        yield from _decide_together(scorer, bundle, encoded, terms, deadline)
        if failure is not None:
            raise failure
        if len(encoded) < chunk:
            return


def _decide_together(
    scorer: ProcessScorer, bundle: Bundle, encoded: Sequence[TokenizedPrompt], terms: Terms, deadline: Deadline
) -> Iterator[Decision]:
    here = scorer.here()
    logits: dict[int, float] = {}
    for batch in batches([len(item.ids) for item in encoded]):
        try:
            scores = here.logits([encoded[index].ids for index in batch], deadline=deadline)
        except EngineError:
            if terms.need_a_score:
                raise
            # Its prompts have no logit yet, and are tried alone below.
            continue
        logits.update(zip(batch, scores.tolist(), strict=True))
    band = _rounding_band(bundle, here.engine)
    for index, item in enumerate(encoded):
        if index in logits and abs(sigmoid(logits[index]) - terms.threshold) > band:
            yield terms.decide(logits[index], item, engine=here.engine.name)
        else:
            yield decide_alone(scorer.here(), item, terms, deadline)


def _rounding_band(bundle: Bundle, engine: Engine) -> float:
    """Return how close to the threshold a score must be for its batch to be able to change the decision.

    Rounding differs with the batch: by about 1e-6 in fp32, by far more in int8, whose activation scales are taken over
    the whole batch. Such prompts are scored again alone, so that batches never change a decision. The native engine's
    scores are those of each prompt alone, to the last bit.
    """
    for file in bundle.manifest.engines:
        if file.file == engine.file and file.kind == NATIVE:
            return 0.0
        if file.file == engine.file and file.precision != "fp32":
            return max(LOW_PRECISION_BAND, file.parity.band if file.parity else 0.0)
    return _FP32_BAND
