"""The training section of the model card, written from the report and nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping

from nano.judge import MeasuredFigures, RatedFigures
from nano.report import TrainingReport
from vibe_router_tools.evaluation.bootstrap import Interval
from vibe_router_tools.evaluation.groups import GroupFigures
from vibe_router_tools.markdown import table


def training_card(report: TrainingReport) -> str:
    """Return `TRAINING.md`: what the model cannot do, figures with intervals, data, recipe, example decisions."""
    parts = (_rated, _groups, _measured, _profiles, _data, _recipe, _examples)
    return "\n\n".join(text.rstrip("\n") for text in (_LIMITS, *(part(report) for part in parts))) + "\n"


_LIMITS = """### What it was judged by, and what it cannot do

* Ratings, not measurements: `cloud` is the probability that a careful user clearly prefers a frontier model's answer to
  that of a 1.2 B model, **rated from the prompt alone by language models** with a written rubric. They agree with each
  other; whether they agree with users of the two models at hand nobody has measured.
* Measured verdicts on chat prompts are few and noisy, and from other models. They say little: see the figures.
* Exam rows are measured answers of 7-8B models or Mixtral next to GPT-4 or 49/51B models.
* Languages other than the nineteen it was taught are chance, and within those it knows short requests best.
* It sees one request. It is no privacy or safety boundary.
* All figures are on the test split, one row in ten by a hash of the prompt. Nothing was taught or chosen on it."""


def _rated(report: TrainingReport) -> str:
    tables = [
        f"{name}, {next(iter(figures.values())).rows} prompts:\n\n"
        + table(
            ["", "rank correlation", "AUC", "decided as rated"],
            [[scorer, *_rated_cells(row)] for scorer, row in figures.items()],
        )
        for name, figures in report.rated.items()
    ]
    return (
        "### Rated prompts\n\nRank correlation with the rating, AUC of ratings above 0.5 against those below, share "
        "decided as rated. The router decides at `balanced`; baselines at their best threshold on the validation "
        "split. 95 % bootstrap intervals.\n\n" + "\n".join(tables)
    )


def _rated_cells(row: RatedFigures) -> list[str]:
    return [_interval(row.rank_correlation), _interval(row.auc), _interval(row.agreement)]


def _groups(report: TrainingReport) -> str:
    rows = [[name, *_group_cells(row)] for name, row in report.groups.items()]
    header = ["group", "prompts", "for the cloud", "decided as rated", "sent to the cloud"]
    forms = table(["form", "same decision"], [[name, f"{share:.1%}"] for name, share in report.forms.items()])
    return (
        f"Groups and languages of the rated prompts; small ones say little. `vibe-router eval` prints the same table "
        f"for any rows with a `group`.\n\n{table(header, rows)}\n"
        f"The same decision at `balanced` when the form changes, on the rated test prompts:\n\n{forms}"
    )


def _group_cells(row: GroupFigures) -> list[str]:
    return [str(row.rows), str(row.cloud_better), _interval(row.agreement), f"{row.cloud_rate.value:.0%}"]


def _measured(report: TrainingReport) -> str:
    return (
        "### Measured rows\n\nAUC: rows where the cloud's answer is better against those where the device's is; APGR: "
        "mean share of the quality gap recovered; ECE: 15 equal-count bins of p_cloud.\n\nExam "
        "questions:\n\n"
        f"{_measured_table(report.exam)}\nVerdicts on chat prompts, above or below the mean of their source; "
        f"only prompts of one source are compared:\n\n"
        f"{_measured_table(report.chat)}"
    )


def _measured_table(figures: Mapping[str, MeasuredFigures]) -> str:
    columns = {
        "AUC": [_interval(row.auc) for row in figures.values()],
        "APGR": [_interval(row.apgr) for row in figures.values()],
        "ECE": [_interval(row.ece) for row in figures.values()],
    }
    columns = {name: cells for name, cells in columns.items() if any(cells)}
    rows = [
        [name, str(row.rows), *(cells[at] for cells in columns.values())]
        for at, (name, row) in enumerate(figures.items())
    ]
    return table(["", "rows", *columns], rows)


def _profiles(report: TrainingReport) -> str:
    rows = [
        [name, f"{threshold:.4f}", f"{report.cloud_rates[name]:.0%}"] for name, threshold in report.profiles.items()
    ]
    return (
        f"### Calibration and profiles\n\nT = {report.temperature:.4f}, by likelihood on the rated prompts of the "
        f"validation split: expected calibration error there {report.ece_before:.3f} before, {report.ece_after:.3f} "
        "after. `balanced` is the threshold at which most of those prompts are decided as rated.\n\n"
        + table(["profile", "raw threshold", "rated validation prompts sent to the cloud"], rows)
    )


def _data(report: TrainingReport) -> str:
    rows = [
        [row.source, row.kind, f"{row.train:,}", f"{row.validation:,}", f"{row.test:,}", row.origin, row.licence]
        for row in report.sources
    ]
    header = ["source", "kind", "train", "validation", "test", "origin", "licence"]
    return f"### Data\n\n{table(header, rows)}"


def _recipe(report: TrainingReport) -> str:
    counts = ", ".join(f"{count:,} {name}" for name, count in report.counts.items())
    fit, small, rate = report.recipe["fit"], report.recipe["small_share"], report.recipe["small_learning_rate"]
    return f"""### Recipe

ModernBERT from scratch, {report.parameters:,} parameters, vocabulary {report.vocabulary:,}, seed {report.seed}. A chat
teacher, kernel ridge regression on sentence embeddings (universal-sentence-encoder-multilingual v3 and
all-MiniLM-L6-v2, both Apache-2.0) and the outline of the text, is fitted to ratings and to measured verdicts centred by
source; an exam teacher, regressions on words, to the exam rows. The student learns what they say of {counts}; forms of
a prompt have the p of the plain one, phrases in nineteen languages that of the English one. One epoch, batch
{fit["batch"]}, learning rate {fit["learning_rate"]:g}, prompts cut to {fit["max_tokens"]} tokens; then {small:.0%} of
it again in small letters, at {rate:g}."""


def _examples(report: TrainingReport) -> str:
    rows = [[row.prompt, f"{row.p_cloud:.3f}", row.target] for row in report.examples]
    return f"### Example prompts at `balanced`\n\n{table(['prompt', 'p_cloud', 'decision'], rows)}"


def _interval(interval: Interval) -> str:
    if math.isnan(interval.value):
        return ""
    return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"
