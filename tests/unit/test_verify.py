from __future__ import annotations

import json
import math
from array import array
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.bundles import PARITY, RAW_THRESHOLDS, replace_file, tiny_graph, write_bundle
from tests.support.native import needs_native_engine
from vibe_router import Router
from vibe_router.bundle.manifest import EngineFile
from vibe_router.engines.native.router_file import ArrayPrompt, RouterFile
from vibe_router.errors import BundleCorruptError, ParityError
from vibe_router.progress import Progress
from vibe_router.verify import VerifyReport, verify


def report_of(folder: Path) -> VerifyReport:
    with Router.load(folder, threads=1) as router:
        return verify(router)


def change_golden(folder: Path, line: int, **fields: object) -> None:
    rows = [json.loads(row) for row in (folder / "golden.jsonl").read_text().splitlines()]
    rows[line].update(fields)
    replace_file(folder, "golden.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())


@pytest.mark.parametrize("folded", [True, False])
def test_a_sound_bundle_passes(tmp_path: Path, folded: bool) -> None:
    report = report_of(write_bundle(tmp_path / "b", folded=folded))
    report.require()
    assert report.id_mismatches == 0
    assert 0 < report.max_abs_logit_difference < 1e-5
    assert {item.profile for item in report.profiles} == set(RAW_THRESHOLDS)


def test_progress_is_told(tiny_bundle: Path) -> None:
    events: list[Progress] = []
    with Router.load(tiny_bundle, threads=1) as router:
        report = verify(router, progress=events.append)
    assert events[-1] == Progress(report.prompts, report.prompts)


def test_other_ids_fail(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b")
    change_golden(folder, 2, input_ids=[1, 9, 2])
    with pytest.raises(ParityError, match="1 of 9 prompts have other token ids"):
        report_of(folder).require()


@needs_native_engine
def test_other_ids_of_the_tokenizer_in_the_native_file_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    with Router.load(engine="native-cpu") as router:
        assert verify(router).id_mismatches == 0
        monkeypatch.setattr(RouterFile, "encode", lambda *_: ArrayPrompt(array("q", [9]), False))
        report = verify(router)
    assert report.id_mismatches == report.prompts


def test_another_truncation_fails(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b")
    change_golden(folder, 2, truncated=True)
    assert not report_of(folder).passed


def test_a_logit_off_by_more_than_the_tolerance_fails_and_is_named(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b")
    golden = json.loads((folder / "golden.jsonl").read_text().splitlines()[4])
    change_golden(folder, 4, logit=golden["logit"] + 2e-4)
    report = report_of(folder)
    assert report.worst_prompt == 4
    with pytest.raises(ParityError, match="golden prompt 4"):
        report.require()


def test_an_unfolded_temperature_fails(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b")
    vocabulary = json.loads((folder / "tokenizer.json").read_text())
    size = len({**vocabulary["model"]["vocab"], **{item["content"]: 0 for item in vocabulary["added_tokens"]}})
    replace_file(folder, "onnx/model.onnx", tiny_graph(size, temperature=1.0).SerializeToString())
    with pytest.raises(ParityError):
        report_of(folder).require()


@pytest.mark.parametrize(("distance", "passes"), [(0.005, True), (0.2, False)])
def test_low_precision_flips_only_inside_its_band(tmp_path: Path, distance: float, passes: bool) -> None:
    file = EngineFile(kind="onnx", file="onnx/model.onnx", precision="int8", parity=replace(PARITY, band=0.02))
    folder = write_bundle(tmp_path / "b", engines=(file,))
    with Router.load(folder, threads=1) as router:
        above = next(
            index
            for index, row in enumerate((folder / "golden.jsonl").read_text().splitlines())
            if router.route(json.loads(row)["prompt"], profile="max-quality").margin > 0
        )
        threshold = router.route("hi", profile="max-quality").threshold
    below = threshold - distance
    change_golden(folder, above, logit=math.log(below / (1 - below)))
    report = report_of(folder)
    flips = next(item for item in report.profiles if item.profile == "max-quality")
    assert flips.flips == 1
    assert flips.flips_outside_band == (0 if passes else 1)
    assert report.tolerance is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]\n",
        b"{}\n",
        b"nonsense\n",
        b'{"prompt": 1, "input_ids": [1], "truncated": false, "logit": 0}\n',
        b'{"prompt": "a", "input_ids": [1], "truncated": false, "logit": NaN}\n',
        b'{"prompt": "a", "input_ids": [1], "truncated": false, "logit": 1' + b"0" * 400 + b"}\n",
    ],
)
def test_what_are_no_golden_prompts_is_refused(tmp_path: Path, content: bytes) -> None:
    folder = write_bundle(tmp_path / "b")
    replace_file(folder, "golden.jsonl", content)
    with pytest.raises(BundleCorruptError, match=r"golden\.jsonl"):
        report_of(folder)
