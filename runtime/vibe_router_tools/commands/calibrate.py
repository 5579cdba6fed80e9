"""`vibe-router calibrate`: a threshold, or a temperature, from a user's own prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vibe_router.errors import UsageError
from vibe_router_tools.commands.eval import (
    BinningOption,
    BinsOption,
    ConfidenceOption,
    MissBoundOption,
    TauOption,
    check_confidence_and_tau,
)
from vibe_router_tools.commands.loading import Loading
from vibe_router_tools.commands.options import (
    BundleOption,
    EngineOption,
    JsonOption,
    PrecisionOption,
    ThreadsOption,
)
from vibe_router_tools.commands.temperature import Fitting, calibrate_temperature
from vibe_router_tools.commands.threshold import STDIN, Labelling, Promise, Sources, Targets, calibrate_threshold
from vibe_router_tools.evaluation.defaults import BINS, CONFIDENCE, MISS_BOUND, TOLERANCE, Binning
from vibe_router_tools.evaluation.labels import TAU

RowsArgument = Annotated[
    Path | None,
    typer.Argument(metavar="PROMPTS", help="JSONL rows: prompt, and a label where needed; - is stdin."),
]
CloudRateOption = Annotated[
    float | None,
    typer.Option("--target-cloud-rate", "--strong-model-pct", help="Share for the cloud, such as 0.65."),
]
MissOption = Annotated[
    float | None, typer.Option(help="Largest share of catastrophic misses, such as 0.01; needs labels.")
]
TemperatureOption = Annotated[
    bool, typer.Option("--temperature", help="Fit a temperature instead of a threshold; needs labels.")
]
CopyOption = Annotated[
    Path | None, typer.Option("-o", "--output", "--out", help="Write a copy of the bundle to this new folder.")
]
HistogramOption = Annotated[
    Path | None, typer.Option(help="Write the counted scores to this new file; it holds no prompts.")
]
MergeOption = Annotated[list[Path] | None, typer.Option(help="Add the scores of a saved histogram; may be repeated.")]
FromOption = Annotated[
    list[str] | None,
    typer.Option("--from", metavar="PLACE", help="Add what vibe-router histograms wrote; may be repeated."),
]
WhereOption = Annotated[
    list[str] | None, typer.Option(metavar="KEY=VALUE", help="Only these of --from; may be repeated.")
]
FromLogOption = Annotated[
    bool, typer.Option("--from-log", help="Count the scores of the gateway's log, with feedback as labels.")
]
PlotsOption = Annotated[
    Path | None, typer.Option(help="With --temperature: write the reliability diagram to this folder.")
]


def calibrate(
    prompts: RowsArgument = None,
    bundle: BundleOption = None,
    target_cloud_rate: CloudRateOption = None,
    max_catastrophic_miss: MissOption = None,
    temperature: TemperatureOption = False,
    tolerance: Annotated[float, typer.Option(help="How far the true cloud rate may lie from the target.")] = TOLERANCE,
    confidence: ConfidenceOption = CONFIDENCE,
    profile: Annotated[str | None, typer.Option(help="Name of the new profile, which is the copy's default.")] = None,
    keep_default: Annotated[
        bool, typer.Option("--keep-default", help="The copy's default profile is the bundle's.")
    ] = False,
    output: CopyOption = None,
    save_histogram: HistogramOption = None,
    merge: MergeOption = None,
    from_histograms: FromOption = None,
    where: WhereOption = None,
    from_log: FromLogOption = False,
    log: Annotated[Path | None, typer.Option(help="The log's file; default: the gateway's.")] = None,
    plots: PlotsOption = None,
    miss_bound: MissBoundOption = MISS_BOUND,
    bins: BinsOption = BINS,
    binning: BinningOption = Binning.EQUAL_COUNT,
    tau: TauOption = TAU,
    engine: EngineOption = "auto",
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Choose a threshold from your own prompts, check it on a held-out part, store it as a profile.

    Prompts are read as a stream and only their scores are counted, so any number fits into memory; histograms
    saved on several machines merge to the same answer. Three in ten prompts, by hash, are held out. Too few
    prompts for the promise: exit code 1 and the number that is needed. The bundle itself never changes.
    """
    goals = (target_cloud_rate is not None) + (max_catastrophic_miss is not None) + temperature
    _check_goals(goals, saving=save_histogram is not None)
    check_confidence_and_tau(confidence, tau)
    loading = Loading(bundle=bundle, engine=engine, precision=precision, threads=threads)
    if temperature:
        others = (save_histogram, profile, log)
        alone = not (merge or from_histograms or from_log or where or keep_default or any(others))
        fitting = Fitting(tau=tau, bins=bins, binning=binning, output=output, plots=plots)
        calibrate_temperature(_labelled_file(prompts, alone=alone), loading, fitting, as_json=as_json)
        return
    if plots is not None:
        raise UsageError("--plots goes with --temperature", hint="vibe-router eval draws the other plots")
    if (output is None) != (profile is None) or (output is not None and not goals):
        raise UsageError("--profile, --output and a goal go together", hint="--profile mine -o my-bundle")
    if keep_default and profile is None:
        raise UsageError("--keep-default goes with --profile", hint="--profile mine -o my-bundle --keep-default")
    calibrate_threshold(
        _sources(prompts, merge or [], from_histograms or [], where or [], log=log, from_log=from_log),
        _promise(target_cloud_rate, max_catastrophic_miss, tolerance=tolerance, confidence=confidence),
        loading,
        Labelling(tau=tau, miss_bound=miss_bound),
        Targets(profile=profile, default=not keep_default, output=output, save_histogram=save_histogram),
        as_json=as_json,
    )


def _check_goals(goals: int, *, saving: bool) -> None:
    if goals > 1 or (not goals and not saving):
        raise UsageError(
            "give one goal: --target-cloud-rate, --max-catastrophic-miss or --temperature",
            hint="without a goal, --save-histogram FILE only counts scores",
        )


def _labelled_file(prompts: Path | None, *, alone: bool) -> Path:
    """Return the file that a temperature is fitted to; not `alone`: something was given that it cannot use."""
    if prompts is None or str(prompts) == STDIN or not alone:
        raise UsageError(
            "--temperature needs a file of labelled prompts, and neither histograms nor a profile",
            hint="vibe-router calibrate LABELLED.jsonl --temperature",
        )
    return prompts


def _sources(
    prompts: Path | None,
    merge: list[Path],
    histograms: list[str],
    where: list[str],
    *,
    log: Path | None,
    from_log: bool,
) -> Sources:
    """Return where the scores come from.

    Raises:
        UsageError: from nowhere, an option without the one that it belongs to, or two values of one key.
    """
    if log is not None and not from_log:
        raise UsageError("--log goes with --from-log", hint="vibe-router calibrate --from-log --log FILE")
    if where and not histograms:
        raise UsageError("--where goes with --from", hint="vibe-router calibrate --from histograms/ --where day=mon")
    if prompts is None and not (merge or from_log or histograms):
        raise UsageError("give a JSONL file of prompts, --from, --merge or --from-log", hint="- is stdin")
    pairs: dict[str, str] = {}
    for key, value in map(_pair, where):
        if pairs.setdefault(key, value) != value:
            raise UsageError(f"--where {key!r} has two values", hint="a row has one; choose for each by itself")
    counted_log = _log_file(log) if from_log else None
    return Sources(prompts=prompts, merge=merge, histograms=histograms, where=pairs, log=counted_log)


def _promise(cloud_rate: float | None, miss: float | None, *, tolerance: float, confidence: float) -> Promise:
    """Return what the threshold is to keep.

    Raises:
        UsageError: a share is out of range.
    """
    _share("--tolerance", tolerance, below=1)
    return Promise(
        cloud_rate=_share("--target-cloud-rate", cloud_rate, below=1),
        catastrophic_miss=_share("--max-catastrophic-miss", miss, below=0.5),
        tolerance=tolerance,
        confidence=confidence,
    )


def _pair(where: str) -> tuple[str, str]:
    key, sign, value = where.partition("=")
    if not sign:
        raise UsageError(f"--where {where!r} is no KEY=VALUE", hint="--where customer=acme")
    return key, value


def _log_file(log: Path | None) -> Path:
    from vibe_router_gateway.places import default_log_file

    return default_log_file() if log is None else log


def _share(option: str, value: float | None, *, below: float) -> float | None:
    """Return `value` if it lies between 0 and `below`, both excluded.

    Raises:
        UsageError: it does not.
    """
    if value is not None and not 0 < value < below:
        raise UsageError(f"{option} {value:g} is not between 0 and {below:g}", hint="give a share, such as 0.05")
    return value
