"""`python -m nano.encoders_compared`: cross-validate the chat teacher with either encoder and both.

Five folds by a hash of the prompt, of the rows that are not in the test split. Verdicts are ranked within their source.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from scipy.stats import spearmanr

from nano.chat_teacher import FOLDS, GAMMA, fit_regression, folds_of
from nano.encoder import PromptNumbers
from nano.judge import verdict_figures
from nano.languages import is_foreign
from nano.material import centred_verdicts, read_material, verdicts
from vibe_router_tools.evaluation.dataset import LabelledPrompts
from vibe_router_tools.evaluation.logistic import FloatArray
from vibe_router_training.data import Split, select

ENCODERS = {"multilingual": (slice(0, 512), 0.02), "MiniLM": (slice(512, 896), 0.02), "both": (slice(0, 896), GAMMA)}
"""The columns of each encoder in `PromptNumbers`, and the width of the kernel: more columns, larger distances."""
MASSES = (0.0, 2.0, 4.0)


def compare(data: Annotated[Path, typer.Option(help="Folder with the shared data.")]) -> None:
    """Print a line for each encoder and weight of a verdict."""
    material = read_material(data)
    rated = select(material.rated, [Split.TRAIN, Split.VALIDATION])
    chat = select(material.chat, [Split.TRAIN, Split.VALIDATION])
    numbers = PromptNumbers(rated.prompts)
    rated_numbers, chat_numbers = numbers(rated.prompts), numbers(chat.prompts)
    foreign = np.array([is_foreign(prompt) for prompt in rated.prompts])
    typer.echo("encoder, weight: ratings, rank; other languages, rank; verdicts within their source, AUC")
    for name, (columns, gamma) in ENCODERS.items():
        chosen = [np.hstack([rows[:, columns], rows[:, 896:]]) for rows in (rated_numbers, chat_numbers)]
        for mass in MASSES:
            scores, verdict_scores = out_of_fold(rated, chat, chosen[0], chosen[1], mass=mass, gamma=gamma)
            auc = verdict_figures(verdict_scores, centred_verdicts(chat)).auc
            rank = spearmanr(scores, rated.preference).statistic
            elsewhere = spearmanr(scores[foreign], rated.preference[foreign]).statistic
            typer.echo(
                f"{name}, {mass:g}: {rank:.3f}; {elsewhere:.3f}; {auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f})"
            )


def out_of_fold(
    rated: LabelledPrompts,
    chat: LabelledPrompts,
    rated_numbers: FloatArray,
    chat_numbers: FloatArray,
    *,
    mass: float,
    gamma: float,
) -> tuple[FloatArray, FloatArray]:
    """Return what regressions that have not seen them say of the rated and of the measured prompts."""
    folds, chat_folds = folds_of(rated.prompts), folds_of(chat.prompts)
    scores, verdict_scores = np.zeros(len(folds)), np.zeros(len(chat_folds))
    for fold in range(FOLDS):
        seen, chat_seen = folds != fold, chat_folds != fold
        parts = [(verdicts(chat, mass=mass).where(chat_seen), chat_numbers[chat_seen])] if mass else []
        regression = fit_regression(rated_numbers[seen], rated.preference[seen], parts, gamma=gamma)
        scores[~seen], verdict_scores[~chat_seen] = (
            regression(rated_numbers[~seen]),
            regression(chat_numbers[~chat_seen]),
        )
    return scores, verdict_scores


if __name__ == "__main__":
    typer.run(compare)
