"""The figures of an evaluation as plain tables: one layout for the terminal and the HTML report."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vibe_router.evaluation.bootstrap import Interval
from vibe_router.evaluation.evaluate import Evaluation, OperatingPoint, Ranking


@dataclass(frozen=True)
class Table:
    """A titled table of text cells; the first column is a name, all others are figures."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(evaluation: Evaluation) -> tuple[Table, ...]:
    """Return all tables of an evaluation, in reading order."""
    settings = evaluation.settings
    binning = f"{settings.bins} {settings.binning.value} bins"
    figures = evaluation.calibration
    return (
        Table("Profiles", _POINT_COLUMNS, tuple(_point_row(n, p) for n, p in evaluation.profiles.items())),
        Table(
            "Threshold sweep",
            _POINT_COLUMNS,
            tuple(_point_row(f"{p.threshold:g}", p) for p in evaluation.sweep),
        ),
        Table(
            "Without a router",
            ("", "utility", "regret", "cloud rate", "catastrophic miss"),
            tuple(
                (
                    name,
                    *(f"{value:.3f}" for value in (m.utility, m.regret, m.cloud_rate, m.catastrophic_miss)),
                )
                for name, m in (
                    ("always device", evaluation.always_device),
                    ("always cloud", evaluation.always_cloud),
                )
            )
            + (("best choice", f"{evaluation.best_utility.value:.3f}", "0.000", "", ""),),
        ),
        Table(
            "Ranking",
            ("", "AUC", "APGR", "CPT(50 %)", "CPT(80 %)"),
            (
                _ranking_row("router", evaluation.ranking),
                _ranking_row("prompt length", evaluation.length_ranking),
                ("random", "0.500", "0.500", "0.500", "0.800"),
            ),
        ),
        Table(
            "Calibration",
            ("", f"ECE ({binning})", "Brier", "NLL"),
            (
                ("raw", _cell(figures.ece_raw), "", ""),
                ("calibrated", _cell(figures.ece_calibrated), _cell(figures.brier), _cell(figures.nll)),
            ),
        ),
    )


def explain(evaluation: Evaluation) -> str:
    """Return one paragraph that says what the tables' figures mean."""
    settings = evaluation.settings
    return (
        f"{evaluation.rows} prompts: the cloud's answer is better on {evaluation.cloud_better}, the device's on "
        f"{evaluation.device_better}. Brackets hold {settings.confidence:.0%} bootstrap intervals "
        f"({settings.resamples} resamples). Catastrophic miss: share of prompts kept on the device though "
        f"p_teacher >= {settings.miss_bound:g}. Gains compare utility with random routing and with routing by "
        "prompt length at the same cloud rate."
    )


_POINT_COLUMNS = (
    "",
    "threshold",
    "utility",
    "regret",
    "cloud rate",
    "catastrophic miss",
    "random utility",
    "gain over random",
    "gain over length",
)


def _point_row(name: str, point: OperatingPoint) -> tuple[str, ...]:
    return (
        name,
        f"{point.threshold:.4f}",
        _cell(point.utility),
        _cell(point.regret),
        _cell(point.cloud_rate),
        _cell(point.catastrophic_miss),
        f"{point.random_utility.value:.3f}",
        _cell(point.gain_over_random, sign=True),
        _cell(point.gain_over_length, sign=True),
    )


def _ranking_row(name: str, ranking: Ranking) -> tuple[str, ...]:
    return (name, *(_cell(figure) for figure in (ranking.auc, ranking.apgr, ranking.cpt50, ranking.cpt80)))


def _cell(interval: Interval, *, sign: bool = False) -> str:
    if math.isnan(interval.value):
        return "not defined"
    form = "+.3f" if sign else ".3f"
    return f"{interval.value:{form}} [{interval.low:{form}}, {interval.high:{form}}]"
