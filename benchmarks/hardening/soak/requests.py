"""The requests of a long run, each with the answer that it must get."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.hardening.soak.faults import TIMEOUT_SECONDS, Fault
from vibe_router.policy import Decision, Reason, Target
from vibe_router.router import Router

_LARGEST_DIFFERENCE = 1e-6
# One prompt in so many fails.
_FAULT_SHARE = 200
_WORDS = ("why", "the", "sky", "write", "poem", "explain", "sorting", "python", "three", "ideas")


@dataclass(frozen=True)
class Request:
    """A prompt and what the router must say: the known score, or the fallback where the engine fails on it."""

    prompt: str
    ids: tuple[int, ...]
    p_cloud: float
    fault: Fault | None

    @property
    def timeout(self) -> float | None:
        """Return the seconds to wait, where the fault is to be late."""
        return TIMEOUT_SECONDS if self.fault is Fault.LATE else None


def make_requests(router: Router, prompts: Sequence[str], *, count: int, seed: int) -> list[Request]:
    """Return `count` requests of mixed lengths: the prompts, cut or joined, each unlike every other in its ids.

    The answers are computed here, one by one, by a router that nothing disturbs.
    """
    draw = random.Random(seed)
    requests: dict[tuple[int, ...], Request] = {}
    while len(requests) < count:
        words = (draw.choice(prompts) + " " + " ".join(draw.choices(_WORDS, k=3))).split()
        length = min(len(words), draw.choice((1, 3, 3, 5, 8, 8, 12, 20, 40)))
        start = draw.randrange(len(words) - length + 1)
        prompt = " ".join(words[start : start + length])
        ids = tuple(router.tokenizer.encode(prompt).ids.tolist())
        fault = draw.choice(list(Fault)) if draw.randrange(_FAULT_SHARE) == 0 else None
        score = router.route(prompt).p_cloud
        requests[ids] = Request(prompt, ids, 0.0 if score is None else score, fault)
    return list(requests.values())


def is_right(decision: Decision, request: Request) -> bool:
    """Return whether a decision is the one that the request must get.

    A late engine may be done when a busy machine wakes its caller: then the score is as good as the fallback.
    """
    if decision.reason is Reason.FALLBACK:
        return request.fault is not None and decision.target is Target.DEVICE and decision.p_cloud is None
    score = decision.p_cloud
    return (
        request.fault in (None, Fault.LATE)
        and decision.reason is Reason.SCORE
        and score is not None
        and abs(score - request.p_cloud) <= _LARGEST_DIFFERENCE
        and (decision.target is Target.CLOUD) == (score > decision.threshold)
        and decision.tokens == len(request.ids)
    )
