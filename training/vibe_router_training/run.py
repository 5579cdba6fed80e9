"""`fit` and `sweep` from files to checkpoint folders."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from vibe_router.errors import UsageError
from vibe_router_export.choices import Size
from vibe_router_tools.atomic.write import staged_folder
from vibe_router_tools.evaluation.labels import TAU
from vibe_router_training.checkpoint import require_new, work_folder, write_checkpoint
from vibe_router_training.data import Example, Split, read_prompts, split_of
from vibe_router_training.fit import fit
from vibe_router_training.fit_settings import FitResult, FitSettings
from vibe_router_training.mixture import DataFile, Mixture, read_mixture
from vibe_router_training.model import SHAPES, build_model, load_model
from vibe_router_training.progress import FitCallback
from vibe_router_training.resume import release
from vibe_router_training.sweep import LEARNING_RATES, SweepRow, diverged, sweep, sweep_json, sweep_markdown
from vibe_router_training.teacher import judge, load_teacher
from vibe_router_training.tokenizer import load_tokenizer, read_tokenizer, train_tokenizer


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a student is to learn.

    `files` hold the labelled prompts. With a `teacher`, `module:function` (`vibe_router_training.teacher`), it is
    fitted to their training rows and the student learns what it says of those and of the prompts in the file
    `unlabelled`; the validation rows keep their labels. `tau` is the width of labels from two qualities.
    """

    files: Sequence[DataFile]
    teacher: str | None = None
    unlabelled: Path | None = None
    tau: float = TAU


@dataclass(frozen=True, kw_only=True)
class Start:
    """What a student starts from: a checkpoint, or a shape with a tokenizer's file, or one trained on the rows."""

    checkpoint: str | None = None
    size: str = Size.NANO.value
    tokenizer: Path | None = None


def fit_checkpoint(
    task: Task, out: Path, settings: FitSettings, *, start: Start | None = None, progress: FitCallback | None = None
) -> FitResult:
    """Fit to the training rows of `task`, stop by its validation rows, write the checkpoint folder `out`.

    Raises:
        UsageError: `out` exists; `start` names a checkpoint and a tokenizer; `task` has unlabelled prompts and no
            teacher, or one that does not work; another interrupted run lies there; or the fit diverged.
        DataError: a bad row, or a split that is too small. CheckpointError: the checkpoint cannot be read.
    """
    require_new(out)
    train, examples, validation = _read(task)
    tokenizer, make = _model_source(train, examples, settings.seed, start or Start())
    model, work = make(), work_folder(out)
    result = fit(model, tokenizer, examples, validation, settings, work=work, progress=progress)
    if result.validation_loss is not None and not math.isfinite(result.validation_loss):
        release(work)
        raise diverged()
    write_checkpoint(out, model, tokenizer)
    release(work)
    return result


def sweep_checkpoints(
    task: Task,
    out: Path,
    settings: FitSettings,
    *,
    learning_rates: Sequence[float] = LEARNING_RATES,
    start: Start | None = None,
    progress: Callable[[float], FitCallback | None] | None = None,
) -> tuple[SweepRow, ...]:
    """Fit at each learning rate and write the folder `out`: `sweep.json`, `sweep.md`, the checkpoint `best`.

    Arguments and errors as fit_checkpoint.
    """
    require_new(out)
    train, examples, validation = _read(task)
    tokenizer, make = _model_source(train, examples, settings.seed, start or Start())
    work = work_folder(out)
    swept = sweep(
        make,
        tokenizer,
        examples,
        validation,
        settings,
        learning_rates=learning_rates,
        work=work,
        progress=progress,
    )
    with staged_folder(out) as folder:
        (folder / "sweep.json").write_text(sweep_json(swept.rows), "utf-8")
        (folder / "sweep.md").write_text(sweep_markdown(swept.rows), "utf-8")
        write_checkpoint(folder / "best", swept.model, tokenizer)
    release(work)
    return swept.rows


def _read(task: Task) -> tuple[Mixture, list[Example], list[Example]]:
    """Return the training rows, what is taught, and the validation examples."""
    train, validation = read_mixture(task.files, tau=task.tau)
    if task.teacher is None:
        if task.unlabelled is not None:
            raise UsageError("prompts without labels need a teacher to judge them", hint="add --teacher")
        return train, train.examples(), validation.examples()
    teacher = load_teacher(task.teacher)(train.rows, train.weight)
    examples = train.examples(judge(teacher, train.rows.prompts, name=task.teacher))
    if task.unlabelled is not None:
        prompts = [row.prompt for row in read_prompts(task.unlabelled) if split_of(row.prompt) is Split.TRAIN]
        judged = judge(teacher, prompts, name=task.teacher)
        examples += [Example(prompt=prompt, p_teacher=float(p)) for prompt, p in zip(prompts, judged, strict=True)]
    return train, examples, validation.examples()


def _model_source(
    train: Mixture, examples: Sequence[Example], seed: int, start: Start
) -> tuple[Tokenizer, Callable[[], Any]]:
    """Return the tokenizer and a function that makes the same initial model each time."""
    if start.checkpoint is not None:
        if start.tokenizer is not None:
            raise UsageError(
                "a checkpoint brings its own tokenizer", hint="give either --from or --tokenizer, not both"
            )
        checkpoint = start.checkpoint

        def load() -> Any:
            torch.manual_seed(seed)
            return load_model(checkpoint)

        return load_tokenizer(checkpoint), load
    prompts = [example.prompt for example in examples]
    tokenizer = read_tokenizer(start.tokenizer) if start.tokenizer else train_tokenizer(prompts)
    mean = float(np.clip(np.average(train.rows.preference, weights=train.weight), 0.01, 0.99))

    def build() -> Any:
        torch.manual_seed(seed)
        return build_model(SHAPES[Size(start.size)], tokenizer, bias=math.log(mean / (1 - mean)))

    return tokenizer, build
