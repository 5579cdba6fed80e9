"""Histograms by key: exact to the bin, the same bytes in any order, and thresholds from them."""

from __future__ import annotations

import json
import random
from pathlib import Path

import datasketches
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.command_line import CommandLine, Finished
from vibe_router import Router
from vibe_router.errors import DataError, UsageError
from vibe_router.integrations.arrow import route_table
from vibe_router_tools.calibration.histogram import bins_of, edge_logits
from vibe_router_tools.calibration.keyed import CountOptions, count_rows, merge_counts, sample_of

ROWS = 1500
"""Enough for a promise of 5 points at a cloud rate of a half: 376 prompts to choose on, 97 to check on."""


@pytest.fixture(scope="session")
def routed(labelled: Path, router: Router) -> pa.Table:
    rows = [json.loads(line) for line in labelled.read_text().splitlines()]
    table = pa.table(
        {
            "prompt": [row["prompt"] for row in rows],
            "p_teacher": [row["p_teacher"] for row in rows],
            "customer": [None if index % 7 == 0 else "ab"[index % 2] for index in range(len(rows))],
            "day": pa.array([index % 3 for index in range(len(rows))], pa.int8()),
        }
    )
    return route_table(router, table)


def json_of(done: Finished) -> dict[str, object]:
    assert (done.code, done.error) == (0, "")
    result: dict[str, object] = json.loads(done.out)
    return result


def written(table: pa.Table, path: Path) -> bytes:
    pq.write_table(table, path)
    return path.read_bytes()


def test_parts_merge_to_the_same_bytes_in_any_order(routed: pa.Table, tmp_path: Path) -> None:
    options = CountOptions(by=("customer", "day"), label="p_teacher")
    whole = written(count_rows(routed, options), tmp_path / "whole")
    chance = random.Random(0)
    for _ in range(3):
        cuts = sorted(chance.sample(range(1, ROWS), 9))
        parts = [
            count_rows(routed.slice(start, stop - start), options)
            for start, stop in zip([0, *cuts], [*cuts, ROWS], strict=True)
        ]
        chance.shuffle(parts)
        first, rest = merge_counts(parts[:4]), parts[4:]
        assert written(merge_counts([*rest, first]), tmp_path / "merged") == whole


def test_counts_are_those_of_the_rows(routed: pa.Table) -> None:
    counts = count_rows(routed, CountOptions(by=("customer",), label="p_teacher", miss_bound=0.7))
    sample = sample_of(counts, {"customer": "a"})
    mine = [row for row in routed.to_pylist() if row["customer"] == "a"]
    assert (sample.total, sample.labelled) == (len(mine), len(mine))
    both = sample.choose.scores.counts + sample.check.scores.counts
    assert np.array_equal(np.flatnonzero(both), np.unique(bins_of([row["logit"] for row in mine])))
    severe = sample.choose.severe.total + sample.check.severe.total
    assert severe == sum(row["p_teacher"] >= 0.7 for row in mine)
    assert sample_of(counts, {}).total == ROWS
    for edge in (0, 20_000, 40_000):
        above = sum(row["logit"] > edge_logits()[edge] for row in mine)
        assert sample.choose.scores.above_edges()[edge] + sample.check.scores.above_edges()[edge] == above


def test_rows_without_a_score_do_not_count(router: Router) -> None:
    table = route_table(router, pa.table({"prompt": ["hi", None]}))
    assert sample_of(count_rows(table, CountOptions()), {}).total == 1
    assert sample_of(count_rows(table.slice(1), CountOptions()), {}).total == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (CountOptions(by=("nobody",)), "no column 'nobody'"),
        (CountOptions(text="text"), "no column 'text'"),
        (CountOptions(label="label"), "no column 'label'"),
    ],
)
def test_missing_columns_are_named(routed: pa.Table, options: CountOptions, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        count_rows(routed, options)


def test_other_bundles_keys_and_bounds_are_not_merged(routed: pa.Table) -> None:
    counts = count_rows(routed, CountOptions())
    other = routed.drop_columns("bundle").append_column("bundle", pa.array(["0" * 64] * ROWS))
    different = (count_rows(routed, CountOptions(by=("day",))), count_rows(routed, CountOptions(miss_bound=0.5)))
    for wrong in (count_rows(other, CountOptions()), *different):
        with pytest.raises(DataError, match="cannot be merged"):
            merge_counts([counts, wrong])
    with pytest.raises(DataError, match="more than one bundle"):
        count_rows(pa.concat_tables([routed, other.select(routed.column_names)]), CountOptions())


def test_a_threshold_from_histograms_is_that_of_the_prompts(
    vibe_router: CommandLine, tiny_bundle: Path, labelled: Path, routed: pa.Table, tmp_path: Path
) -> None:
    (tmp_path / "results").mkdir()
    for index in range(3):
        pq.write_table(routed.slice(index * 500, 500), tmp_path / "results" / f"{index}.parquet")
    folder = tmp_path / "histograms"
    folder.mkdir()
    label = ("--label", "p_teacher", "--by", "customer", "--json")
    for name, files in (("x", "[01]"), ("y", "2")):
        place = f"{tmp_path}/results/{files}.parquet"
        done = json_of(vibe_router("histograms", place, "-o", folder / f"{name}.parquet", *label))
        assert done["counted"] == done["rows"]
    for goal in (("--target-cloud-rate", "0.6"), ("--max-catastrophic-miss", "0.05")):
        goal = (*goal, "-b", str(tiny_bundle), "--json")
        assert json_of(vibe_router("calibrate", "--from", folder, *goal)) == json_of(
            vibe_router("calibrate", labelled, "--threads", "1", *goal)
        )
    only = ("--where", "customer=a", "--tolerance", "0.08", "--target-cloud-rate", "0.6", "-b", tiny_bundle, "--json")
    assert json_of(vibe_router("calibrate", "--from", folder, *only))["prompts"] == routed.column(
        "customer"
    ).to_pylist().count("a")


def test_sketches_are_within_their_stated_error(
    vibe_router: CommandLine, tiny_bundle: Path, routed: pa.Table, tmp_path: Path
) -> None:
    pq.write_table(routed, tmp_path / "results.parquet")
    sketches, output = tmp_path / "sketches.parquet", tmp_path / "histograms.parquet"
    done = vibe_router("histograms", tmp_path / "results.parquet", "-o", output, "--sketches", sketches, "--by", "day")
    assert done.code == 0, done.error
    goal = ("--target-cloud-rate", "0.6", "-b", tiny_bundle, "--json")
    exact = json_of(vibe_router("calibrate", "--from", output, *goal))
    about = json_of(vibe_router("calibrate", "--from", sketches, *goal))
    assert about["prompts"] == exact["prompts"] == ROWS
    table = pq.read_table(sketches)
    read = [datasketches.kll_floats_sketch.deserialize(content) for content in table.column("sketch").to_pylist()]
    assert sum(sketch.n for sketch in read) == ROWS
    error = read[0].normalized_rank_error(False)
    threshold = about["threshold"]["calibrated"]  # type: ignore[index]
    scores = np.array(routed.column("p_cloud").to_pylist())
    wanted = exact["threshold"]["calibrated"]  # type: ignore[index]
    assert abs(np.mean(scores > threshold) - np.mean(scores > wanted)) <= error + 1 / ROWS
    both = vibe_router("calibrate", "--from", sketches, "--from", output, *goal)
    assert (both.code, "cannot be merged" in both.error) == (2, True)


def test_sketches_of_a_day_without_rows_count_as_nothing_and_of_nobody_are_said(
    vibe_router: CommandLine, tiny_bundle: Path, routed: pa.Table, tmp_path: Path
) -> None:
    (tmp_path / "sketches").mkdir()
    for name, rows in (("monday", routed), ("sunday", routed.slice(0, 0))):
        pq.write_table(rows, tmp_path / f"{name}.parquet")
        given = ("--sketches", tmp_path / "sketches" / f"{name}.parquet", "--by", "customer")
        done = vibe_router("histograms", tmp_path / f"{name}.parquet", "-o", tmp_path / f"counts-{name}", *given)
        assert done.code == 0, done.error
    goal = ("--target-cloud-rate", "0.6", "-b", tiny_bundle, "--json")
    assert json_of(vibe_router("calibrate", "--from", tmp_path / "sketches", *goal))["prompts"] == ROWS
    done = vibe_router("calibrate", "--from", tmp_path / "sketches", "--where", "customer=nobody", *goal)
    assert (done.code, "no row has customer=nobody" in done.error) == (2, True), done.error


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--from", "{h}", "--where", "day=1"), 2, "no key 'day'"),
        (("--from", "{h}", "--where", "customer=nobody"), 2, "no row has customer=nobody"),
        (("--from", "{h}", "--where", "customer"), 2, "no KEY=VALUE"),
        (("--from", "{h}", "--where", "customer=a", "--where", "customer=b"), 2, "'customer' has two values"),
        (("--where", "customer=a"), 2, "--where goes with --from"),
        (("--from", "{r}"), 1, "holds no counts"),
    ],
)
def test_what_cannot_be_read_is_said(
    vibe_router: CommandLine,
    tiny_bundle: Path,
    routed: pa.Table,
    tmp_path: Path,
    arguments: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    counts, results = tmp_path / "h.parquet", tmp_path / "r.parquet"
    pq.write_table(count_rows(routed, CountOptions(by=("customer",))), counts)
    pq.write_table(routed, results)
    given = [argument.replace("{h}", str(counts)).replace("{r}", str(results)) for argument in arguments]
    done = vibe_router("calibrate", *given, "--target-cloud-rate", "0.6", "-b", tiny_bundle)
    assert (done.code, said in done.error) == (code, True), done.error


def test_two_outputs_of_one_name_are_refused_before_any_is_written(
    vibe_router: CommandLine, tiny_bundle: Path, labelled: Path, routed: pa.Table, tmp_path: Path
) -> None:
    pq.write_table(routed, tmp_path / "r.parquet")
    one, again = tmp_path / "one", tmp_path / "." / ".." / tmp_path.name / "one"
    goal = ("--target-cloud-rate", "0.6", "--profile", "mine", "-b", tiny_bundle)
    for given in (
        ("histograms", tmp_path / "r.parquet", "-o", one, "--sketches", again),
        ("calibrate", labelled, *goal, "-o", one, "--save-histogram", again),
    ):
        done = vibe_router(*given)
        assert (done.code, "cannot both be" in done.error, one.exists()) == (2, True, False), done.error


def test_a_day_without_rows_counts_as_nothing(
    vibe_router: CommandLine, tiny_bundle: Path, routed: pa.Table, tmp_path: Path
) -> None:
    days, empty = tmp_path / "days", tmp_path / "empty.parquet"
    days.mkdir()
    pq.write_table(routed, days / "monday.parquet")
    pq.write_table(routed, tmp_path / "monday.parquet")
    for place in (days / "sunday.parquet", empty):
        pq.write_table(routed.schema.empty_table(), place)
    made = {name: tmp_path / f"counts-{name}.parquet" for name in ("days", "monday.parquet", "empty.parquet")}
    for name, counts in made.items():
        assert vibe_router("histograms", tmp_path / name, "-o", counts, "--by", "customer").code == 0
    assert made["days"].read_bytes() == made["monday.parquet"].read_bytes()
    done = vibe_router("calibrate", "--from", made["empty.parquet"], "--target-cloud-rate", "0.6", "-b", tiny_bundle)
    assert (done.code, "nothing was counted" in done.error) == (1, True), done.error
    pq.write_table(routed.schema.empty_table().drop_columns(["logit"]), empty)
    done = vibe_router("histograms", empty, "-o", tmp_path / "more.parquet")
    assert (done.code, "no column 'logit'" in done.error) == (2, True), done.error
