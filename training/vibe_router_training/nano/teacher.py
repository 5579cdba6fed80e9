"""The nano's teacher: an ensemble whose out-of-fold predictions replace the noisy labels of single prompts.

A label says how two models did on one prompt, once: it is mostly noise around what a prompt tells beforehand.
Four learners estimate that, a logistic regression and gradient-boosted trees, each on all rows alike and
each with the margin |2 p - 1| as weight. The first kind estimates E[p], which quality and calibration ask
for; the second the preference among prompts where the models differ, which AUC asks for. Their logits are
standardised and mixed, and the mix is brought back to the scale of p by a logistic fit. Each prompt's
prediction comes from learners that have not seen it (5-fold cross-fitting by prompt hash), so the student
learns what generalises.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
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
class CrossFitted:
    """Out-of-fold logits of both halves of the ensemble, float64 [n]: fitted plainly, and with the margin."""

    plain: FloatArray
    weighted: FloatArray


def out_of_fold(
    prompts: Sequence[str], preference: FloatArray, *, seed: int, margin_share: float = MARGIN_SHARE
) -> FloatArray:
    """Return for each prompt the p_teacher, float64 [n] in 0..1, that the ensemble expects without seeing it.

    `preference` is the measured p_teacher, float [n].
    """
    return mix(cross_fit(prompts, preference, seed=seed), preference, margin_share=margin_share)


def cross_fit(prompts: Sequence[str], preference: FloatArray, *, seed: int) -> CrossFitted:
    """Fit the learners to four fifths of the prompts at a time, and let them judge the fifth they have not seen."""
    features = PromptFeatures(prompts, seed=seed)
    sparse = features.sparse(prompts)
    dense = features.dense(prompts, sparse)
    margin = np.abs(2.0 * preference - 1.0)
    folds = np.array([bucket(prompt) % FOLDS for prompt in prompts])
    plain, weighted = np.zeros(len(prompts)), np.zeros(len(prompts))
    for fold in range(FOLDS):
        seen, unseen = folds != fold, folds == fold
        for logits, weight in ((plain, np.ones_like(margin)), (weighted, margin)):
            linear = soft_logistic(sparse[seen], preference[seen], weight[seen])
            trees = HistGradientBoostingRegressor(
                learning_rate=0.03,
                max_iter=200,
                max_leaf_nodes=12,
                min_samples_leaf=60,
                l2_regularization=5.0,
                max_features=0.2,
                early_stopping=False,
                random_state=seed,
            ).fit(dense[seen], preference[seen], sample_weight=weight[seen])
            logits[unseen] = linear.decision_function(sparse[unseen])
            logits[unseen] += logit(np.clip(trees.predict(dense[unseen]), _CLIP, 1.0 - _CLIP))
    return CrossFitted(plain, weighted)


def mix(fitted: CrossFitted, preference: FloatArray, *, margin_share: float) -> FloatArray:
    """Return both halves mixed, the margin-weighted one with `margin_share`, on the scale of `preference`."""
    plain, weighted = _standardised(fitted.plain), _standardised(fitted.weighted)
    return _on_the_scale_of(preference, (1.0 - margin_share) * plain + margin_share * weighted)


def _standardised(values: FloatArray) -> FloatArray:
    return np.asarray((values - values.mean()) / values.std(), dtype=np.float64)


def _on_the_scale_of(preference: FloatArray, scores: FloatArray) -> FloatArray:
    """Return sigmoid(a scores + b), a and b by likelihood: two numbers from n rows, so in-sample is honest."""
    fitted = soft_logistic(scores[:, None], preference, np.ones_like(preference), strength=1e4)
    return sigmoid(fitted.decision_function(scores[:, None]))
