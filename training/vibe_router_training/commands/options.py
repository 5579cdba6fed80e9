"""Options that several commands of `router-train` share, and how they become settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vibe_router.errors import UsageError
from vibe_router_export.choices import Size
from vibe_router_training.choices import Objective, Precision
from vibe_router_training.commands.setup import require_training
from vibe_router_training.fit_settings import FitSettings, LossSettings

if TYPE_CHECKING:
    from vibe_router_training.mixture import DataFile


DEFAULTS = FitSettings()
"""Of the options that are settings of a fit."""

DataArgument = Annotated[Path, typer.Argument(metavar="DATA.jsonl", help="Labelled prompts, one JSON object a line.")]
DataArguments = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="DATA.jsonl[:MASS]...",
        help="Labelled prompts, one JSON object a line. MASS is what all rows of a file weigh together; without it "
        "each weighs 1.",
        show_default=False,
    ),
]
DataOption = Annotated[list[str] | None, typer.Option("--data", hidden=True, help="The same as an argument.")]
OutputOption = Annotated[Path, typer.Option("-o", "--output", "--out", help="Folder to write.")]
TeacherOption = Annotated[
    str | None,
    typer.Option(metavar="MODULE:FUNCTION", help="Fit this teacher to the rows and learn from what it says."),
]
UnlabelledOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Prompts without labels for the teacher to judge, as JSONL.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
StartOption = Annotated[
    str | None, typer.Option("--from", help="Checkpoint to start from: a folder or hub id; default: from scratch.")
]
SizeOption = Annotated[Size, typer.Option("--size", help="Shape of a model from scratch.")]
TokenizerOption = Annotated[
    Path | None,
    typer.Option("--tokenizer", help="tokenizer.json for a model from scratch; default: trained on the data."),
]
DecayOption = Annotated[float, typer.Option(min=0.0, help="Weight decay.")]
WarmUpOption = Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the steps that warm up.")]
EpochsOption = Annotated[int, typer.Option(min=1, help="Epochs at most.")]
PatienceOption = Annotated[int, typer.Option(min=1, help="Epochs without a lower validation loss before stopping.")]
BatchOption = Annotated[int, typer.Option(min=1, help="Examples a step.")]
MaxTokensOption = Annotated[int, typer.Option(min=8, max=512, help="Prompts are cut to this many tokens.")]
SeedOption = Annotated[int, typer.Option(min=0, help="The same seed gives the same model on the same machine.")]
PrecisionOption = Annotated[Precision, typer.Option(help="auto: bf16 where the hardware has it.")]
LossOption = Annotated[Objective, typer.Option(help="Privileged information distillation, or plain cross-entropy.")]
BetaKlOption = Annotated[float, typer.Option(min=0.0, help="Weight of the reverse KL term.")]
MarginCapOption = Annotated[float, typer.Option(min=0.01, max=1.0, help="Cap of the margin |2p - 1|.")]
TauOption = Annotated[float, typer.Option(min=1e-3, help="p_teacher = sigmoid((strong - weak) / tau).")]
ThreadsOption = Annotated[
    int | None, typer.Option(min=1, help="CPU threads; default: as many as this process may use.")
]


def data_files(arguments: list[str] | None, options: list[str] | None) -> list[DataFile]:
    """Return the files of labelled prompts that were named either way.

    Raises:
        UsageError: none was, or a mass is not above 0.
    """
    from vibe_router_training.mixture import parse_data_file

    named = [*(arguments or ()), *(options or ())]
    if not named:
        raise UsageError("no files of labelled prompts", hint="name at least one: router-train fit DATA.jsonl -o OUT")
    return [parse_data_file(file) for file in named]


def fit_settings(
    *,
    learning_rate: float,
    weight_decay: float,
    warmup: float,
    epochs: int,
    patience: int,
    batch: int,
    max_tokens: int,
    seed: int,
    precision: Precision,
    loss: Objective,
    beta_kl: float,
    margin_cap: float,
) -> FitSettings:
    """Return the settings that the options name.

    Raises:
        MissingExtraError: a library that training needs is not installed.
    """
    require_training()
    return FitSettings(
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        warmup=warmup,
        epochs=epochs,
        patience=patience,
        batch=batch,
        max_tokens=max_tokens,
        seed=seed,
        precision=precision,
        loss=LossSettings(objective=loss, beta_kl=beta_kl, margin_cap=margin_cap),
    )
