"""`router-train sweep`: fit at several learning rates."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from vibe_router.errors import UsageError
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


def sweep(
    out: OutputOption,
    data: DataArguments = None,
    more_data: DataOption = None,
    learning_rates: Annotated[str, typer.Option(help="Learning rates, comma-separated.")] = "1e-5,2e-5,5e-5",
    teacher: TeacherOption = None,
    unlabelled: UnlabelledOption = None,
    start: StartOption = None,
    size: SizeOption = Size.NANO,
    tokenizer: TokenizerOption = None,
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
    """Fit at several learning rates; write sweep.json, sweep.md and the best checkpoint, and print the table."""
    rates = _parse_rates(learning_rates)
    settings = fit_settings(
        learning_rate=rates[0],
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
    from vibe_router_training.run import Start, Task, sweep_checkpoints
    from vibe_router_training.sweep import sweep_markdown

    task = Task(files=data_files(data, more_data), teacher=teacher, unlabelled=unlabelled, tau=tau)
    with fit_bars() as bar:
        rows = sweep_checkpoints(
            task,
            out,
            settings,
            learning_rates=rates,
            start=Start(checkpoint=start, size=size.value, tokenizer=tokenizer),
            progress=lambda rate: bar(f"learning rate {rate:g}"),
        )
    result = {"folder": str(out), "sweep": [asdict(row) for row in rows]}
    print_result(result, sweep_markdown(rows).rstrip(), as_json=json)


def _parse_rates(text: str) -> tuple[float, ...]:
    try:
        rates = tuple(float(part) for part in text.split(","))
    except ValueError:
        rates = ()
    if not rates or len(set(rates)) < len(rates) or not all(0 < rate < 1 for rate in rates):
        raise UsageError(f"{text!r} are not learning rates", hint="give different numbers in 0..1: 1e-5,2e-5,5e-5")
    return rates
