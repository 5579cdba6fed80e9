"""Thresholds from merged histograms are those of the logits themselves, to the bin, on all real prompts there are."""

from __future__ import annotations

import json
import random

import numpy as np
import pyarrow as pa
import pytest

from tests.support.shared_data import PROMPTS, needs
from vibe_router import Router
from vibe_router.integrations.arrow import route_table
from vibe_router_tools.calibration.choose import choose_for_cloud_rate
from vibe_router_tools.calibration.histogram import edge_logits, edges
from vibe_router_tools.calibration.keyed import CountOptions, count_rows, merge_counts, sample_of
from vibe_router_tools.calibration.sample import is_for_checking
from vibe_router_tools.calibration.sketches import Sketches, sample_of_sketches

RATES = (0.05, 0.2, 0.4, 0.65, 0.9)
PARTS = 50

pytestmark = [
    pytest.mark.slow,
    needs(PROMPTS),
]


@pytest.fixture(scope="module")
def routed() -> pa.Table:
    # By line feeds alone: prompts hold other ends of lines.
    prompts = [json.loads(line)["prompt"] for line in PROMPTS.read_bytes().split(b"\n") if line]
    with Router.load() as router:
        return route_table(router, pa.table({"prompt": prompts, "part": [n % PARTS for n in range(len(prompts))]}))


@pytest.fixture(scope="module")
def logits(routed: pa.Table) -> np.ndarray:
    """Of the prompts to choose on, rising."""
    chosen = [not is_for_checking(prompt) for prompt in routed.column("prompt").to_pylist()]
    return np.sort(routed.column("logit").to_numpy()[chosen])


def parts_of(routed: pa.Table) -> list[pa.Table]:
    part = routed.column("part").to_numpy()
    return [routed.filter(pa.array(part == number)) for number in range(PARTS)]


def test_histograms_merged_in_any_order_choose_the_exact_threshold(routed: pa.Table, logits: np.ndarray) -> None:
    counts = [count_rows(part, CountOptions()) for part in parts_of(routed)]
    random.Random(0).shuffle(counts)
    merged = merge_counts(counts)
    assert merged.equals(count_rows(routed, CountOptions()), check_metadata=True)
    sample = sample_of(merged, {})
    above = len(logits) - np.searchsorted(logits, edge_logits(), side="right")
    assert np.array_equal(sample.choose.scores.above_edges(), above)
    for rate in RATES:
        choice = choose_for_cloud_rate(sample, rate, tolerance=0.02)
        place = int(np.searchsorted(edges(), choice.threshold))
        # No other edge is nearer to the rate, and the logit with exactly this rank is in a bin next to the edge.
        assert abs(above[place] / len(logits) - rate) == np.abs(above / len(logits) - rate).min()
        exact = logits[len(logits) - round(rate * len(logits)) - 1]
        lowest, highest = np.flatnonzero(above == above[place])[[0, -1]]
        assert edge_logits()[max(lowest - 1, 0)] <= exact <= edge_logits()[min(highest + 1, len(above) - 1)]


def test_sketches_are_as_near_as_they_say(routed: pa.Table, logits: np.ndarray) -> None:
    tables = []
    for part in parts_of(routed):
        sketches = Sketches(CountOptions())
        sketches.add(part)
        tables.append(sketches.table())
    random.Random(1).shuffle(tables)
    sample = sample_of_sketches(tables, {})
    assert 0 < sample.rank_error < 0.002
    for rate in RATES:
        choice = choose_for_cloud_rate(sample, rate, tolerance=0.02)
        edge = edge_logits()[int(np.searchsorted(edges(), choice.threshold))]
        assert abs(np.mean(logits > edge) - rate) <= sample.rank_error + 1e-3
        assert choice.chosen.low <= np.mean(logits > edge) <= choice.chosen.high
