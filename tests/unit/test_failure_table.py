"""Every row of docs/failures.md's table, made to happen, in every way to ask: each column gives what it says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.bundles import write_bundle
from tests.support.failure_scenes import IN_THREADS_OF_CALLERS, SCENES, WAYS, WITH_TIMEOUT, Call, Options
from tests.support.failure_table import ROWS, Outcome, Raised, Row, failure_table
from vibe_router import Target, errors

PAGE = Path(__file__).resolve().parents[2] / "docs" / "failures.md"
ASKED = {"late": WITH_TIMEOUT, "no thread": IN_THREADS_OF_CALLERS}
CASES = [(row, way) for row in ROWS for way in WAYS if way in ASKED.get(row.scene, WAYS)]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize(("row", "way"), CASES, ids=[f"{row.scene}-{way}" for row, way in CASES])
def test_a_row_of_the_table(tmp_path: Path, row: Row, way: str) -> None:
    if row.scene.startswith("child") and not hasattr(os, "fork"):
        pytest.skip("this system cannot fork")
    judged = 0

    def check(call: Call) -> None:
        nonlocal judged
        judged += 1
        columns: list[tuple[Outcome, Options]] = [(row.neither, {}), (row.device, {"fallback": Target.DEVICE})]
        columns.append((row.cloud, {"fallback": Target.CLOUD}))
        columns += [(row.pinned, {"allow_cloud": False, "fallback": to}) for to in (None, *Target)]
        for outcome, options in columns:
            judge(call, outcome, options, scored=row.scene == "answered")

    SCENES[row.scene](write_bundle(tmp_path / "b"), WAYS[way], check)
    assert judged or row.scene.startswith("child"), "a scene that checks nothing"


def judge(call: Call, outcome: Outcome, options: Options, *, scored: bool) -> None:
    if isinstance(outcome, Raised):
        with pytest.raises(errors.VibeRouterError) as caught:
            call(options)
        assert type(caught.value).__name__ == outcome.error, (options, caught.value)
        return
    decision = call(options)
    assert decision.reason.value == outcome.reason, (options, decision)
    assert (decision.p_cloud is not None, decision.margin is not None) == (scored, scored)
    if outcome.target == "by score":
        assert decision.p_cloud is not None
        assert decision.target is (Target.CLOUD if decision.p_cloud > decision.threshold else Target.DEVICE)
    else:
        expected = options["fallback"] if outcome.target == "X" else Target(outcome.target)
        assert decision.target is expected, (options, decision)


def test_every_row_has_a_scene_of_its_own() -> None:
    assert sorted(row.scene for row in ROWS) == sorted(SCENES)


def test_the_page_holds_the_table() -> None:
    assert failure_table() in PAGE.read_text("utf-8")
