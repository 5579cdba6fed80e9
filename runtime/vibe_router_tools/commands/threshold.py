"""`vibe-router calibrate` for a threshold: count scores, choose, write a profile into a bundle's copy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vibe_router.errors import UsageError
from vibe_router.extras import require_extra
from vibe_router_tools.console.input import standard_input
from vibe_router_tools.console.output import print_line

if TYPE_CHECKING:
    from vibe_router.bundle.bundle import Bundle
    from vibe_router_tools.calibration.choose import ThresholdChoice
    from vibe_router_tools.calibration.sample import ScoreSample
    from vibe_router_tools.commands.loading import Loading

STDIN = "-"


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What the threshold is to keep: one of the two goals, or none where scores are only counted."""

    cloud_rate: float | None
    catastrophic_miss: float | None
    tolerance: float
    confidence: float


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where scores come from: prompts, saved counts, histograms by key (only those of `where`), the gateway's log."""

    prompts: Path | None
    merge: list[Path]
    histograms: list[str]
    where: dict[str, str]
    log: Path | None


@dataclass(frozen=True, kw_only=True)
class Labelling:
    """How rows become labels: the width `tau` of sigmoid((strong - weak) / tau), and what counts as a miss."""

    tau: float
    miss_bound: float


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What is written: a profile into a copy of the bundle, and the counted scores."""

    profile: str | None
    default: bool
    """Whether the profile is the copy's default one."""
    output: Path | None
    save_histogram: Path | None


def calibrate_threshold(
    sources: Sources, promise: Promise, loading: Loading, labelling: Labelling, targets: Targets, *, as_json: bool
) -> None:
    """Count, merge, save, choose, write, report; every argument is checked before the first of these.

    Raises:
        UsageError: a file to write exists, or the profile does.
        DataError: a bad row or histogram, or a promise that these prompts cannot support.
        MissingExtraError: scipy is not installed.
    """
    from vibe_router.bundle.bundle import open_bundle
    from vibe_router.bundle.identity import model_identity
    from vibe_router_tools.bundle_edit import CardSection, check_free, write_copy
    from vibe_router_tools.calibration.profile import (
        add_profile,
        check_new_profile,
        describe_profile,
    )
    from vibe_router_tools.calibration.sample import empty_sample
    from vibe_router_tools.calibration.sample_file import save_sample
    from vibe_router_tools.evaluation.temperature import require_scipy

    opened = open_bundle(loading.bundle)
    profile, output = targets.profile, targets.output
    if targets.save_histogram is not None:
        check_free(targets.save_histogram)
    if output is not None and profile is not None:
        check_free(output)
        check_new_profile(opened.manifest, profile)
        if targets.save_histogram is not None and targets.save_histogram.resolve() == output.resolve():
            raise UsageError(f"the histogram and the copy cannot both be {output}", hint="give one another name")
    if promise.cloud_rate is not None or promise.catastrophic_miss is not None:
        require_scipy()
    empty = empty_sample(model_identity(opened.manifest), miss_bound=labelling.miss_bound)
    sample = _count_all(empty, sources, loading, tau=labelling.tau)
    if targets.save_histogram is not None:
        save_sample(sample, targets.save_histogram)
    choice = _choose(sample, promise)
    if choice is not None and output is not None and profile is not None:
        manifest = add_profile(opened.manifest, profile, choice, default=targets.default)
        section = CardSection(describe_profile(profile, manifest.thresholds[profile], choice))
        write_copy(opened, output, manifest, card_section=section)
    _report(opened, sample, choice, profile=profile, default=targets.default, output=output, as_json=as_json)


def _count_all(sample: ScoreSample, sources: Sources, loading: Loading, *, tau: float) -> ScoreSample:
    """Return the sample with the scores of every source counted."""
    from vibe_router_tools.calibration.sample import merge_samples
    from vibe_router_tools.calibration.sample_file import load_sample

    for path in sources.merge:
        sample = merge_samples(sample, load_sample(path))
    if sources.histograms:
        sample = merge_samples(sample, _read_histograms(sources.histograms, sources.where))
    if sources.log is not None:
        sample = _count_log(sample, sources.log)
    if sources.prompts is not None:
        sample = _count(sample, sources.prompts, loading, tau=tau)
    return sample


def _read_histograms(places: list[str], where: dict[str, str]) -> ScoreSample:
    require_extra("Reading histograms", extra="arrow", modules=("pyarrow",))
    from vibe_router_tools.calibration.counting import read_sample

    return read_sample(places, where)


def _count_log(sample: ScoreSample, log: Path) -> ScoreSample:
    from vibe_router_gateway.log.rows import iterate_scores
    from vibe_router_tools.calibration.logged import count_logged

    return count_logged(sample, iterate_scores(log, scorer=sample.model))


def _count(sample: ScoreSample, prompts: Path, loading: Loading, *, tau: float) -> ScoreSample:
    """Return the sample with all prompts of the file, or of stdin, counted."""
    from vibe_router_tools.calibration.stream import count_scores
    from vibe_router_tools.console.output import progress_bar
    from vibe_router_tools.evaluation.dataset import iterate_rows, read_rows
    from vibe_router_tools.evaluation.scoring import score_rows

    from_stdin = str(prompts) == STDIN
    name = "stdin" if from_stdin else str(prompts)
    rows = iterate_rows(standard_input(), name, tau=tau) if from_stdin else read_rows(prompts, tau=tau)
    with loading.load() as router, progress_bar("scoring") as progress:
        return count_scores(sample, score_rows(router, rows, name), progress=progress)


def _choose(sample: ScoreSample, promise: Promise) -> ThresholdChoice | None:
    from vibe_router_tools.calibration.choose import choose_for_catastrophic_miss, choose_for_cloud_rate

    confidence = promise.confidence
    if promise.cloud_rate is not None:
        return choose_for_cloud_rate(sample, promise.cloud_rate, tolerance=promise.tolerance, confidence=confidence)
    if promise.catastrophic_miss is not None:
        return choose_for_catastrophic_miss(sample, promise.catastrophic_miss, confidence=confidence)
    return None


def _report(
    bundle: Bundle,
    sample: ScoreSample,
    choice: ThresholdChoice | None,
    *,
    profile: str | None,
    default: bool,
    output: Path | None,
    as_json: bool,
) -> None:
    from vibe_router_tools.calibration.profile import threshold_on_both_scales
    from vibe_router_tools.console.output import print_json, print_table
    from vibe_router_tools.evaluation.jsonable import jsonable
    from vibe_router_tools.evaluation.percent import percent

    manifest = bundle.manifest
    threshold = None if choice is None else threshold_on_both_scales(choice.threshold, manifest.calibration)
    if as_json:
        facts = {
            "bundle": {"name": manifest.name, "version": manifest.version},
            "prompts": sample.total,
            "labelled": sample.labelled,
            "threshold": threshold,
            "choice": choice,
            "profile": profile,
            "output": None if output is None else str(output),
        }
        print_json(jsonable(facts))
        return
    rows = [("prompts", f"{sample.total}, {sample.labelled} of them labelled")]
    if choice is not None and threshold is not None:
        name = choice.goal.value.split("-", 1)[1].replace("-", " ")
        limit = "at most " if choice.tolerance is None else ""
        width = "" if choice.tolerance is None else f" within {choice.tolerance:g}"
        rows += [
            (name, f"{limit}{choice.target:g}{width}, at {percent(choice.confidence)} confidence"),
            ("threshold, calibrated", f"{threshold.calibrated:.6f}"),
            ("threshold, raw", f"{threshold.raw:.6f}"),
        ]
        if choice.threshold_low is not None and choice.threshold_high is not None:
            scale = "calibrated" if manifest.calibration.folded else "raw"
            rows.append((f"interval, {scale}", f"[{choice.threshold_low:.6f}, {choice.threshold_high:.6f}]"))
        shares = {
            f"{name}, chosen on": choice.chosen,
            f"{name}, held out": choice.checked,
            "cloud rate, held out": choice.cloud_rate,
        }
        rows += [
            (label, f"{share.value:.4f} [{share.low:.4f}, {share.high:.4f}] on {share.total} prompts")
            for label, share in shares.items()
        ]
    print_table(f"Calibration of {manifest.name} {manifest.version}", ("what", "value"), rows)
    if output is not None:
        which = "the default profile" if default else "the profile"
        print_line(f"wrote {output} with {which} {profile}")
