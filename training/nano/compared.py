"""Another bundle as a scorer, such as the router that this one takes the place of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nano.judge import Scorer
from vibe_router import Router
from vibe_router_tools.evaluation.logistic import FloatArray


def bundle_scorer(bundle: Path, *, name: str) -> Scorer:
    """Return the p_cloud of the bundle's default engine and its default profile's threshold.

    Raises:
        BundleNotFoundError: there is none; and what else `Router.load` raises.
    """
    router = Router.load(bundle)

    def score(prompts: Sequence[str]) -> FloatArray:
        return np.array([decision.p_cloud for decision in router.route_many(list(prompts))], dtype=np.float64)

    return Scorer(name=name, score=score, threshold=router.route("hello").threshold)
