"""`router-train fit`: fit a router to labelled prompts."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from vibe_router_export.choices import Size
from vibe_router_tools.evaluation.labels import TAU
from vibe_router_training.commands.options import (
    DEFAULTS,
    BatchOption,
    BetaKlOption,
    DataArguments,
    DataOption,
    DecayOption,
    EpochsOption,
    JsonOption,
    LossOption,
    MarginCapOption,
    MaxTokensOption,
    OutputOption,
    PatienceOption,
    PrecisionOption,
    SeedOption,
    SizeOption,
    StartOption,
    TauOption,
    TeacherOption,
    ThreadsOption,
    TokenizerOption,
    UnlabelledOption,
    WarmUpOption,
    data_files,
    fit_settings,
)
from vibe_router_training.commands.output import fit_bars, print_result
from vibe_router_training.commands.setup import use_threads


def fit(
    out: OutputOption,
    data: DataArguments = None,
    more_data: DataOption = None,
    teacher: TeacherOption = None,
    unlabelled: UnlabelledOption = None,
    start: StartOption = None,
    size: SizeOption = Size.NANO,
    tokenizer: TokenizerOption = None,
    learning_rate: Annotated[float, typer.Option(min=0.0, help="Peak learning rate.")] = DEFAULTS.learning_rate,
    weight_decay: DecayOption = DEFAULTS.weight_decay,
    warmup: WarmUpOption = DEFAULTS.warmup,
    epochs: EpochsOption = DEFAULTS.epochs,
    patience: PatienceOption = DEFAULTS.patience,
    batch: BatchOption = DEFAULTS.batch,
    max_tokens: MaxTokensOption = DEFAULTS.max_tokens,
    seed: SeedOption = DEFAULTS.seed,
    precision: PrecisionOption = DEFAULTS.precision,
    loss: LossOption = DEFAULTS.loss.objective,
    beta_kl: BetaKlOption = DEFAULTS.loss.beta_kl,
    margin_cap: MarginCapOption = DEFAULTS.loss.margin_cap,
    tau: TauOption = TAU,
    threads: ThreadsOption = None,
    json: JsonOption = False,
) -> None:
    """Fit a router to labelled prompts; an interrupted run resumes when it is repeated."""
    settings = fit_settings(
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        warmup=warmup,
        epochs=epochs,
        patience=patience,
        batch=batch,
        max_tokens=max_tokens,
        seed=seed,
        precision=precision,
        loss=loss,
        beta_kl=beta_kl,
        margin_cap=margin_cap,
    )
    use_threads(threads)
    from vibe_router_training.run import Start, Task, fit_checkpoint

    task = Task(files=data_files(data, more_data), teacher=teacher, unlabelled=unlabelled, tau=tau)
    begin = Start(checkpoint=start, size=size.value, tokenizer=tokenizer)
    with fit_bars() as bar:
        result = fit_checkpoint(task, out, settings, start=begin, progress=bar("fitting"))
    print_result(
        {"checkpoint": str(out), **asdict(result)},
        f"{out}: validation loss {result.validation_loss:.4f} in epoch {result.best_epoch}, {result.seconds:.0f} s\n"
        f"  next: router-train calibrate {out} {task.files[0].path}",
        as_json=json,
    )
