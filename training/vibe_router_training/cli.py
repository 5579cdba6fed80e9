"""`router-train`: parse, call, print."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import Enum
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vibe_router.commands.entry import run
from vibe_router.errors import UsageError
from vibe_router.extras import require_extra

if TYPE_CHECKING:
    from vibe_router_training.fit import FitSettings
    from vibe_router_training.nano.report import TrainingReport

app = typer.Typer(
    name="router-train",
    help="Train, calibrate and describe routers.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


class SizeName(str, Enum):
    """Sizes of models from scratch, as the command line names them."""

    NANO = "nano"
    BASE = "base"


class PrecisionName(str, Enum):
    """Arithmetic, as the command line names it."""

    AUTO = "auto"
    BF16 = "bf16"
    FP32 = "fp32"


class ObjectiveName(str, Enum):
    """Losses, as the command line names them."""

    PID = "pid"
    CROSS_ENTROPY = "cross-entropy"


Data = Annotated[Path, typer.Argument(metavar="DATA.jsonl", help="Labelled prompts, one JSON object a line.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
Start = Annotated[
    str | None, typer.Option("--from", help="Checkpoint to start from: a folder or hub id; default: from scratch.")
]
SizeOption = Annotated[SizeName, typer.Option("--size", help="Shape of a model from scratch.")]
TokenizerOption = Annotated[
    Path | None,
    typer.Option("--tokenizer", help="tokenizer.json for a model from scratch; default: trained on the data."),
]
Decay = Annotated[float, typer.Option(min=0.0, help="Weight decay.")]
WarmUp = Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the steps that warm up.")]
Epochs = Annotated[int, typer.Option(min=1, help="Epochs at most.")]
Patience = Annotated[int, typer.Option(min=1, help="Epochs without a lower validation loss before stopping.")]
Batch = Annotated[int, typer.Option(min=1, help="Examples a step.")]
MaxTokens = Annotated[int, typer.Option(min=8, max=512, help="Prompts are cut to this many tokens.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same model on the same machine.")]
Arithmetic = Annotated[PrecisionName, typer.Option(help="auto: bf16 where the hardware has it.")]
Loss = Annotated[ObjectiveName, typer.Option(help="Privileged information distillation, or plain cross-entropy.")]
BetaKl = Annotated[float, typer.Option(min=0.0, help="Weight of the reverse KL term.")]
MarginCap = Annotated[float, typer.Option(min=0.01, max=1.0, help="Cap of the margin |2p - 1|.")]
Tau = Annotated[float, typer.Option(min=1e-3, help="p_teacher = sigmoid((strong - weak) / tau).")]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads; default: as many as this process may use.")]


@app.command()
def tokenizer(
    data: Annotated[list[Path], typer.Argument(metavar="PROMPTS.jsonl...", help="Files with prompts.")],
    out: Annotated[Path, typer.Option(help="tokenizer.json to write.")],
    vocabulary: Annotated[int, typer.Option(min=300, help="Number of tokens.")] = 8000,
    json: Json = False,
) -> None:
    """Train a tokenizer of ModernBERT's kind on the training part of prompts."""
    _require_training()
    from vibe_router.staging import write_file
    from vibe_router_training.checkpoint import require_new
    from vibe_router_training.data import Split, read_prompts, split_of
    from vibe_router_training.tokenizer import train_tokenizer

    require_new(out)
    texts = [row.prompt for path in data for row in read_prompts(path) if split_of(row.prompt) is Split.TRAIN]
    trained = train_tokenizer(texts, vocabulary_size=vocabulary)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_file(out, trained.to_str(pretty=True).encode("utf-8"))
    size = trained.get_vocab_size()
    _print(
        {"tokenizer": str(out), "prompts": len(texts), "vocabulary": size},
        f"{out}: {size:,} tokens from {len(texts):,} prompts",
        as_json=json,
    )


@app.command()
def fit(
    data: Data,
    out: Annotated[Path, typer.Option(help="Checkpoint folder to write.")],
    start: Start = None,
    size: SizeOption = SizeName.NANO,
    tokenizer: TokenizerOption = None,
    learning_rate: Annotated[float, typer.Option(min=0.0, help="Peak learning rate.")] = 5e-5,
    weight_decay: Decay = 0.01,
    warmup: WarmUp = 0.1,
    epochs: Epochs = 7,
    patience: Patience = 3,
    batch: Batch = 128,
    max_tokens: MaxTokens = 512,
    seed: Seed = 0,
    precision: Arithmetic = PrecisionName.AUTO,
    loss: Loss = ObjectiveName.PID,
    beta_kl: BetaKl = 0.05,
    margin_cap: MarginCap = 0.9,
    tau: Tau = 0.2,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Fit a router to labelled prompts; an interrupted run resumes when it is repeated."""
    settings = _fit_settings(
        learning_rate,
        weight_decay,
        warmup,
        epochs,
        patience,
        batch,
        max_tokens,
        seed,
        precision,
        loss,
        beta_kl,
        margin_cap,
    )
    _use_threads(threads)
    from vibe_router_training.run import fit_checkpoint

    with _fit_bars() as bar:
        result = fit_checkpoint(
            data,
            out,
            settings,
            start=start,
            size=size.value,
            tokenizer_path=tokenizer,
            tau=tau,
            progress=bar("fitting"),
        )
    _print(
        {"checkpoint": str(out), **asdict(result)},
        f"{out}: validation loss {result.validation_loss:.4f} in epoch {result.best_epoch}, {result.seconds:.0f} s\n"
        f"  next: router-train calibrate {out} {data}",
        as_json=json,
    )


@app.command()
def sweep(
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder to write: sweep.json, sweep.md and the checkpoint best/.")],
    learning_rates: Annotated[str, typer.Option(help="Learning rates, comma-separated.")] = "1e-5,2e-5,5e-5",
    start: Start = None,
    size: SizeOption = SizeName.NANO,
    tokenizer: TokenizerOption = None,
    weight_decay: Decay = 0.01,
    warmup: WarmUp = 0.1,
    epochs: Epochs = 7,
    patience: Patience = 3,
    batch: Batch = 128,
    max_tokens: MaxTokens = 512,
    seed: Seed = 0,
    precision: Arithmetic = PrecisionName.AUTO,
    loss: Loss = ObjectiveName.PID,
    beta_kl: BetaKl = 0.05,
    margin_cap: MarginCap = 0.9,
    tau: Tau = 0.2,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Fit at several learning rates; prints the table and keeps the best checkpoint."""
    rates = _parse_rates(learning_rates)
    settings = _fit_settings(
        rates[0], weight_decay, warmup, epochs, patience, batch, max_tokens, seed, precision, loss, beta_kl, margin_cap
    )
    _use_threads(threads)
    from vibe_router_training.run import sweep_checkpoints
    from vibe_router_training.sweep import sweep_markdown

    with _fit_bars() as bar:
        rows = sweep_checkpoints(
            data,
            out,
            settings,
            learning_rates=rates,
            start=start,
            size=size.value,
            tokenizer_path=tokenizer,
            tau=tau,
            progress=lambda rate: bar(f"learning rate {rate:g}"),
        )
    result = {"folder": str(out), "sweep": [asdict(row) for row in rows]}
    _print(result, sweep_markdown(rows).rstrip(), as_json=json)


@app.command()
def calibrate(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint folder; its router_config.json is written.")],
    data: Data,
    all_rows: Annotated[
        bool, typer.Option("--all-rows", help="Use every row, where the checkpoint was fitted to other data.")
    ] = False,
    choose_profiles: Annotated[
        bool, typer.Option("--choose-profiles", help="Choose thresholds anew, for cloud rates 100, 85, 65, 55, 25 %.")
    ] = False,
    diagrams: Annotated[Path | None, typer.Option(help="Folder of the diagram; default: the checkpoint.")] = None,
    tau: Tau = 0.2,
    json: Json = False,
) -> None:
    """Fit the temperature on the validation split, with ECE before and after and a reliability diagram."""
    _require_training()
    from vibe_router_training.calibration import calibrate_checkpoint
    from vibe_router_training.data import read_examples, train_and_validation

    rows = read_examples(data, tau=tau)
    used = rows if all_rows else train_and_validation(rows, str(data))[1]
    result = calibrate_checkpoint(checkpoint, used, diagrams=diagrams, choose_profiles=choose_profiles)
    fitted = result.fit
    bins = f"{fitted.bins} {fitted.binning.value} bins"
    lines = [
        f"{checkpoint}: T = {fitted.temperature:.4f} on {fitted.rows:,} rows",
        f"  ECE {fitted.ece_before:.4f} before, {fitted.ece_after:.4f} after ({bins})",
        f"  NLL {fitted.nll_before:.4f} before, {fitted.nll_after:.4f} after",
        *(f"  {name:<12} raw threshold {value:.4f}" for name, value in result.config.profiles.items()),
    ]
    payload = {"checkpoint": str(checkpoint), **asdict(fitted), "profiles": dict(result.config.profiles)}
    _print(payload, "\n".join(lines), as_json=json)


@app.command()
def nano(
    data: Annotated[Path, typer.Option(help="Folder with routing_labelled.jsonl and prompts.jsonl.")],
    out: Annotated[Path, typer.Option(help="Checkpoint folder to write.")],
    seed: Seed = 0,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Make the bundled default from its data: tokenizer, teacher, sweep, calibration, figures and card."""
    _require_training()
    _use_threads(threads)
    from dataclasses import replace

    from vibe_router_training.nano.recipe import NanoEvents, NanoSettings, make_nano

    settings = NanoSettings()
    settings = replace(settings, seed=seed, fit=replace(settings.fit, seed=seed))
    with _fit_bars() as bar:
        events = NanoEvents(
            stage=lambda name: typer.echo(name, err=True), fit=lambda rate: bar(f"learning rate {rate:g}")
        )
        report = make_nano(data, out, settings, events=events)
    _print({"checkpoint": str(out), **asdict(report)}, _describe(out, report), as_json=json)


def _describe(out: Path, report: TrainingReport) -> str:
    lines = [
        f"{out}: {report.parameters:,} parameters, T = {report.temperature:.4f}, {report.seconds / 60:.0f} minutes"
    ]
    for part, rows in (("validation", report.validation), ("test", report.test)):
        for row in rows:
            ece = "" if row.ece is None else f"  ECE {row.ece.value:.3f}"
            lines.append(f"  {part:<10} {row.scorer:<29} AUC {row.auc.value:.3f}  APGR {row.apgr.value:.3f}{ece}")
    lines += [f"  {decision.target:<6} {decision.p_cloud:.3f}  {decision.prompt}" for decision in report.demo]
    return "\n".join(lines)


def _fit_settings(
    learning_rate: float,
    weight_decay: float,
    warmup: float,
    epochs: int,
    patience: int,
    batch: int,
    max_tokens: int,
    seed: int,
    precision: PrecisionName,
    loss: ObjectiveName,
    beta_kl: float,
    margin_cap: float,
) -> FitSettings:
    _require_training()
    from vibe_router_training.distillation import LossSettings, Objective
    from vibe_router_training.fit import FitSettings, Precision

    return FitSettings(
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        warmup=warmup,
        epochs=epochs,
        patience=patience,
        batch=batch,
        max_tokens=max_tokens,
        seed=seed,
        precision=Precision(precision.value),
        loss=LossSettings(objective=Objective(loss.value), beta_kl=beta_kl, margin_cap=margin_cap),
    )


def _parse_rates(text: str) -> tuple[float, ...]:
    try:
        rates = tuple(float(part) for part in text.split(","))
    except ValueError:
        rates = ()
    if not rates or len(set(rates)) < len(rates) or not all(0 < rate < 1 for rate in rates):
        raise UsageError(f"{text!r} are not learning rates", hint="give different numbers in 0..1: 1e-5,2e-5,5e-5")
    return rates


def _require_training() -> None:
    """Name the libraries that training needs and that are missing, before any of them is imported."""
    require_extra("training", extra="train", modules=("torch", "transformers", "accelerate", "sklearn"))
    from transformers.utils import logging

    logging.set_verbosity_error()


def _use_threads(threads: int | None) -> None:
    import os

    import torch

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(threads or allowed)


@contextmanager
def _fit_bars() -> Iterator[Any]:
    """Yield a function that gives a progress callback for a named fit, drawn on a terminal's stderr only."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from vibe_router_training.progress import FitCallback, FitProgress

    console = Console(stderr=True)
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]}  validation {task.fields[validation]}  {task.fields[left]} left"),
        console=console,
        disable=not console.is_terminal,
    )

    def bar(description: str) -> FitCallback:
        task = bars.add_task(description, total=None, loss="-", validation="-", left="-")

        def show(state: FitProgress) -> None:
            bars.update(
                task,
                completed=state.step,
                total=state.total_steps,
                loss="-" if state.loss is None else f"{state.loss:.4f}",
                validation="-" if state.validation_loss is None else f"{state.validation_loss:.4f}",
                left="-" if state.seconds_left is None else f"{state.seconds_left / 60:.1f} min",
            )

        return show

    with bars:
        yield bar


def _print(result: dict[str, Any], text: str, *, as_json: bool) -> None:
    typer.echo(dumps(result, ensure_ascii=False) if as_json else text)


def main() -> None:
    """Run the command line; the exit codes are those of `vibe_router.errors`."""
    run(lambda: app)
