"""`vibe-router eval`: measure a bundle on labelled prompts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vibe_router.errors import UsageError
from vibe_router_tools.commands.loading import Loading
from vibe_router_tools.commands.options import (
    BundleOption,
    EngineOption,
    JsonOption,
    PrecisionOption,
    ThreadsOption,
    check_unused,
)
from vibe_router_tools.evaluation.defaults import (
    BINS,
    CARD_THRESHOLDS,
    CONFIDENCE,
    MISS_BOUND,
    RESAMPLES,
    Binning,
)
from vibe_router_tools.evaluation.labels import TAU

if TYPE_CHECKING:
    from vibe_router.bundle.manifest import Manifest
    from vibe_router_tools.evaluation.dataset import LabelledPrompts
    from vibe_router_tools.evaluation.evaluate import Evaluation, Settings
    from vibe_router_tools.evaluation.scoring import Scored

_SWEEP = " ".join(f"{threshold:g}" for threshold in CARD_THRESHOLDS)

BinsOption = Annotated[int, typer.Option(min=1, max=10_000, help="Bins of the calibration error.")]
BinningOption = Annotated[Binning, typer.Option(help="Kind of these bins.")]
ConfidenceOption = Annotated[float, typer.Option(help="Confidence of intervals and promises, in 0..1.")]
MissBoundOption = Annotated[
    float, typer.Option(min=0, max=1, help="p_teacher from which keeping a prompt is a catastrophic miss.")
]
TauOption = Annotated[float, typer.Option(help="Width of labels: p_teacher = sigmoid((strong - weak) / tau).")]


DataArgument = Annotated[
    Path, typer.Argument(metavar="DATA", help="JSONL rows: prompt, and p_teacher, or weak and strong, or verdicts.")
]
ConversationsOption = Annotated[
    bool, typer.Option("--conversations", help="DATA holds conversations: messages, and cloud for labels.")
]
ShareOption = Annotated[
    float | None, typer.Option(help="Of turns that go to the cloud, for --conversations; else the last turn's.")
]
SweepOption = Annotated[str, typer.Option(help="The sweep, on the scale of the bundle's scores, separated by spaces.")]


def evaluate_bundle(
    data: DataArgument,
    conversations: ConversationsOption = False,
    share: ShareOption = None,
    bundle: BundleOption = None,
    thresholds: SweepOption = _SWEEP,
    report: Annotated[Path | None, typer.Option(help="Write one self-contained HTML file.")] = None,
    plots: Annotated[Path | None, typer.Option(help="Write the plots into this folder, as PNG and SVG.")] = None,
    miss_bound: MissBoundOption = MISS_BOUND,
    bins: BinsOption = BINS,
    binning: BinningOption = Binning.EQUAL_COUNT,
    resamples: Annotated[int, typer.Option(min=2, help="Samples of the bootstrap.")] = RESAMPLES,
    confidence: ConfidenceOption = CONFIDENCE,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    tau: TauOption = TAU,
    engine: EngineOption = "auto",
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a bundle on labelled prompts: utility, regret, misses, ranking, calibration, baselines."""
    loading = Loading(bundle=bundle, engine=engine, precision=precision, threads=threads)
    if conversations:
        from vibe_router_tools.commands.eval_conversations import evaluate_conversations

        check_unused(
            "is not for --conversations",
            "leave it out",
            thresholds=thresholds != _SWEEP,
            report=report is not None,
            plots=plots is not None,
            miss_bound=miss_bound != MISS_BOUND,
            bins=bins != BINS,
            binning=binning is not Binning.EQUAL_COUNT,
            resamples=resamples != RESAMPLES,
            confidence=confidence != CONFIDENCE,
            seed=seed != 0,
            tau=tau != TAU,
        )
        evaluate_conversations(data, loading, share=share, as_json=as_json)
        return
    from vibe_router_tools.evaluation.evaluate import Settings
    from vibe_router_tools.evaluation.plots import require_matplotlib

    if share is not None:
        raise UsageError("--share goes with --conversations", hint="vibe-router eval --conversations chats.jsonl")
    sweep = _parse_thresholds(thresholds)
    check_confidence_and_tau(confidence, tau)
    if report is not None or plots is not None:
        require_matplotlib()
    settings = Settings(
        miss_bound=miss_bound,
        bins=bins,
        binning=binning,
        resamples=resamples,
        confidence=confidence,
        seed=seed,
    )
    _evaluate(data, loading, settings, sweep, tau=tau, outputs=Outputs(report=report, plots=plots, as_json=as_json))


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Where the figures go besides the terminal, and whether that gets JSON."""

    report: Path | None
    plots: Path | None
    as_json: bool


def _evaluate(
    data: Path, loading: Loading, settings: Settings, sweep: tuple[float, ...], *, tau: float, outputs: Outputs
) -> None:
    """Score the rows, compute every figure, draw and print."""
    from vibe_router_tools.console.output import progress_bar
    from vibe_router_tools.evaluation.dataset import collect_labelled, read_rows
    from vibe_router_tools.evaluation.evaluate import evaluate
    from vibe_router_tools.evaluation.scoring import score_all

    rows = list(read_rows(data, tau=tau))
    labelled = collect_labelled(rows, str(data))
    with loading.load() as router, progress_bar("scoring", total=len(rows)) as progress:
        scored = score_all(router, rows, str(data), progress=progress)
        manifest = router.bundle.manifest
    with progress_bar("bootstrap", total=settings.resamples) as progress:
        evaluation = evaluate(
            labelled,
            scored.scores,
            calibrated=scored.calibrated,
            raw=scored.raw,
            profiles=scored.thresholds,
            default_profile=manifest.default_profile,
            thresholds=sweep,
            settings=settings,
            progress=progress,
        )
    title = f"{manifest.name} {manifest.version} on {data.name}"
    _draw(title, labelled, scored, evaluation, report=outputs.report, plots=outputs.plots)
    if outputs.as_json:
        _print_facts(manifest, scored, evaluation, data)
    else:
        _print_tables(title, scored, evaluation)


def check_confidence_and_tau(confidence: float, tau: float) -> None:
    """Check what two commands share.

    Raises:
        UsageError: a number is out of range.
    """
    if not 0 < confidence < 1:
        raise UsageError(f"--confidence {confidence} is not between 0 and 1", hint="for example 0.95")
    if not 0 < tau < float("inf"):
        raise UsageError(f"--tau {tau} is not a positive number", hint="for example 0.2")


def _print_facts(manifest: Manifest, scored: Scored, evaluation: Evaluation, data: Path) -> None:
    from vibe_router_tools.console.output import print_json
    from vibe_router_tools.evaluation.jsonable import jsonable

    facts = {
        "bundle": {"name": manifest.name, "version": manifest.version},
        "engine": scored.engine,
        "scale": scored.scale,
        "temperature": manifest.calibration.temperature,
        "data": str(data),
        "evaluation": evaluation,
    }
    print_json(jsonable(facts))


def _print_tables(title: str, scored: Scored, evaluation: Evaluation) -> None:
    from vibe_router_tools.console.output import print_line, print_table
    from vibe_router_tools.evaluation.tables import explain, tables

    print_line(f"{title}, {scored.engine}, {scored.scale} scores.\n{explain(evaluation)}\n")
    for table in tables(evaluation):
        print_table(table.title, table.columns, table.rows)


def _draw(
    title: str,
    data: LabelledPrompts,
    scored: Scored,
    evaluation: Evaluation,
    *,
    report: Path | None,
    plots: Path | None,
) -> None:
    """Write the plots into the folder `plots` and the report to the file `report`, where given."""
    from vibe_router_tools.evaluation.plots import evaluation_figures, save_figures, svg_bytes
    from vibe_router_tools.evaluation.report import html_report, save_report

    if report is None and plots is None:
        return
    figures = evaluation_figures(data, scored, evaluation.settings)
    if plots is not None:
        save_figures(figures, plots)
    if report is not None:
        inlined = {name: svg_bytes(figure) for name, figure in figures.items()}
        save_report(html_report(evaluation, title=title, figures=inlined), report)


def _parse_thresholds(text: str) -> tuple[float, ...]:
    """Return the numbers in `text`, separated by spaces or commas.

    Raises:
        UsageError: one is not a number in 0..1.
    """
    from vibe_router.policy import check_threshold

    try:
        return tuple(check_threshold(float(part)) for part in re.split(r"[\s,]+", text) if part)
    except ValueError as error:
        raise UsageError(f"--thresholds {text!r} are not numbers", hint="for example --thresholds '0.5 0.9'") from error
