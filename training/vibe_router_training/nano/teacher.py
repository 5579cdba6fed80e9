"""The nano's teacher: an ensemble whose out-of-fold predictions replace the noisy labels of single prompts.

A label says how two models did on one prompt, once: it is mostly noise around what a prompt tells beforehand.
Four learners estimate that, a logistic regression and gradient-boosted trees, each on all rows alike and
each with the margin |2 p - 1| as weight. The first kind estimates E[p], which quality and calibration ask
for; the second the preference among prompts where the models differ, which AUC asks for. Their logits are
standardised and mixed, and the mix is brought back to the scale of p by a logistic fit. Each prompt's
prediction comes from learners that have not seen it (5-fold cross-fitting by prompt hash), so the student
learns what generalises. The learners stay, to judge further texts as a fold sees them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingRegressor

from vibe_router.evaluation.logistic import FloatArray, logit, sigmoid
from vibe_router_training.data import bucket
from vibe_router_training.nano.features import PromptFeatures
from vibe_router_training.soft_logistic import soft_logistic

FOLDS = 5
MARGIN_SHARE = 0.4
"""The margin-weighted half's part of the mix, chosen by cross-validation (docs/nano.md)."""

_CLIP = 0.02


@dataclass(frozen=True)
class HalfLogits:
    """Logits of both halves of the ensemble, float64 [n]: fitted plainly, and with the margin."""

    plain: FloatArray
    weighted: FloatArray


@dataclass(frozen=True)
class _Half:
    """A linear model and trees, fitted with the same weights."""

    linear: Any
    trees: HistGradientBoostingRegressor

    def logits(self, sparse: Any, dense: FloatArray) -> FloatArray:
        trees = logit(np.clip(self.trees.predict(dense), _CLIP, 1.0 - _CLIP))
        return np.asarray(self.linear.decision_function(sparse) + trees, dtype=np.float64)


def fold_of(prompt: str) -> int:
    """Return the fold, 0 to `FOLDS` - 1, whose learners do not see the prompt."""
    return bucket(prompt) % FOLDS


class Teacher:
    """The ensemble, fitted once for each fold to the prompts outside it."""

    def __init__(self, prompts: Sequence[str], preference: FloatArray, *, seed: int) -> None:
        """Fit to prompts with the measured p_teacher, `preference`, float [n]."""
        self._features = PromptFeatures(prompts, seed=seed)
        sparse = self._features.sparse(prompts)
        dense = self._features.dense(prompts, sparse)
        margin = np.abs(2.0 * preference - 1.0)
        self.folds = np.array([fold_of(prompt) for prompt in prompts])
        """The fold of each prompt, int [n]."""
        self._halves: list[tuple[_Half, _Half]] = []
        for fold in range(FOLDS):
            seen = self.folds != fold
            plain, weighted = (
                _fit_half(sparse[seen], dense[seen], preference[seen], weight[seen], seed=seed)
                for weight in (np.ones_like(margin), margin)
            )
            self._halves.append((plain, weighted))
        self.out_of_fold = self._logits(sparse, dense, self.folds)
        """What learners that have not seen it say of each prompt."""

    def logits(self, prompts: Sequence[str], folds: npt.NDArray[np.int_]) -> HalfLogits:
        """Judge other texts, each by the learners of its fold, int [n] in 0 to `FOLDS` - 1."""
        sparse = self._features.sparse(prompts)
        return self._logits(sparse, self._features.dense(prompts, sparse), folds)

    def _logits(self, sparse: Any, dense: FloatArray, folds: npt.NDArray[np.int_]) -> HalfLogits:
        plain, weighted = np.zeros(len(folds)), np.zeros(len(folds))
        for fold, halves in enumerate(self._halves):
            here = folds == fold
            if np.any(here):
                plain[here], weighted[here] = (half.logits(sparse[here], dense[here]) for half in halves)
        return HalfLogits(plain, weighted)


class Mix:
    """Both halves mixed and brought to the scale of the labels.

    mixed = (1 - s) standardised(plain) + s standardised(weighted), p = sigmoid(a mixed + b): means, standard
    deviations, a and b come from out-of-fold logits and labels, six numbers from n rows, so in-sample is honest.
    """

    def __init__(self, fitted: HalfLogits, preference: FloatArray, *, margin_share: float) -> None:
        """Fit to out-of-fold logits and the measured p_teacher, float [n]; `margin_share` is s."""
        self._share = margin_share
        self._plain = float(fitted.plain.mean()), float(fitted.plain.std())
        self._weighted = float(fitted.weighted.mean()), float(fitted.weighted.std())
        self._scale = soft_logistic(self._mixed(fitted), preference, np.ones_like(preference), strength=1e4)

    def preference(self, logits: HalfLogits) -> FloatArray:
        """Return p, float64 [n] in 0..1, for the logits of any texts."""
        return sigmoid(np.asarray(self._scale.decision_function(self._mixed(logits)), dtype=np.float64))

    def _mixed(self, logits: HalfLogits) -> FloatArray:
        (plain_mean, plain_deviation), (weighted_mean, weighted_deviation) = self._plain, self._weighted
        plain = (logits.plain - plain_mean) / plain_deviation
        weighted = (logits.weighted - weighted_mean) / weighted_deviation
        return np.asarray((1.0 - self._share) * plain + self._share * weighted)[:, None]


def _fit_half(sparse: Any, dense: FloatArray, preference: FloatArray, weight: FloatArray, *, seed: int) -> _Half:
    trees = HistGradientBoostingRegressor(
        learning_rate=0.03,
        max_iter=200,
        max_leaf_nodes=12,
        min_samples_leaf=60,
        l2_regularization=5.0,
        max_features=0.2,
        early_stopping=False,
        random_state=seed,
    )
    return _Half(soft_logistic(sparse, preference, weight), trees.fit(dense, preference, sample_weight=weight))
