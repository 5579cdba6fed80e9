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

from collections.abc import Callable, Sequence

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


def out_of_fold(
    prompts: Sequence[str],
    preference: FloatArray,
    *,
    seed: int,
    margin_share: float = MARGIN_SHARE,
    progress: Callable[[int, int], None] | None = None,
) -> FloatArray:
    """Return for each prompt the p_teacher, float64 [n] in 0..1, that the ensemble expects without seeing it.

    `preference` float [n]; `progress(done, folds)` is called after each fold.
    """
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
        if progress is not None:
            progress(fold + 1, FOLDS)
    mixed = (1.0 - margin_share) * _standardised(plain) + margin_share * _standardised(weighted)
    return _on_the_scale_of(preference, mixed)


def _standardised(values: FloatArray) -> FloatArray:
    return np.asarray((values - values.mean()) / values.std(), dtype=np.float64)


def _on_the_scale_of(preference: FloatArray, scores: FloatArray) -> FloatArray:
    """Return sigmoid(a scores + b), a and b by likelihood: two numbers from n rows, so in-sample is honest."""
    fitted = soft_logistic(scores[:, None], preference, np.ones_like(preference), strength=1e4)
    return sigmoid(fitted.decision_function(scores[:, None]))
