"""Thresholds of the bundled router from 54 k real prompts: from merged counts, from sketches, and from the scores."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from benchmarks.prompts import SHARED, read_prompts
from vibe_router import Router
from vibe_router.integrations.arrow import route_table
from vibe_router_tools.calibration.choose import choose_for_cloud_rate
from vibe_router_tools.calibration.histogram import bins_of
from vibe_router_tools.calibration.keyed import CountOptions, count_rows, merge_counts, sample_of
from vibe_router_tools.calibration.sample import is_for_checking
from vibe_router_tools.calibration.sketches import Sketches, sample_of_sketches

TARGETS = (0.1, 0.3, 0.5, 0.8)

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not SHARED.exists(), reason=f"no real prompts: {SHARED} is missing")]


@pytest.fixture(scope="module")
def routed() -> pa.Table:
    with Router.load(threads=2) as router:
        table = route_table(router, pa.table({"prompt": read_prompts(SHARED)}))
    assert table.num_rows > 53_000
    days = pa.array([index % 5 for index in range(table.num_rows)])
    return table.append_column("day", days).filter(pc.is_valid(table.column("logit")))


@pytest.fixture(scope="module")
def parts(routed: pa.Table) -> list[pa.Table]:
    """The rows in forty parts of unequal lengths, in random order."""
    chance = random.Random(1)
    cuts = sorted(chance.sample(range(1, routed.num_rows), 39))
    found = [
        routed.slice(start, stop - start) for start, stop in zip([0, *cuts], [*cuts, routed.num_rows], strict=True)
    ]
    chance.shuffle(found)
    return found


@pytest.fixture(scope="module")
def choosing(routed: pa.Table) -> pa.Table:
    """The rows that a threshold is chosen on, lowest score first."""
    chosen = [not is_for_checking(prompt) for prompt in routed.column("prompt").to_pylist()]
    return routed.filter(pa.array(chosen)).sort_by("logit")


def test_counts_merged_in_any_order_choose_the_exact_threshold_to_the_bin(
    routed: pa.Table,
    parts: list[pa.Table],
    choosing: pa.Table,
    tmp_path: Path,
) -> None:
    options = CountOptions(by=("day",))
    pq.write_table(count_rows(routed, options), tmp_path / "whole.parquet")
    counted = [count_rows(part, options) for part in parts]
    half = merge_counts(counted[::2])
    merged = merge_counts([*reversed(counted[1::2]), half])
    pq.write_table(merged, tmp_path / "merged.parquet")
    assert (tmp_path / "merged.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    sample = sample_of(merged, {})
    scores, logits = choosing.column("p_cloud").to_numpy(), choosing.column("logit").to_numpy()
    for target in TARGETS:
        choice = choose_for_cloud_rate(sample, target)
        above = int(np.sum(scores > choice.threshold))
        assert choice.chosen.count == above
        exact = logits[round(len(logits) * (1 - target)) - 1]
        in_its_bin = int(np.sum(bins_of(logits) == bins_of(exact.reshape(1))[0]))
        assert abs(above - target * len(scores)) <= in_its_bin


def test_sketches_choose_within_their_stated_error(parts: list[pa.Table], choosing: pa.Table) -> None:
    tables = []
    for part in parts:
        sketches = Sketches(CountOptions(by=("day",)))
        sketches.add(part)
        tables.append(sketches.table())
    sample = sample_of_sketches(tables, {})
    assert 0 < sample.rank_error < 0.002
    scores = choosing.column("p_cloud").to_numpy()
    for target in TARGETS:
        choice = choose_for_cloud_rate(sample, target)
        # Half a prompt, because no threshold divides an odd number of them evenly.
        assert abs(np.mean(scores > choice.threshold) - target) <= sample.rank_error + 0.5 / len(scores)
