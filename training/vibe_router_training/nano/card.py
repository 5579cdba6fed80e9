"""The training section of the model card, written from the report and nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vibe_router_tools.evaluation.bootstrap import Interval
from vibe_router_training.optimizer import OptimizerKind
from vibe_router_training.sweep import sweep_markdown

if TYPE_CHECKING:
    from vibe_router_training.nano.figures import Figures, Lead
    from vibe_router_training.nano.report import TrainingReport


def training_card(report: TrainingReport) -> str:
    """Return `TRAINING.md`: what the model cannot do, data, recipe, figures with intervals, example decisions."""
    return "\n\n".join(
        [
            _limits(report),
            _data(report),
            _recipe(report),
            _calibration(report),
            _figures(report),
            _refit(report),
            _demo(report),
        ]
    )


def _limits(report: TrainingReport) -> str:
    nano, words, length = report.test
    return f"""### What it cannot do

* It was trained on English prompts. What it does with other languages is chance.
* Its labels are benchmark-like: multiple-choice questions, grade-school mathematics, short exam tasks, with the
  measured answer quality of 7-8B class or Mixtral models against GPT-4 class or 49/51B ones, **not of the two models
  it is shipped to choose between**. Chat requests have weak labels, by source or form: nobody measured them.
* It has learned the type of task more than the difficulty of the prompt: which kind of question a prompt resembles
  explains most of its ranking. Do not expect it to tell an easy question from a hard one of the same kind.
* It ranks a prompt that the cloud answers better above one that the device answers better {_share(nano)} of the time;
  a bag of words does so {_share(words)} and the prompt's length {_share(length)} of the time (test split, intervals
  below). For any single prompt that is far from certain.
* These figures were measured on a model fitted to 80 % of the rows. The weights here were fitted by the same recipe to
  all rows and have no held-out rows of their own.
* It sees the request alone: no conversation, no user, no attached files. It is no privacy or safety boundary."""


def _data(report: TrainingReport) -> str:
    rows = [
        [row.source, f"{row.train:,}", f"{row.validation:,}", f"{row.test:,}", row.used_for, row.origin, row.licence]
        for row in report.sources
    ]
    header = ["source", "train", "validation", "test", "used for", "origin", "licence"]
    return f"""### Data

Split by a hash of the prompt's text, so that copies never straddle: 80 % training, 10 % validation (every choice), 10 %
test (no choice was made on it). Choices and figures come from a model that saw the training part alone, of unlabelled
prompts too; the weights here were then fitted to all three parts. p_teacher = sigmoid((strong - weak) / 0.2).

{_table(header, rows)}"""


def _recipe(report: TrainingReport) -> str:
    shape, fit = (report.recipe[key] for key in ("shape", "fit"))
    margin, quality = (report.recipe[key] for key in ("margin_share", "quality_share"))
    return f"""### Recipe

ModernBERT from scratch: {report.parameters:,} parameters, {shape["layers"]} layers of width {shape["width"]},
{shape["heads"]} heads, GeGLU {shape["intermediate"]}, windows of {shape["local_attention"]} tokens in local layers,
{shape["pooling"]} pooling, vocabulary {report.vocabulary:,}. Seed {report.seed}.

1. A byte-level BPE tokenizer from the training prompts.
2. A teacher: logistic regression on cased words, first and last words and the outline of the text, and gradient-boosted
   trees on counts and singular directions of the same. Both are fitted to p_teacher plainly, to p_teacher with the
   margin |2p - 1| as weight, and to the quality of either side, whose log-odds are subtracted; mixed
   {(1 - quality) * (1 - margin):.0%}, {(1 - quality) * margin:.0%} and {quality:.0%}. It is the mean of five fits, each
   without a fifth of the prompts; their predictions out of fold calibrate it, by p = l + (1 - l) sigmoid(a x + b).
3. {report.variants:,} variants of training prompts, judged by the teacher: answer options exchanged, reordered or left
   out, sentences dropped, reordered or recombined, prompts cut.
4. {report.weak_examples:,} weakly labelled examples from unlabelled prompts: small talk and assistants' intents
   towards the device, prompts of hard suites and their first sentences towards the cloud.{_one_step(report)}
5. The student's token embeddings start from the factorised mutual information of tokens in the training prompts.
6. The student learns the teacher's predictions by cross-entropy: each prompt and each variant once,
   batch {fit["batch"]}, prompts cut to {fit["max_tokens"]} tokens while training, {_optimizer(fit)};
   {fit["schedule"]} schedule after {fit["warmup"]:.0%} warm-up, weight decay {fit["weight_decay"]:g}, dropout
   {report.recipe["shape"]["dropout"]:g}; the learning rate is the one with the lowest validation loss against
   the measured labels among:

{sweep_markdown(report.sweep).rstrip()}

7. The refit: steps 1 to 6 once more on all rows, at that learning rate.

The whole run took {report.seconds / 60:.0f} minutes. The student was taught none of the example prompts below; some
stand in the unlabelled text that tokenizer and embeddings are counted from."""


def _one_step(report: TrainingReport) -> str:
    count = report.recipe["one_step_requests"]
    if not count:
        return ""
    return f"""
   {count:,} of those towards the device are one-step requests written by rule: sums, conversions, meanings of single
   words. No example prompt is among them, but two have their forms: "what is 2+2?" and "define photosynthesis"."""


def _optimizer(fit: Mapping[str, Any]) -> str:
    if fit["optimizer"] == OptimizerKind.ADAMW:
        return "AdamW"
    times = f"{fit['muon_times']:g} times"
    return f"Muon for the\n   matrices of the layers at {times} the learning rate, AdamW for the rest"


def _calibration(report: TrainingReport) -> str:
    rows = [
        [name, f"{threshold:.4f}", f"{report.cloud_rates[name]:.1%}"] for name, threshold in report.profiles.items()
    ]
    return f"""### Calibration and profiles

T = {report.temperature:.4f}, by likelihood on the validation split. Expected calibration error there (15
equal-count bins, against p_teacher): {report.ece_before:.4f} before, {report.ece_after:.4f} after; both by the model
fitted to the training split, whose temperature the refitted weights keep. Thresholds are those at which the refitted
weights reach the cloud rates on the validation prompts; on other prompts, small talk above all, the rates differ.

{_table(["profile", "raw threshold", "cloud rate on validation prompts"], rows)}"""


def _figures(report: TrainingReport) -> str:
    header = ["", "rows", "unequal", "AUC", "APGR", "ECE", "ECE by chance"]
    return f"""### Figures

Of the model fitted to the training split, not of the refitted weights.

AUC: the cloud's answer better against the device's better, equal ones left out. APGR: mean share of the quality gap
recovered over all cloud shares, 0.5 for chance. ECE: 15 equal-count bins against p_teacher. 95 % bootstrap intervals;
resampling adds noise to the bins, so those of ECE lie too high. ECE by chance: what a scorer without any error would
show on average, from the noise of as many labels.

Test split:

{_table(header, [_row(row) for row in report.test])}

{_lead(report.test_lead)}

Test split by source (nano):

{_table(header, [_row(row, name) for name, row in report.test_by_source.items()])}

Validation split, which chose learning rate, epoch, temperature and thresholds; last row: the teacher on the training
split, each prompt unseen:

{_table(header, [_row(row) for row in (*report.validation, report.teacher)])}

{_lead(report.validation_lead)}"""


def _refit(report: TrainingReport) -> str:
    refit = report.refit
    return f"""### The refit

The weights here were fitted to all {refit.rows:,} labelled rows, {refit.variants:,} variants and
{refit.weak_examples:,} weakly labelled examples. No row of these files can judge them. Their logits of the validation
prompts correlate with those of the judged model by {refit.agreement:.3f}."""


def _demo(report: TrainingReport) -> str:
    rows = [[row.prompt, f"{row.p_cloud:.3f}", row.target] for row in report.demo]
    return f"""### Example prompts at `balanced`

{_table(["prompt", "p_cloud", "decision"], rows)}
"""


def _row(row: Figures, name: str | None = None) -> list[str]:
    ece = "" if row.ece is None else _interval(row.ece)
    chance = "" if row.ece_by_chance is None else f"{row.ece_by_chance:.3f}"
    names = [name or row.scorer, f"{row.rows:,}", f"{row.unequal_rows:,}"]
    return [*names, _interval(row.auc), _interval(row.apgr), ece, chance]


def _lead(lead: Lead) -> str:
    return (
        f"On the same rows the nano is ahead of TF-IDF by {_interval(lead.auc)} in AUC, {_interval(lead.apgr)} in APGR."
    )


def _share(row: Figures) -> str:
    return f"{row.auc.value:.0%}"


def _interval(interval: Interval) -> str:
    if math.isnan(interval.value):
        return ""
    return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
