"""Three plots: quality against cloud share, reliability, scores; without pyplot, so without global state."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vibe_router.errors import MissingExtraError, UsageError
from vibe_router_tools.atomic.write import write_file
from vibe_router_tools.evaluation.baselines import length_scores
from vibe_router_tools.evaluation.curve import quality_curve
from vibe_router_tools.evaluation.dataset import LabelledPrompts
from vibe_router_tools.evaluation.evaluate import Settings
from vibe_router_tools.evaluation.logistic import FloatArray
from vibe_router_tools.evaluation.metrics import route
from vibe_router_tools.evaluation.reliability import ReliabilityBin, reliability_bins
from vibe_router_tools.evaluation.scoring import Scored

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROUTER, _BASELINE, _BEST = "#1f6feb", "#8b949e", "#2da44e"


def quality_figure(data: LabelledPrompts, scores: FloatArray, profiles: Mapping[str, float]) -> Figure:
    """Return mean quality against cloud share: router, prompt length, random, best order, and the profiles.

    Quality is that of the rows: `weak` and `strong` where they have them, else 1 - p_teacher and p_teacher.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure, axes = _figure()
    router = quality_curve(scores, data.device_quality, data.cloud_quality)
    length = quality_curve(length_scores(data.prompts), data.device_quality, data.cloud_quality)
    gain = data.cloud_quality - data.device_quality
    best = quality_curve(gain, data.device_quality, data.cloud_quality)
    axes.plot(best.share, best.quality, color=_BEST, linewidth=1, label="best possible order")
    axes.plot(router.share, router.quality, color=_ROUTER, linewidth=2, label="router")
    axes.plot(length.share, length.quality, color=_BASELINE, linestyle=":", label="prompt length")
    axes.plot([0, 1], router.quality[[0, -1]], color=_BASELINE, linestyle="--", label="random")
    for name, threshold in profiles.items():
        share = float(np.mean(route(scores, threshold)))
        axes.plot([share], [router.at(share)], "o", color=_ROUTER, markersize=4)
        axes.annotate(
            name,
            (share, router.at(share)),
            textcoords="offset points",
            xytext=(3, -4),
            fontsize=7,
            rotation=-30,
            va="top",
        )
    axes.set(xlabel="share of prompts sent to the cloud", ylabel="mean quality", xlim=(0, 1))
    axes.legend(frameon=False, fontsize=8)
    return figure


def reliability_figure(series: Mapping[str, tuple[ReliabilityBin, ...]]) -> Figure:
    """Return a reliability diagram: mean preference against mean score in each bin, for each named series.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure, axes = _figure()
    axes.plot([0, 1], [0, 1], color=_BASELINE, linestyle="--", linewidth=1, label="perfect")
    for (name, bins), color in zip(series.items(), (_BASELINE, _ROUTER, _BEST), strict=False):
        scores, preferences = [row.mean_score for row in bins], [row.mean_preference for row in bins]
        axes.plot(scores, preferences, "o-", color=color, markersize=4, label=name)
    axes.set(xlabel="mean score", ylabel="mean preference for the cloud", xlim=(0, 1), ylim=(0, 1))
    axes.legend(frameon=False, fontsize=8)
    return figure


def score_figure(scores: FloatArray, profiles: Mapping[str, float]) -> Figure:
    """Return a histogram of scores (float [n] in 0..1) with a line at the threshold of each profile.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure, axes = _figure()
    axes.hist(scores, bins=50, range=(0, 1), color=_ROUTER, alpha=0.6)
    for name, threshold in profiles.items():
        axes.axvline(threshold, color=_BASELINE, linewidth=1)
        axes.annotate(
            name,
            (threshold, 0.98),
            xycoords=axes.get_xaxis_transform(),
            rotation=90,
            fontsize=7,
            ha="right",
            va="top",
        )
    axes.set(xlabel="score", ylabel="prompts", xlim=(0, 1))
    return figure


def evaluation_figures(data: LabelledPrompts, scored: Scored, settings: Settings) -> dict[str, Figure]:
    """Return all plots of an evaluation: quality, reliability, scores.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """

    def bins(scores: FloatArray) -> tuple[ReliabilityBin, ...]:
        return reliability_bins(scores, data.preference, bins=settings.bins, binning=settings.binning)

    return {
        "quality": quality_figure(data, scored.scores, scored.thresholds),
        "reliability": reliability_figure({"raw": bins(scored.raw), "calibrated": bins(scored.calibrated)}),
        "scores": score_figure(scored.scores, scored.thresholds),
    }


def svg_bytes(figure: Figure) -> bytes:
    """Return the figure as SVG; the same figure gives the same bytes."""
    from matplotlib import rc_context

    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "vibe-router"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def png_bytes(figure: Figure) -> bytes:
    """Return the figure as PNG, 150 dots per inch."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150)
    return buffer.getvalue()


def save_figures(figures: Mapping[str, Figure], folder: Path) -> tuple[Path, ...]:
    """Write each figure to `folder` as NAME.png and NAME.svg and return the paths; older plots are replaced.

    Raises:
        UsageError: the folder cannot be written.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure in figures.items():
            for suffix, content in (("png", png_bytes(figure)), ("svg", svg_bytes(figure))):
                path = folder / f"{name}.{suffix}"
                write_file(path, content)
                written.append(path)
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror}", hint="name a writable folder") from error
    return tuple(written)


def require_matplotlib() -> None:
    """Raise MissingExtraError where plots cannot be drawn, before any work is done."""
    try:
        import matplotlib.figure  # noqa: F401 - whether it is there is the question
    except ImportError as error:
        raise MissingExtraError("drawing plots", extra="eval", missing="matplotlib") from error


def _figure() -> tuple[Figure, Any]:
    require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
