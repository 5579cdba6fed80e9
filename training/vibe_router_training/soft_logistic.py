"""Logistic regression against soft labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
from sklearn.linear_model import LogisticRegression

from vibe_router_tools.evaluation.logistic import FloatArray


def soft_logistic(rows: Any, preference: FloatArray, weight: FloatArray) -> Any:
    """Return scikit-learn's logistic regression fitted to `rows`, a dense or sparse matrix [n, k].

    Each row stands once as class 1 with weight `weight * preference` and once as class 0 with the rest, which
    makes the loss the cross-entropy against the soft label; both arrays are float [n]. C, the inverse of the L2
    penalty, is 1.
    """
    once = scipy.sparse.csr_matrix(rows)
    twice = scipy.sparse.vstack([once, once])
    hard = np.repeat([1, 0], len(preference))
    weights = np.concatenate([preference * weight, (1.0 - preference) * weight])
    model = LogisticRegression(C=1.0, solver="liblinear", max_iter=200, random_state=0)
    return model.fit(twice, hard, sample_weight=weights)
