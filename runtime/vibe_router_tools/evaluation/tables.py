"""The figures of an evaluation as plain tables: one layout for the terminal and the HTML report."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vibe_router_tools.evaluation.bootstrap import Interval
from vibe_router_tools.evaluation.evaluate import Evaluation, OperatingPoint, Ranking
from vibe_router_tools.evaluation.percent import percent


@dataclass(frozen=True)
class Table:
    """A titled table of text cells; the first column is a name, all others are figures."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(evaluation: Evaluation) -> tuple[Table, ...]:
    """Return all tables of an evaluation, in reading order."""
    profiles = tuple(_point_row(name, point) for name, point in evaluation.profiles.items())
    sweep = tuple(_point_row(_sweep_name(point), point) for point in evaluation.sweep)
    by_source = (_source_table(evaluation),) if evaluation.sources else ()
    by_group = (_group_table(evaluation),) if evaluation.groups else ()
    return (
        Table("Profiles", _POINT_COLUMNS, profiles),
        Table("Threshold sweep", _POINT_COLUMNS, sweep),
        _gain_table(evaluation),
        _fixed_table(evaluation),
        Table(
            "Ranking",
            ("", "AUC", "APGR", "CPT(50 %)", "CPT(80 %)"),
            (
                _ranking_row("router", evaluation.ranking),
                _ranking_row("prompt length", evaluation.length_ranking),
                ("random", "0.500", "0.500", "0.500", "0.800"),
            ),
        ),
        _calibration_table(evaluation),
        *by_source,
        *by_group,
    )


def explain(evaluation: Evaluation) -> str:
    """Return one paragraph that says what the tables' figures mean."""
    settings = evaluation.settings
    return (
        f"{evaluation.rows} prompts: the cloud's answer is better on {evaluation.cloud_better}, the device's "
        f"on {evaluation.device_better}. Brackets hold {percent(settings.confidence)} bootstrap intervals "
        f"({settings.resamples} resamples). Catastrophic miss: share of prompts kept on the device though "
        f"p_teacher >= {settings.miss_bound:g}. Gains compare utility with random routing and with routing "
        "by prompt length at the same cloud rate."
    )


_POINT_COLUMNS = (
    "",
    "threshold",
    "utility",
    "regret",
    "cloud rate",
    "catastrophic miss",
)


def _sweep_name(point: OperatingPoint) -> str:
    """Return a threshold of the sweep with the digits that it was given with."""
    return f"{point.threshold:.12g}"


def _gain_table(evaluation: Evaluation) -> Table:
    # Not a dictionary: a profile may have the name of a threshold.
    points = [*evaluation.profiles.items(), *((_sweep_name(point), point) for point in evaluation.sweep)]
    rows = tuple(
        (
            name,
            f"{point.random_utility.value:.3f}",
            _cell(point.gain_over_random, sign=True),
            f"{point.length_utility.value:.3f}",
            _cell(point.gain_over_length, sign=True),
        )
        for name, point in points
    )
    columns = ("", "random utility", "gain over random", "length utility", "gain over length")
    return Table("Against baselines at the same cloud rate", columns, rows)


def _fixed_table(evaluation: Evaluation) -> Table:
    fixed = {"always device": evaluation.always_device, "always cloud": evaluation.always_cloud}
    rows = [
        (name, *(f"{value:.3f}" for value in (m.utility, m.regret, m.cloud_rate, m.catastrophic_miss)))
        for name, m in fixed.items()
    ]
    best = ("best choice", _cell(evaluation.best_utility), "0.000", "", "0.000")
    columns = ("", "utility", "regret", "cloud rate", "catastrophic miss")
    return Table("Without a router", columns, (*rows, best))


def _calibration_table(evaluation: Evaluation) -> Table:
    settings, figures = evaluation.settings, evaluation.calibration
    return Table(
        "Calibration",
        ("", f"ECE ({settings.bins} {settings.binning.value} bins)", "Brier", "NLL"),
        (
            ("raw", _cell(figures.ece_raw), "", ""),
            ("calibrated", _cell(figures.ece_calibrated), _cell(figures.brier), _cell(figures.nll)),
            ("of the labels' noise alone", _number(evaluation.ece_by_chance), "", ""),
        ),
    )


def _source_table(evaluation: Evaluation) -> Table:
    rows = tuple(
        (name, str(f.rows), *map(_number, (f.auc, f.utility, f.best_utility, f.cloud_rate)))
        for name, f in evaluation.sources.items()
    )
    columns = ("", "prompts", "AUC", "utility", "best utility", "cloud rate")
    return Table("By source, at the default profile", columns, rows)


def _group_table(evaluation: Evaluation) -> Table:
    rows = tuple(
        (name, str(f.rows), str(f.cloud_better), *map(_cell, (f.agreement, f.cloud_rate, f.auc)))
        for name, f in evaluation.groups.items()
    )
    columns = ("", "prompts", "cloud better", "decided as labelled", "cloud rate", "AUC")
    return Table("By group, at the default profile", columns, rows)


def _point_row(name: str, point: OperatingPoint) -> tuple[str, ...]:
    return (
        name,
        f"{point.threshold:.4f}",
        _cell(point.utility),
        _cell(point.regret),
        _cell(point.cloud_rate),
        _cell(point.catastrophic_miss),
    )


def _ranking_row(name: str, ranking: Ranking) -> tuple[str, ...]:
    return (name, *(_cell(figure) for figure in (ranking.auc, ranking.apgr, ranking.cpt50, ranking.cpt80)))


def _number(value: float) -> str:
    return "not defined" if math.isnan(value) else f"{value:.3f}"


def _cell(interval: Interval, *, sign: bool = False) -> str:
    if math.isnan(interval.value):
        return "not defined"
    form = "+.3f" if sign else ".3f"
    return f"{interval.value:{form}} [{interval.low:{form}}, {interval.high:{form}}]"
