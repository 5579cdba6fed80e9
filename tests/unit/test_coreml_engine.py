"""The Core ML engine's own logic, on any machine: which function runs, what it is given, when the engine is taken."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.bundles import PARITY, write_bundle
from tests.support.sequences import unpadded
from vibe_router import Router
from vibe_router.bundle.bundle import open_bundle
from vibe_router.bundle.manifest import EngineFile, ParityNumbers
from vibe_router.engines import select
from vibe_router.engines.choice import EngineChoice
from vibe_router.engines.coreml import models as coreml_models
from vibe_router.engines.coreml.engine import CoreMLEngine
from vibe_router.engines.select import load_engine
from vibe_router.errors import EngineError, EngineUnavailableError
from vibe_router.routing.scorer import score

PAD = 3
FILE = "coreml/VibeRouter.mlpackage"


class RecordingProgram:
    """Returns the sum of its ids and remembers them."""

    def __init__(self, lengths: Sequence[int] = (8, 16)) -> None:
        self.lengths = lengths
        self.seen: list[NDArray[np.int32]] = []
        self.closed = False

    def logit(self, input_ids: NDArray[np.int32]) -> float:
        self.seen.append(input_ids)
        return float(input_ids[input_ids != PAD].sum())

    def close(self) -> None:
        self.closed = True


def make_engine(program: Any) -> CoreMLEngine:
    return CoreMLEngine(program, name="coreml", file=FILE, precision="fp16", pad_token_id=PAD)


def test_each_row_runs_in_the_shortest_function_that_fits() -> None:
    program = RecordingProgram()
    engine = make_engine(program)
    program.seen.clear()
    ids = np.full((3, 12), PAD, np.int64)
    mask = np.zeros_like(ids)
    for row, tokens in enumerate((2, 8, 9)):
        ids[row, :tokens], mask[row, :tokens] = 7, 1
    np.testing.assert_array_equal(engine.logits(unpadded(ids, mask)), [14, 56, 63])
    assert [seen.shape for seen in program.seen] == [(1, 8), (1, 8), (1, 16)]
    assert all(seen.dtype == np.int32 for seen in program.seen)
    np.testing.assert_array_equal(program.seen[0], [[7, 7, *[PAD] * 6]])


def test_what_stands_behind_the_mask_is_not_passed_on() -> None:
    engine = make_engine(RecordingProgram())
    assert engine.logits(unpadded(np.array([[7, 7, 9, 9]]), np.array([[1, 1, 0, 0]])))[0] == 14


@pytest.mark.parametrize("pad", [0, 3])
def test_it_warms_up_with_one_token_that_is_not_padding(pad: int) -> None:
    program = RecordingProgram()
    CoreMLEngine(program, name="coreml", file=FILE, precision="fp16", pad_token_id=pad)
    (seen,) = program.seen
    assert seen.shape == (1, 8)
    assert np.count_nonzero(seen != pad) == 1


def test_more_tokens_than_any_function_takes_are_an_error() -> None:
    with pytest.raises(EngineError, match="17 tokens, only for 8, 16"):
        make_engine(RecordingProgram()).logits(unpadded(np.ones((1, 17), np.int64), np.ones((1, 17), np.int64)))


def test_a_package_without_functions_is_an_error() -> None:
    with pytest.raises(EngineError, match="no function"):
        make_engine(RecordingProgram(lengths=()))


def test_a_logit_that_is_not_finite_is_an_error() -> None:
    class Broken(RecordingProgram):
        def logit(self, input_ids: NDArray[np.int32]) -> float:
            return super().logit(input_ids) + float("inf")

    with pytest.raises(EngineError, match="not one finite logit"):
        score(make_engine(Broken()), [np.ones(3, np.int64)])


def test_a_closed_engine_says_so() -> None:
    program = RecordingProgram()
    engine = make_engine(program)
    engine.close()
    engine.close()
    assert program.closed
    with pytest.raises(EngineError, match="closed"):
        engine.logits(unpadded(np.ones((1, 2), np.int64), np.ones((1, 2), np.int64)))


def bundle_with(tmp_path: Path, parity: ParityNumbers | None) -> Path:
    onnx = EngineFile(kind="onnx", file="onnx/model.onnx", precision="fp32", parity=PARITY)
    # Its file stands for a package: a bundle is read without looking into engines that do not run.
    coreml = EngineFile(kind="coreml", file="coreml/model.bin", precision="fp16", parity=parity)
    return write_bundle(tmp_path / "bundle", engines=(onnx, coreml))


@pytest.mark.parametrize("engine", ["coreml", "coreml-cpu", "coreml-gpu", "coreml-ane"])
def test_asking_for_it_off_macos_is_refused(tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(EngineUnavailableError, match="cannot run here") as caught:
        Router.load(bundle_with(tmp_path, PARITY), engine=engine)
    assert caught.value.exit_code == 6
    assert "onnx-cpu" in caught.value.hint


@pytest.mark.parametrize(
    ("system", "machine", "installed", "parity", "expected"),
    [
        ("darwin", "arm64", True, PARITY, "coreml"),
        ("darwin", "arm64", True, None, "onnx-cpu"),
        ("darwin", "arm64", False, PARITY, "onnx-cpu"),
        ("darwin", "x86_64", True, PARITY, "onnx-cpu"),
        ("linux", "arm64", True, PARITY, "onnx-cpu"),
    ],
    ids=["apple silicon", "unproven", "no coremltools", "intel mac", "linux"],
)
def test_auto_takes_it_on_apple_silicon_where_it_is_proven(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    system: str,
    machine: str,
    installed: bool,
    parity: ParityNumbers | None,
    expected: str,
) -> None:
    monkeypatch.setattr(select.sys, "platform", system)
    monkeypatch.setattr(select.platform, "machine", lambda: machine)
    monkeypatch.setattr(select, "find_spec", lambda _: object() if installed else None)
    monkeypatch.setattr(coreml_models, "load_programs", lambda *_, **__: RecordingProgram())
    bundle = open_bundle(bundle_with(tmp_path, parity))
    assert load_engine(bundle, EngineChoice(threads=1)).name == expected
    assert load_engine(bundle, EngineChoice(precision="fp32", threads=1)).name == "onnx-cpu"


def test_a_named_engine_is_loaded_with_its_compute_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load(_: Any, file: EngineFile, *, engine: str) -> RecordingProgram:
        asked.append((file.file, coreml_models.COMPUTE_UNITS[engine]))
        return RecordingProgram()

    monkeypatch.setattr(select.sys, "platform", "darwin")
    monkeypatch.setattr(coreml_models, "load_programs", load)
    bundle = open_bundle(bundle_with(tmp_path, PARITY))
    assert load_engine(bundle, EngineChoice(engine="coreml-ane")).name == "coreml-ane"
    assert asked == [("coreml/model.bin", "CPU_AND_NE")]
