from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from benchmarks.hardening.fuzzing.campaign import Budget, run_campaign
from benchmarks.hardening.fuzzing.mutations import mutate_bytes, mutate_json
from benchmarks.hardening.fuzzing.sandbox import Sandbox, write_bundle, write_checkpoint
from benchmarks.hardening.fuzzing.subjects import TARGETS, Folders, Kind, judge, known_decisions
from benchmarks.hardening.fuzzing.tamper import REHASHED, TAMPER, Change, Tampering, all_subjects, dump, tamperings
from benchmarks.results_file import RESULTS
from vibe_router.errors import BundleCorruptError


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    made = Folders.below(tmp_path_factory.mktemp("fuzzing"))
    for seed, (checkpoint, bundle) in enumerate(
        ((made.checkpoint, made.bundle), (made.other.with_name("second"), made.other))
    ):
        write_checkpoint(checkpoint, seed=seed)
        write_bundle(checkpoint, bundle)
    return made


def test_mutations_repeat_with_their_seed_and_change_something() -> None:
    document = {"a": [1, 2, {"b": "c"}], "d": 1.5}
    content = json.dumps(document).encode()
    for seed in range(50):
        assert mutate_bytes(content, random.Random(seed)) == mutate_bytes(content, random.Random(seed))
        assert mutate_json(document, random.Random(seed)) == mutate_json(document, random.Random(seed))
    assert len({mutate_json(document, random.Random(seed)) for seed in range(50)}) > 30
    assert document == {"a": [1, 2, {"b": "c"}], "d": 1.5}


# Only readers in Python run here; what may crash natively has a process of its own, see the slow test.
@pytest.mark.parametrize(
    ("target", "inputs"), [("manifest", 40), ("config", 20), ("golden", 2), ("safetensors", 20), ("prompt", 20)]
)
def test_hostile_inputs_are_accepted_or_refused_with_a_typed_error(target: str, inputs: int, folders: Folders) -> None:
    subject = TARGETS[target](folders)
    for number in range(inputs):
        outcome = judge(subject.check, subject.make(random.Random(f"test {number}")))
        assert outcome.kind in (Kind.ACCEPTED, Kind.TYPED_ERROR), (number, outcome)
    for folder in (folders.bundle, folders.checkpoint):
        for name, content in Sandbox(folder).originals.items():
            (folder / name).write_bytes(content)
    known_decisions(folders.bundle)


def test_what_must_not_happen_is_told_apart() -> None:
    def fail(content: bytes) -> None:
        raise {b"typed": BundleCorruptError("bad"), b"crash": KeyError("x")}[content]

    assert judge(fail, b"typed").kind is Kind.TYPED_ERROR
    assert judge(fail, b"crash").kind is Kind.CRASH
    assert judge(len, b"").kind is Kind.ACCEPTED


@pytest.mark.parametrize("file", ["config.json", "onnx/model.onnx"])
def test_tampering_is_noticed(file: str, folders: Folders) -> None:
    subject = all_subjects()[TAMPER](folders)
    for change in (Change.FLIP, Change.EMPTY, Change.REMOVE, Change.SWAP_BUNDLE):
        tampering = Tampering(file=file, change=change, region=3, regions=7, rehash=False)
        outcome = judge(subject.check, dump(tampering))
        same = file == "config.json" and change is Change.SWAP_BUNDLE
        assert outcome.kind is (Kind.ACCEPTED if same else Kind.TYPED_ERROR), (change, outcome)


def test_every_file_meets_every_change() -> None:
    every = [one for rehash in (False, True) for one in tamperings(["a", "b", "c"], regions=4, rehash=rehash)]
    assert len(every) == len(set(every)) == 3 * 2 * (4 * 4 + 3 + 2)


def test_published_tamperings_are_as_many_as_a_run_of_today_makes(folders: Folders) -> None:
    published = json.loads((RESULTS / "fuzz.json").read_text("utf-8"))["targets"]
    files = list(Sandbox(folders.bundle).originals)
    today = {
        target: len(list(tamperings(files, regions=8, rehash=target == REHASHED))) for target in (TAMPER, REHASHED)
    }
    assert published[TAMPER]["inputs"] == today[TAMPER]
    assert published.get(REHASHED, {"inputs": today[REHASHED]})["inputs"] == today[REHASHED]


def test_what_is_published_has_a_target_and_no_failure() -> None:
    published = json.loads((RESULTS / "fuzz.json").read_text("utf-8"))["targets"]
    assert set(published) <= set(all_subjects())
    for one in published.values():
        assert [one["outcomes"][kind] for kind in ("crash", "hang", "wrong answer")] == [0, 0, 0]


@pytest.mark.slow
@pytest.mark.parametrize("target", list(all_subjects()))
def test_each_target_in_a_process_of_its_own(target: str, tmp_path: Path) -> None:
    campaign = run_campaign(target, tmp_path, budget=Budget(inputs=300, seconds=120), seed=7, regions=4)
    assert campaign.inputs > 10
    assert campaign.failed == 0, campaign.failures
