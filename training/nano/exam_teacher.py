"""The nano's teacher: an ensemble whose out-of-fold predictions replace the noisy labels of single prompts.

A label says how two models did on one prompt, once: it is mostly noise around what a prompt tells beforehand.
Three parts estimate that, each a logistic regression and gradient-boosted trees:

* plain, on all rows alike: E[p], which quality and calibration ask for;
* with the margin |2 p - 1| as weight: the preference among prompts where the models differ, which AUC asks for;
* from the quality of each side's answer, apart. A tie says nothing of the preference, but whether both were right
  or both wrong tells how hard a prompt is for either. The parts before throw that away, and most rows are ties.
  If both were right or wrong independently, the log-odds of the cloud among unequal answers would be exactly the
  difference of the log-odds of being right.

Every part is fitted five times, each time without a fifth of the prompts, by prompt hash. What a prompt's label has no
part in, its prediction out of fold, scales the mix (mix.py) and says how good the teacher is. Their mean is
the function that the student is to match, on the teacher's own prompts as on any other: five functions, each seen on a
fifth of the prompts, could not be matched by any one student.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from nano.features import PromptFeatures
from vibe_router_tools.evaluation.dataset import LabelledPrompts
from vibe_router_tools.evaluation.logistic import FloatArray, logit
from vibe_router_training.data import bucket
from vibe_router_training.soft_logistic import soft_logistic

FOLDS = 5
_CLIP = 0.02


@dataclass(frozen=True)
class PartLogits:
    """Logits of the ensemble's parts, float64 [n]: fitted plainly, with the margin, and to both qualities."""

    plain: FloatArray
    weighted: FloatArray
    qualities: FloatArray


@dataclass(frozen=True)
class _Pair:
    """A linear model and trees, fitted to the same target with the same weights."""

    linear: Any
    trees: HistGradientBoostingRegressor

    def logits(self, sparse: Any, dense: FloatArray) -> FloatArray:
        trees = logit(np.clip(self.trees.predict(dense), _CLIP, 1.0 - _CLIP))
        return np.asarray(self.linear.decision_function(sparse) + trees, dtype=np.float64)


@dataclass(frozen=True)
class _Parts:
    """All pairs of one fold."""

    plain: _Pair
    weighted: _Pair
    cloud: _Pair
    device: _Pair

    def logits(self, sparse: Any, dense: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        plain, weighted, cloud, device = (
            pair.logits(sparse, dense) for pair in (self.plain, self.weighted, self.cloud, self.device)
        )
        return plain, weighted, cloud - device


def fold_of(prompt: str) -> int:
    """Return the fold, 0 to `FOLDS` - 1, whose learners do not see the prompt."""
    return bucket(prompt) % FOLDS


class Teacher:
    """The ensemble, fitted once for each fold to the prompts outside it."""

    def __init__(self, rows: LabelledPrompts, *, seed: int) -> None:
        """Fit to labelled rows."""
        self._features = PromptFeatures(rows.prompts, seed=seed)
        sparse = self._features.sparse(rows.prompts)
        dense = self._features.dense(rows.prompts, sparse)
        margin = np.abs(2.0 * rows.preference - 1.0)
        self.folds = np.array([fold_of(prompt) for prompt in rows.prompts])
        """The fold of each prompt, int [n]."""
        self._parts: list[_Parts] = []
        for fold in range(FOLDS):
            seen = self.folds != fold
            plain, weighted, cloud, device = (
                _fit_pair(sparse[here], dense[here], target[here], weight, seed=seed)
                for target, here, weight in (
                    (rows.preference, seen, None),
                    (rows.preference, seen & (margin > 0.0), margin[seen & (margin > 0.0)]),
                    (rows.cloud_quality, seen, None),
                    (rows.device_quality, seen, None),
                )
            )
            self._parts.append(_Parts(plain, weighted, cloud, device))
        logits = np.zeros((3, len(self.folds)))
        for fold, parts in enumerate(self._parts):
            here = self.folds == fold
            if np.any(here):
                logits[:, here] = parts.logits(sparse[here], dense[here])
        self.out_of_fold = PartLogits(*logits)
        """What learners that have not seen it say of each prompt."""

    def logits(self, prompts: Sequence[str]) -> PartLogits:
        """Judge any texts, by the mean over the folds."""
        folds = self.logits_by_fold(prompts)
        return PartLogits(
            plain=np.mean([fold.plain for fold in folds], axis=0),
            weighted=np.mean([fold.weighted for fold in folds], axis=0),
            qualities=np.mean([fold.qualities for fold in folds], axis=0),
        )

    def logits_by_fold(self, prompts: Sequence[str]) -> tuple[PartLogits, ...]:
        """Return what each fold's learners say of any texts."""
        sparse = self._features.sparse(prompts)
        dense = self._features.dense(prompts, sparse)
        return tuple(PartLogits(*parts.logits(sparse, dense)) for parts in self._parts)


def _fit_pair(sparse: Any, dense: FloatArray, target: FloatArray, weight: FloatArray | None, *, seed: int) -> _Pair:
    """Fit both models; trees take no weights where all are alike, since weighted bins cost most of their time."""
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
    linear = soft_logistic(sparse, target, np.ones(len(target)) if weight is None else weight)
    return _Pair(linear, trees.fit(dense, target, sample_weight=weight))
