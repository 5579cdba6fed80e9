"""The tables of docs/coreml.md from their result files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.markdown import markdown
from benchmarks.report.files import Sections


def _lengths(content: Mapping[str, Any]) -> str:
    rows: dict[tuple[str, int], dict[str, Mapping[str, Any]]] = {}
    for one in content["lengths"]:
        rows.setdefault((one["checkpoint"], one["tokens"]), {})[one["arithmetic"]] = one
    cells = []
    for (checkpoint, tokens), by_arithmetic in rows.items():
        half, rough = by_arithmetic["fp16"], by_arithmetic["pessimistic fp16"]
        cells.append(
            (
                checkpoint,
                tokens,
                _number(by_arithmetic["fp32"]["logit_difference"]),
                _number(half["logit_difference"]),
                _number(half["probability_difference"]),
                _number(rough["logit_difference"]),
                _number(rough["probability_difference"]),
            )
        )
    rounded = [f"|{what}| {how}" for how in ("half", "pessimistic") for what in ("dlogit", "dp")]
    return markdown((("checkpoint", "tokens", "|dlogit| fp32", *rounded), cells))


def _folds(content: Mapping[str, Any]) -> str:
    rows = [
        (
            one["folds"],
            f"{one['largest_channel']:,.1f}",
            f"{one['largest_sum_of_squares']:.3g}",
            _number(one["logit_difference_in_fp32"]),
            _number(one["probability_difference"]),
            _number(one["pessimistic_probability_difference"]),
        )
        for one in content["folds"]
    ]
    header = ("largest channel", "largest sum of squares", "|dlogit| fp32", "|dp| half", "|dp| pessimistic")
    return markdown((("folds", *header), rows))


def _number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.1e}"


COREML: Sections = {"half-precision-lengths": _lengths, "half-precision-folds": _folds}
