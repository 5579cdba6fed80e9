"""The teacher of chat prompts: kernel ridge regression on sentence embeddings, fitted to ratings and measured verdicts.

Ratings are on one scale. Measured verdicts are not: nearly all favour the frontier model, by how much depends on the
two models and the judge. So a source's verdicts are centred, and tell only which of its prompts are harder than others:
their mean is what a regression on the ratings alone says of that source.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.kernel_ridge import KernelRidge

from nano.encoder import PromptNumbers
from vibe_router_tools.evaluation.logistic import FloatArray
from vibe_router_training.data import bucket

GAMMA = 0.012
_PENALTY = 0.5
_LOWEST, _HIGHEST = 0.02, 0.98
FOLDS = 5


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """Measured verdicts: `difference` is strong minus weak, float64 [n]; `mass` how many ratings one of them weighs."""

    prompts: tuple[str, ...]
    sources: tuple[str, ...]
    difference: FloatArray
    mass: float

    def where(self, here: npt.NDArray[np.bool_]) -> Verdicts:
        """Return the verdicts where `here`, bool [n], is true."""
        places = np.flatnonzero(here)
        return Verdicts(
            prompts=tuple(self.prompts[place] for place in places),
            sources=tuple(self.sources[place] for place in places),
            difference=self.difference[here],
            mass=self.mass,
        )


class ChatTeacher:
    """p that a careful user prefers the cloud's answer, for any text."""

    def __init__(self, prompts: Sequence[str], ratings: FloatArray, measured: Sequence[Verdicts] = ()) -> None:
        """Fit to `ratings`, float64 [len(prompts)] in 0..1, and to each source of `measured`."""
        self._numbers = PromptNumbers(prompts)
        self._rated, self._ratings = self._numbers(prompts), ratings
        self._measured = [(part, self._numbers(part.prompts)) for part in measured]
        self._regression = fit_regression(self._rated, ratings, self._measured)

    def __call__(self, prompts: Sequence[str], *, batch: int = 2000) -> FloatArray:
        """Return p of any prompts, float64 [n] in 0.02..0.98."""
        parts = [
            self._regression(self._numbers(prompts[start : start + batch])) for start in range(0, len(prompts), batch)
        ]
        return np.clip(np.concatenate(parts) if parts else np.zeros(0), _LOWEST, _HIGHEST)

    def held_out(self, part: Verdicts) -> FloatArray:
        """Return p of each prompt of `part`, one of `measured`, by teachers without its verdict, float64 [n].

        A verdict is noisy. The teacher that was fitted to it repeats the noise, and a student who is taught that learns
        the prompts by heart.
        """
        folds, scores = folds_of(part.prompts), np.zeros(len(part.prompts))
        numbers = next(rows for given, rows in self._measured if given is part)
        others = [(given, rows) for given, rows in self._measured if given is not part]
        for fold in sorted(set(folds)):
            seen = folds != fold
            known = [(part.where(seen), numbers[seen]), *others]
            scores[~seen] = fit_regression(self._rated, self._ratings, known)(numbers[~seen])
        return np.clip(scores, _LOWEST, _HIGHEST)


def folds_of(prompts: Sequence[str]) -> npt.NDArray[np.intp]:
    """Return the fold of each prompt, 0 to `FOLDS` - 1, by its hash."""
    return np.array([bucket(prompt) % FOLDS for prompt in prompts], dtype=np.intp)


def fit_regression(
    rated: FloatArray, ratings: FloatArray, measured: Sequence[tuple[Verdicts, FloatArray]], *, gamma: float = GAMMA
) -> Callable[[FloatArray], FloatArray]:
    """Return the regression from numbers of prompts, float64 [n, k], to p, float64 [n], not clipped.

    `rated` are the numbers of the rated prompts; each of `measured` comes with its own.
    """
    mean = float(np.mean(ratings))
    rows, target, weight = [rated], [ratings - mean], [np.ones(len(ratings))]
    model = _fit(rated, target[0], weight[0], gamma)
    for part, numbers in measured:
        rows.append(numbers)
        target.append(_centred(part, model.predict(numbers), float(np.std(ratings))))
        weight.append(np.full(len(part.prompts), part.mass))
    if measured:
        model = _fit(np.vstack(rows), np.concatenate(target), np.concatenate(weight), gamma)
    return lambda numbers: np.asarray(model.predict(numbers) + mean, dtype=np.float64)


def _fit(rows: FloatArray, target: FloatArray, weight: FloatArray, gamma: float) -> KernelRidge:
    return KernelRidge(alpha=_PENALTY, kernel="rbf", gamma=gamma).fit(rows, target, sample_weight=weight)


def _centred(part: Verdicts, expected: FloatArray, spread: float) -> FloatArray:
    """Return targets on the ratings' scale, float64 [n]: each source's mean as expected, its differences around it."""
    target = np.empty(len(part.prompts))
    for source in sorted(set(part.sources)):
        here = np.array([name == source for name in part.sources])
        difference = part.difference[here]
        deviation = float(np.std(difference)) or 1.0
        target[here] = expected[here].mean() + 0.5 * spread * (difference - difference.mean()) / deviation
    return target
