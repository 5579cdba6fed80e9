"""`fit` and `sweep` from files to checkpoint folders."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from vibe_router.errors import UsageError
from vibe_router_tools.atomic.write import staged_folder
from vibe_router_tools.evaluation.dataset import LabelledPrompts
from vibe_router_tools.evaluation.labels import TAU
from vibe_router_training.checkpoint import require_new, work_folder, write_checkpoint
from vibe_router_training.data import examples_of, read_examples, train_and_validation
from vibe_router_training.fit import fit
from vibe_router_training.fit_settings import FitResult, FitSettings
from vibe_router_training.model import SHAPES, Size, build_model, load_model
from vibe_router_training.progress import FitCallback
from vibe_router_training.resume import release
from vibe_router_training.sweep import LEARNING_RATES, SweepRow, sweep, sweep_json, sweep_markdown
from vibe_router_training.tokenizer import load_tokenizer, read_tokenizer, train_tokenizer


def fit_checkpoint(
    data: Path,
    out: Path,
    settings: FitSettings,
    *,
    start: str | None = None,
    size: str = Size.NANO.value,
    tokenizer_path: Path | None = None,
    tau: float = TAU,
    progress: FitCallback | None = None,
) -> FitResult:
    """Fit to the training rows of `data`, stop by its validation rows, write the checkpoint folder `out`.

    The model comes from the checkpoint `start`, or from scratch in `size` with the tokenizer at
    `tokenizer_path`, or one trained on the training rows.

    Raises:
        UsageError: `out` exists; `start` and `tokenizer_path` together; or another interrupted run lies there.
        DataError: a bad row, or a split that is too small. CheckpointError: `start` cannot be read.
    """
    require_new(out)
    train, validation = train_and_validation(read_examples(data, tau=tau), str(data))
    tokenizer, make = _model_source(train, settings.seed, start=start, size=size, tokenizer_path=tokenizer_path)
    model, work = make(), work_folder(out)
    result = fit(model, tokenizer, examples_of(train), examples_of(validation), settings, work=work, progress=progress)
    write_checkpoint(out, model, tokenizer)
    release(work)
    return result


def sweep_checkpoints(
    data: Path,
    out: Path,
    settings: FitSettings,
    *,
    learning_rates: Sequence[float] = LEARNING_RATES,
    start: str | None = None,
    size: str = Size.NANO.value,
    tokenizer_path: Path | None = None,
    tau: float = TAU,
    progress: Callable[[float], FitCallback | None] | None = None,
) -> tuple[SweepRow, ...]:
    """Fit at each learning rate and write the folder `out`: `sweep.json`, `sweep.md`, the checkpoint `best`.

    Arguments and errors as fit_checkpoint.
    """
    require_new(out)
    train, validation = train_and_validation(read_examples(data, tau=tau), str(data))
    tokenizer, make = _model_source(train, settings.seed, start=start, size=size, tokenizer_path=tokenizer_path)
    work = work_folder(out)
    swept = sweep(
        make,
        tokenizer,
        examples_of(train),
        examples_of(validation),
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


def _model_source(
    train: LabelledPrompts, seed: int, *, start: str | None, size: str, tokenizer_path: Path | None
) -> tuple[Tokenizer, Callable[[], Any]]:
    """Return the tokenizer and a function that makes the same initial model each time."""
    if start is not None:
        if tokenizer_path is not None:
            raise UsageError(
                "a checkpoint brings its own tokenizer", hint="give either --from or --tokenizer, not both"
            )
        source = start

        def load() -> Any:
            torch.manual_seed(seed)
            return load_model(source)

        return load_tokenizer(source), load
    tokenizer = read_tokenizer(tokenizer_path) if tokenizer_path else train_tokenizer(train.prompts)
    mean = float(np.clip(np.mean(train.preference), 0.01, 0.99))

    def build() -> Any:
        torch.manual_seed(seed)
        return build_model(SHAPES[Size(size)], tokenizer, bias=math.log(mean / (1 - mean)))

    return tokenizer, build
