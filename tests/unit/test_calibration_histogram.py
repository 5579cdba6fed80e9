"""Histograms: exact counts at their edges, constant memory, and merging that changes nothing."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from vibe_router import policy
from vibe_router.errors import DataError, UsageError
from vibe_router_tools.calibration.choose import choose_for_catastrophic_miss, choose_for_cloud_rate
from vibe_router_tools.calibration.histogram import BINS, ScoreHistogram, bins_of, edge_logits, edges
from vibe_router_tools.calibration.sample import ScoreSample, empty_sample, merge_samples
from vibe_router_tools.calibration.sample_file import load_sample, save_sample
from vibe_router_tools.calibration.stream import count_scores
from vibe_router_tools.evaluation.dataset import Row
from vibe_router_tools.evaluation.labels import label_from_preference
from vibe_router_tools.evaluation.logistic import logit, sigmoid

MODEL = "0" * 64


def scored_rows(start: int, stop: int) -> Iterator[tuple[Row, float]]:
    """Rows made one at a time, so that nothing but the code under test holds on to them."""
    for index in range(start, stop):
        random = np.random.default_rng(index)
        score = float(sigmoid(random.normal(0, 2)))
        label = label_from_preference(float(np.clip(score + random.normal(0, 0.1), 0, 1)))
        yield Row(line=index, prompt=f"prompt {index}", source=None, label=label), score


def sample_of(start: int, stop: int) -> ScoreSample:
    return count_scores(empty_sample(MODEL), scored_rows(start, stop))


def counts(sample: ScoreSample) -> list[list[int]]:
    parts = (sample.choose, sample.check)
    return [histogram.counts.tolist() for part in parts for histogram in (part.scores, part.severe)]


def test_resolution_is_what_the_documentation_says() -> None:
    grid = edges()
    assert grid.shape == (BINS - 1,)
    assert np.all(np.diff(grid) > 0)
    assert np.diff(grid).max() == pytest.approx(0.00012, abs=5e-6)
    between_1_and_2 = (edge_logits() >= 1) & (edge_logits() < 2)
    assert np.diff(logit(grid[between_1_and_2])).max() == pytest.approx(2.0**-11, rel=1e-2)
    assert logit(grid[[0, -1]]) == pytest.approx([-16, 16], abs=1e-2)


def test_a_logits_bin_is_its_scores_bin() -> None:
    random = np.random.default_rng(3)
    some = edge_logits()[random.integers(0, BINS - 1, 3000)]
    logits = np.concatenate(
        [random.normal(0, 4, 3000).astype(np.float32), some, np.nextafter(some, -np.inf), np.nextafter(some, np.inf)]
    )
    special = np.array([0.0, -0.0, np.inf, -np.inf, 2.0**-12, -(2.0**-12), 16, -16, 1e-45, -1e-45], np.float32)
    logits = np.concatenate([logits, special]).astype(np.float32)
    # As the runtime does, in float64 from the float32 logit, and strictly.
    scores = np.array([policy.sigmoid(float(value)) for value in logits])
    assert bins_of(logits).tolist() == np.searchsorted(edges(), scores, side="left").tolist()
    assert bins_of(edge_logits()).tolist() == list(range(BINS - 1))
    ordered = np.sort(logits)
    assert np.all(np.diff(bins_of(ordered).astype(int)) >= 0)
    with pytest.raises(ValueError, match="not a number"):
        bins_of([0.5, np.nan])


def test_counts_above_edges_are_the_decisions_of_the_runtime() -> None:
    grid = edges()
    random = np.random.default_rng(0)
    on_edges = random.choice(grid, 200)
    scores = np.concatenate(
        [random.random(500), on_edges, np.nextafter(on_edges, 0), np.nextafter(on_edges, 1), [0.0, 1.0]]
    )
    above = ScoreHistogram.empty().with_scores(scores).above_edges()
    for index in [0, BINS - 2, *np.searchsorted(grid, on_edges[:50])]:
        assert above[index] == np.sum(scores > grid[index])


def test_enclosing_edges_hold_the_order_statistics() -> None:
    scores = np.sort(np.random.default_rng(1).random(99))
    histogram = ScoreHistogram.empty().with_scores(scores)
    low, high = histogram.enclosing_edges(10, 20)
    assert low < scores[9] < scores[19] <= high
    assert high - low < scores[19] - scores[9] + 3e-4
    assert ScoreHistogram.empty().with_scores([0.0, 1.0]).enclosing_edges(1, 2) == (0.0, 1.0)


@pytest.mark.parametrize("score", [float("nan"), -0.1, 1.1])
def test_what_is_no_score_is_refused(score: float) -> None:
    with pytest.raises(ValueError, match="not a number in"):
        ScoreHistogram.empty().with_scores([0.5, score])


def test_memory_does_not_grow_with_the_stream() -> None:
    def peak(rows: int) -> int:
        tracemalloc.start()
        sample = count_scores(
            empty_sample(MODEL),
            ((Row(line=index, prompt=f"p{index}", source=None, label=None), 0.5) for index in range(rows)),
        )
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert sample.total == rows
        return highest

    # The first run also pays for what the interpreter and what counts lines make once.
    _, short, long = peak(100_000), peak(4_000), peak(100_000)
    assert long < short + 100_000


def test_merged_parts_are_one_pass() -> None:
    whole = sample_of(0, 3000)
    first, second, third = sample_of(0, 700), sample_of(700, 701), sample_of(701, 3000)
    merged = merge_samples(merge_samples(third, first), second)
    assert counts(merged) == counts(whole)
    assert choose_for_cloud_rate(merged, 0.65) == choose_for_cloud_rate(whole, 0.65)
    assert choose_for_catastrophic_miss(merged, 0.02) == choose_for_catastrophic_miss(whole, 0.02)


def test_both_parts_are_disjoint_and_about_as_large_as_stated() -> None:
    sample = sample_of(0, 3000)
    assert sample.check.scores.total == pytest.approx(900, abs=90)
    assert sample.total == sample.labelled == 3000


def test_other_models_or_rules_are_not_merged() -> None:
    sample = empty_sample(MODEL)
    for other in (
        empty_sample("1" * 64),
        empty_sample(MODEL, held_out_share=0.5),
        empty_sample(MODEL, miss_bound=0.8),
    ):
        with pytest.raises(DataError, match="cannot be merged"):
            merge_samples(sample, other)


def test_files_keep_every_count_and_no_prompt(tmp_path: Path) -> None:
    sample = sample_of(0, 500)
    path = tmp_path / "scores.json"
    save_sample(sample, path)
    assert counts(load_sample(path)) == counts(sample)
    assert "prompt" not in path.read_text()
    assert [file.name for file in tmp_path.iterdir()] == ["scores.json"]
    with pytest.raises(UsageError, match="exists"):
        save_sample(sample, path)


def replaced(**changes: object) -> dict[str, object]:
    empty: dict[str, object] = {"scores": [], "severe": []}
    content: dict[str, object] = {
        "schema": "vibe-router-histogram/2",
        "model": MODEL,
        "bins": BINS,
        "held_out_share": 0.3,
        "miss_bound": 0.9,
        "labelled": 0,
        "choose": empty,
        "check": empty,
    }
    return content | changes


@pytest.mark.parametrize(
    "content",
    [
        replaced(extra=1),
        replaced(schema="vibe-router-histogram/1"),
        replaced(bins=1024),
        replaced(bins=True),
        replaced(miss_bound=2.0),
        replaced(held_out_share=1.0),
        replaced(labelled=1),
        replaced(choose={"scores": []}),
        replaced(choose={"scores": [[3, 1], [2, 1]], "severe": []}),
        replaced(choose={"scores": [[3, 1], [3, 1]], "severe": []}),
        replaced(choose={"scores": [[BINS, 1]], "severe": []}),
        replaced(choose={"scores": [[-1, 1]], "severe": []}),
        replaced(choose={"scores": [[3, -1]], "severe": []}),
        replaced(choose={"scores": [[3, 10**30]], "severe": []}),
        replaced(choose={"scores": [[3, 1.0]], "severe": []}),
        replaced(choose={"scores": [[3, True]], "severe": []}),
        replaced(choose={"scores": {}, "severe": []}),
        replaced(choose={"scores": [], "severe": [[3, 1]]}),
        [],
        "text",
    ],
)
def test_files_are_read_strictly(tmp_path: Path, content: object) -> None:
    path = tmp_path / "scores.json"
    path.write_text(json.dumps(replaced()))
    assert load_sample(path).total == 0
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match="is not a histogram"):
        load_sample(path)


def test_missing_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read"):
        load_sample(tmp_path / "none.json")
    (tmp_path / "broken.json").write_bytes(b"\xff{")
    with pytest.raises(DataError, match="is not a histogram"):
        load_sample(tmp_path / "broken.json")
