"""Thresholds of the bundled router on 54 k real prompts: from merged counts, from sketches, and from the scores."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from benchmarks.prompts import read_prompts
from tests.support.shared_data import PROMPTS, needs
from vibe_router import Router
from vibe_router.integrations.arrow import route_table
from vibe_router_tools.calibration.choose import choose_for_cloud_rate
from vibe_router_tools.calibration.histogram import bins_of, edge_logits, edges
from vibe_router_tools.calibration.keyed import CountOptions, count_rows, merge_counts, sample_of
from vibe_router_tools.calibration.sample import is_for_checking
from vibe_router_tools.calibration.sketches import Sketches, sample_of_sketches

RATES = (0.05, 0.2, 0.4, 0.65, 0.9)
TARGETS = (0.1, 0.3, 0.5, 0.8)
PARTS = 50
BY_DAY = CountOptions(by=("day",))

pytestmark = [
    pytest.mark.slow,
    needs(PROMPTS),
]


@pytest.fixture(scope="module")
def routed() -> pa.Table:
    """All prompts, scored once for every test here."""
    with Router.load(threads=2) as router:
        table = route_table(router, pa.table({"prompt": read_prompts(PROMPTS)}))
    assert table.num_rows > 53_000
    for name, count in (("part", PARTS), ("day", 5)):
        table = table.append_column(name, pa.array([row % count for row in range(table.num_rows)]))
    return table.filter(pc.is_valid(table.column("logit")))


@pytest.fixture(scope="module")
def choosing(routed: pa.Table) -> pa.Table:
    """The rows that a threshold is chosen on, lowest score first."""
    chosen = [not is_for_checking(prompt) for prompt in routed.column("prompt").to_pylist()]
    return routed.filter(pa.array(chosen)).sort_by("logit")


@pytest.fixture(scope="module")
def logits(choosing: pa.Table) -> np.ndarray:
    """Of the prompts to choose on, rising."""
    return choosing.column("logit").to_numpy()


@pytest.fixture(scope="module")
def equal_parts(routed: pa.Table) -> list[pa.Table]:
    """Every fiftieth row, beginning with each of the first fifty."""
    part = routed.column("part").to_numpy()
    return [routed.filter(pa.array(part == number)) for number in range(PARTS)]


@pytest.fixture(scope="module")
def unequal_parts(routed: pa.Table) -> list[pa.Table]:
    """The rows in forty parts of unequal lengths, in random order."""
    chance = random.Random(1)
    cuts = sorted(chance.sample(range(1, routed.num_rows), 39))
    found = [
        routed.slice(start, stop - start) for start, stop in zip([0, *cuts], [*cuts, routed.num_rows], strict=True)
    ]
    chance.shuffle(found)
    return found


def sketched(parts: list[pa.Table], options: CountOptions) -> list[pa.Table]:
    tables = []
    for part in parts:
        sketches = Sketches(options)
        sketches.add(part)
        tables.append(sketches.table())
    return tables


def test_histograms_merged_in_any_order_choose_the_exact_threshold(
    routed: pa.Table, equal_parts: list[pa.Table], logits: np.ndarray
) -> None:
    counts = [count_rows(part, CountOptions()) for part in equal_parts]
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


def test_counts_by_day_merged_in_any_order_choose_the_exact_threshold_to_the_bin(
    routed: pa.Table, unequal_parts: list[pa.Table], choosing: pa.Table, logits: np.ndarray, tmp_path: Path
) -> None:
    pq.write_table(count_rows(routed, BY_DAY), tmp_path / "whole.parquet")
    counted = [count_rows(part, BY_DAY) for part in unequal_parts]
    half = merge_counts(counted[::2])
    merged = merge_counts([*reversed(counted[1::2]), half])
    pq.write_table(merged, tmp_path / "merged.parquet")
    assert (tmp_path / "merged.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    sample = sample_of(merged, {})
    scores = choosing.column("p_cloud").to_numpy()
    for target in TARGETS:
        choice = choose_for_cloud_rate(sample, target)
        above = int(np.sum(scores > choice.threshold))
        assert choice.chosen.count == above
        exact = logits[round(len(logits) * (1 - target)) - 1]
        in_its_bin = int(np.sum(bins_of(logits) == bins_of(exact.reshape(1))[0]))
        assert abs(above - target * len(scores)) <= in_its_bin


def test_sketches_are_as_near_as_they_say(equal_parts: list[pa.Table], logits: np.ndarray) -> None:
    tables = sketched(equal_parts, CountOptions())
    random.Random(1).shuffle(tables)
    sample = sample_of_sketches(tables, {})
    assert 0 < sample.rank_error < 0.002
    for rate in RATES:
        choice = choose_for_cloud_rate(sample, rate, tolerance=0.02)
        edge = edge_logits()[int(np.searchsorted(edges(), choice.threshold))]
        assert abs(np.mean(logits > edge) - rate) <= sample.rank_error + 1e-3
        assert choice.chosen.low <= np.mean(logits > edge) <= choice.chosen.high


def test_sketches_by_day_choose_within_their_stated_error(unequal_parts: list[pa.Table], choosing: pa.Table) -> None:
    sample = sample_of_sketches(sketched(unequal_parts, BY_DAY), {})
    assert 0 < sample.rank_error < 0.002
    scores = choosing.column("p_cloud").to_numpy()
    for target in TARGETS:
        choice = choose_for_cloud_rate(sample, target)
        # Half a prompt, because no threshold divides an odd number of them evenly.
        assert abs(np.mean(scores > choice.threshold) - target) <= sample.rank_error + 0.5 / len(scores)
