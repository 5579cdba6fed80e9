"""Contenders run in processes of their own, one at a time, and none is lost from the results."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers.client import Worker, WorkerError
from benchmarks.peers.contenders.registry import ALL, choose
from benchmarks.peers.contenders.scorer import TextScorer
from benchmarks.peers.outcome import Status
from benchmarks.peers.sources import NotInstalledError, NotMeasurableError, Sources, read_sources
from benchmarks.peers.team import Team, assembled
from benchmarks.peers.worker import Operations
from tests.support.bundles import tiny_logit, write_bundle
from vibe_router.bundle.bundle import bundled_folder
from vibe_router.errors import UsageError

POSIX = sys.platform != "win32"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


def interpreter(folder: Path, script: str) -> Path:
    """An interpreter that does something else than run Python."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def rests(process_id: int) -> bool:
    """Whether the process is stopped; the signal needs a moment. True where the system does not tell."""
    state = Path(f"/proc/{process_id}/stat")
    if not state.exists():
        return True
    for _ in range(1000):
        if state.read_text().rsplit(")", 1)[1].split()[0] == "T":
            return True
        time.sleep(0.01)
    return False


def test_a_worker_answers_and_rests(bundle: Path) -> None:
    with Worker(ALL["ours-fp32"], Sources(checkpoint=None, bundle=bundle), threads=1) as worker:
        answer = worker.ask("time_ids", ids=[5, 6, 7], calls=3, warm_up=1, limit=10.0)
        assert len(answer["seconds"]) == 3
        assert answer["logit"] == pytest.approx(tiny_logit([5, 6, 7]), abs=1e-4)
        with pytest.raises(WorkerError, match="EngineError"):
            worker.ask("time_ids", ids=[10**9], calls=1, warm_up=0, limit=1.0)
        assert worker.ask("time_prompt", prompt="hi", calls=2, warm_up=0)["seconds"][1] > 0
        assert rests(worker.process_id)


@pytest.mark.skipif(not POSIX, reason="stands in for an interpreter with a shell script")
@pytest.mark.parametrize(
    ("script", "status", "detail"),
    [
        ("""echo '{"missing": ["openvino"]}'""", Status.NOT_INSTALLED, "not installed: openvino"),
        ("""echo '{"error": "RuntimeError: no such CPU"}'""", Status.FAILED, "no such CPU"),
        ("echo out of luck >&2; exit 3", Status.FAILED, "ended with exit code 3: out of luck"),
    ],
)
def test_what_cannot_run_is_named_with_the_reason(tmp_path: Path, script: str, status: Status, detail: str) -> None:
    checkpoint = tmp_path / "small"
    (tmp_path / "work" / "small" / "openvino").mkdir(parents=True)
    sources = Sources(
        checkpoint=checkpoint,
        bundle=None,
        work=tmp_path / "work",
        pythons={"openvino": interpreter(tmp_path, script)},
    )
    with assembled(choose(["openvino-fp32", "openvino-bf16"]), sources, threads=1) as team:
        assert team.workers == []
        assert [outcome.key for outcome in team.outcomes.values()] == ["openvino-fp32", "openvino-bf16"]
        for outcome in team.outcomes.values():
            assert outcome.status is status
            assert detail in outcome.detail
            assert outcome.fields()["status"] == status.value


@pytest.mark.skipif(not POSIX, reason="stands in for an interpreter with a shell script")
def test_a_failed_preparation_says_why(tmp_path: Path) -> None:
    broken = interpreter(tmp_path, "echo no compiler >&2; exit 1")
    sources = Sources(checkpoint=tmp_path, bundle=None, work=tmp_path / "work", pythons={"optimum": broken})
    with pytest.raises(NotMeasurableError, match="preparing failed: no compiler") as caught:
        sources.load(ALL["optimum-fp32"], threads=1)
    assert caught.value.status is Status.FAILED


@pytest.mark.parametrize("modules", [("json",), ("json", "no_such_library", "no_such.library")])
def test_an_interpreter_is_asked_for_its_libraries(modules: tuple[str, ...]) -> None:
    contender = replace(ALL["pytorch-fp32"], modules=modules)
    sources = Sources(checkpoint=None, bundle=None)
    if modules == ("json",):
        sources.require(contender)
        return
    with pytest.raises(NotInstalledError, match=r"^not installed: no_such_library, no_such\.library$"):
        sources.require(contender)


def test_a_worker_that_fails_later_leaves_the_team(bundle: Path) -> None:
    team = Team()
    worker = team.add(ALL["ours-fp32"], Sources(checkpoint=None, bundle=bundle), threads=1)
    assert worker is not None
    assert team.ask(worker, "time_ids", ids=[10**9], calls=1, warm_up=0, limit=1.0) is None
    assert team.workers == []
    assert team.outcomes["ours-fp32"].status is Status.FAILED


def test_what_a_bundle_lacks_is_made_of_the_checkpoint(bundle: Path, tmp_path: Path) -> None:
    """An absent precision is neither an error nor dropped."""
    only = Sources(checkpoint=None, bundle=bundle, work=tmp_path)
    assert only.load(ALL["ours-fp32"], threads=1).bundle == bundle
    with pytest.raises(NotMeasurableError, match="only a bundle was given") as caught:
        only.load(ALL["ours-int4"], threads=1)
    assert caught.value.status is Status.NOT_HERE
    (tmp_path / "tiny" / "bundle-int4").mkdir(parents=True)
    both = replace(only, checkpoint=tmp_path / "tiny")
    assert both.load(ALL["ours-fp32"], threads=1).bundle == bundle
    assert both.load(ALL["ours-int4"], threads=1).artifact == tmp_path / "tiny" / "bundle-int4"


def test_peers_need_the_checkpoint(bundle: Path) -> None:
    with pytest.raises(NotMeasurableError, match="only a bundle was given"):
        Sources(checkpoint=None, bundle=bundle).load(ALL["pytorch-fp32"], threads=1)


def test_sources_are_told_apart_by_their_files(tmp_path: Path, bundle: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "config.json").write_text("{}")
    found = read_sources([str(bundle), str(checkpoint)], work=tmp_path, pythons=["openvino=ov/bin/python"])
    assert (found.checkpoint, found.bundle, found.name) == (checkpoint, bundle, "checkpoint")
    assert found.python(ALL["openvino-ptq"]) == Path("ov/bin/python").absolute()
    assert found.python(ALL["ours-int8"]) == Path(sys.executable)
    for arguments, pythons, message in (
        ([str(tmp_path)], [], "neither a checkpoint nor a bundle"),
        ([str(bundle), str(bundle)], [], "are both a bundle"),
        ([str(bundle)], ["openvino"], "not FAMILY=INTERPRETER"),
    ):
        with pytest.raises(UsageError, match=message):
            read_sources(arguments, work=None, pythons=pythons)


def test_contenders_are_chosen_by_key_or_family() -> None:
    assert [contender.key for contender in choose(["optimum", "ours-int4"])] == ["ours-int4", "optimum-fp32"]
    assert len(choose(None)) == len(ALL) == 17
    with pytest.raises(UsageError, match="no engine 'ours-int9'"):
        choose(["ours-int9"])


@pytest.mark.skipif(sys.platform == "darwin", reason="Core ML runs there")
def test_engines_for_other_machines_are_listed_with_the_reason() -> None:
    sources = Sources(checkpoint=None, bundle=bundled_folder())
    with assembled(choose(["ours-coreml-ane"]), sources, threads=1) as team:
        assert team.workers == []
        (outcome,) = team.outcomes.values()
    assert (outcome.status, outcome.detail) == (Status.NOT_HERE, "Core ML runs on macOS only")
    here = replace(ALL["ours-onnx-cuda"], obstacle=lambda: None)
    for bare in (replace(sources, checkpoint=bundled_folder(), bundle=None), sources):
        with pytest.raises(NotMeasurableError, match="needs a bundle"):
            bare.load(here, threads=1)


class _Sum(TextScorer):
    """Scores by the sum of the ids that are not padding."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, ...]] = []
        super().__init__(lambda text: np.array([len(text)] * len(text)), self._sums, pad_token_id=0)

    def _sums(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        self.batches.append(ids.shape)
        return (ids * mask).sum(1).astype(np.float32) - 50


def test_peers_decide_batches_as_they_decide_alone() -> None:
    scorer = _Sum()
    prompts = ["x" * size for size in (9, 1, 8, 2, 7, 3)] * 8
    batched = Operations(scorer)
    decisions = batched.scorer.decide_many(prompts)
    assert [shape[0] for shape in scorer.batches] == [32, 16]
    assert decisions == [scorer.decide(prompt) for prompt in prompts]
    assert len(set(decisions)) == 2
