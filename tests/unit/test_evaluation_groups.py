"""Figures by group: who is in a group, what agrees with its labels, and the table of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from vibe_router.errors import DataError
from vibe_router_tools.evaluation.dataset import read_labelled
from vibe_router_tools.evaluation.evaluate import Settings, evaluate
from vibe_router_tools.evaluation.groups import agreement, by_group
from vibe_router_tools.evaluation.tables import tables

ROWS = [
    {"prompt": "hi", "cloud": 0.1, "group": "greeting"},
    {"prompt": "prove it", "cloud": 0.9, "group": "maths"},
    {"prompt": "hello", "cloud": 0.2, "group": "greeting"},
    {"prompt": "2+2", "cloud": 0.1, "group": "maths"},
    {"prompt": "a tie", "cloud": 0.5, "group": "greeting"},
    {"prompt": "no group", "cloud": 0.7},
]
SCORES = np.array([0.2, 0.8, 0.7, 0.1, 0.9, 0.3])


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_each_group_is_judged_by_its_own_rows(tmp_path: Path) -> None:
    data = read_labelled(write(tmp_path / "rows.jsonl", ROWS))
    figures = by_group(data, SCORES, 0.5, resamples=50)
    assert list(figures) == ["greeting", "maths"]
    greeting, maths = figures.values()
    assert (greeting.rows, greeting.cloud_better, greeting.agreement.value) == (3, 0, 0.5)
    assert greeting.cloud_rate.value == pytest.approx(2 / 3)
    assert np.isnan(greeting.auc.value), "no row of it is better in the cloud"
    assert (maths.rows, maths.cloud_better, maths.agreement.value, maths.auc.value) == (2, 1, 1.0, 1.0)
    assert greeting.agreement.low <= 0.5 <= greeting.agreement.high


def test_ties_agree_with_neither_side() -> None:
    assert agreement(np.array([0.9, 0.9]), np.array([0.5, 0.8]), 0.5) == 1.0
    assert np.isnan(agreement(np.array([0.9]), np.array([0.5]), 0.5))


def test_the_table_names_every_group(tmp_path: Path) -> None:
    data = read_labelled(write(tmp_path / "rows.jsonl", ROWS))
    evaluation = evaluate(
        data,
        SCORES,
        calibrated=SCORES,
        raw=SCORES,
        profiles={"balanced": 0.5},
        default_profile="balanced",
        settings=Settings(resamples=10),
    )
    (table,) = [table for table in tables(evaluation) if table.title.startswith("By group")]
    assert [row[:3] for row in table.rows] == [("greeting", "3", "0"), ("maths", "2", "1")]
    assert table.rows[0][-1] == "not defined"
    unnamed = read_labelled(write(tmp_path / "rows.jsonl", [{**row, "group": None} for row in ROWS]))
    assert set(unnamed.groups) == {None}
    assert by_group(unnamed, SCORES, 0.5) == {}


def test_a_group_is_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="group is not a string"):
        read_labelled(write(tmp_path / "rows.jsonl", [{**ROWS[0], "group": 3}]))
