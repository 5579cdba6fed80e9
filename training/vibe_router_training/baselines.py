"""The baseline that any router must beat: a bag of words with logistic regression."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from vibe_router_tools.evaluation.logistic import FloatArray
from vibe_router_training.soft_logistic import soft_logistic


def bag_of_words(train: Sequence[str], preference: FloatArray) -> Callable[[Sequence[str]], FloatArray]:
    """Return a function from prompts to p, float64 [n], of TF-IDF unigrams and logistic regression.

    Fitted to `train` with the soft labels `preference`, float [len(train)]; lower-cased words that stand in
    at least two prompts, sublinear term frequency, C = 1.
    """
    terms = TfidfVectorizer(min_df=2, sublinear_tf=True)
    fitted = soft_logistic(terms.fit_transform(train), preference, np.ones_like(preference))

    def score(prompts: Sequence[str]) -> FloatArray:
        return np.asarray(fitted.predict_proba(terms.transform(prompts))[:, 1], dtype=np.float64)

    return score
