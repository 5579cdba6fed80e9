"""A bundle for other runtimes: what is written loads and scores as the golden prompts say, or nothing is there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.support.checkpoints import small_config, write_checkpoint
from vibe_router import Router
from vibe_router.bundle.bundle import bundled_folder
from vibe_router.errors import ParityError, UsageError
from vibe_router_export.checkpoint.checkpoint import read_checkpoint
from vibe_router_export.choices import Precision, ReferenceChoice, RuntimeFormat
from vibe_router_export.cli import build_app
from vibe_router_export.deployment import deploy
from vibe_router_export.export import ExportOptions, export_onnx

onnxruntime = pytest.importorskip("onnxruntime")

FP32 = Precision.FP32


def p_cloud(file: Path, ids: list[int]) -> float:
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    row = np.array([ids], np.int64)
    return float(session.run(["p_cloud"], {"input_ids": row, "attention_mask": np.ones_like(row)})[0][0, 0])


def written(to: RuntimeFormat, target: Path) -> Path:
    return target if to is RuntimeFormat.ORT else target / "nano" / "1" / "model.onnx"


@pytest.mark.parametrize("to", RuntimeFormat)
def test_what_is_written_scores_as_the_router_does(tmp_path: Path, to: RuntimeFormat) -> None:
    target = tmp_path / "out.ort"
    arguments = ["deploy", str(bundled_folder()), "-o", str(target), "--to", to.value]
    finished = CliRunner().invoke(build_app(), arguments, catch_exceptions=False)
    assert finished.exit_code == 0, finished.output
    with Router.load(engine="onnx-cpu", precision="fp32") as router:
        expected = router.route("Write a haiku about the sea").p_cloud
        ids = router.tokenizer.encode("Write a haiku about the sea").ids.tolist()
    assert p_cloud(written(to, target), ids) == pytest.approx(expected, abs=1e-6)
    with pytest.raises(UsageError):
        deploy(bundled_folder(), target, to=to, precision=FP32)
    deploy(bundled_folder(), target, to=to, precision=FP32, overwrite=True)


def test_in_int8_both_are_written_from_the_int8_graph(tmp_path: Path) -> None:
    checkpoint = read_checkpoint(write_checkpoint(tmp_path / "small", small_config()))
    options = ExportOptions(reference=ReferenceChoice.NONE, max_flips=10_000, precisions=(FP32, Precision.INT8))
    export_onnx(checkpoint, tmp_path / "bundle", options=options)
    for to in RuntimeFormat:
        exact, rounded = (
            deploy(tmp_path / "bundle", tmp_path / f"{to.value}-{precision.value}", to=to, precision=precision)
            for precision in (FP32, Precision.INT8)
        )
        assert exact < 1e-5 < rounded < 2e-2


def test_triton_finds_the_inputs_and_outputs_of_the_graph(tmp_path: Path) -> None:
    deploy(bundled_folder(), tmp_path / "models", to=RuntimeFormat.TRITON, precision=FP32)
    folder = tmp_path / "models" / "nano"
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        "1/model.onnx",
        "1/model.onnx_data",
        "config.pbtxt",
    ]
    config = (folder / "config.pbtxt").read_text()
    session = onnxruntime.InferenceSession(str(folder / "1" / "model.onnx"), providers=["CPUExecutionProvider"])
    types = {"tensor(int64)": "TYPE_INT64", "tensor(float)": "TYPE_FP32"}
    for one in (*session.get_inputs(), *session.get_outputs()):
        # The first dimension is the batch, which Triton adds by itself.
        size = one.shape[1] if isinstance(one.shape[1], int) else -1
        assert f'{{ name: "{one.name}" data_type: {types[one.type]} dims: [ {size} ] }}' in config


def test_a_bundle_without_the_graph_is_refused(tmp_path: Path) -> None:
    for precision in (Precision.INT8, Precision.INT4):
        with pytest.raises(UsageError, match="no portable graph"):
            deploy(bundled_folder(), tmp_path / "x", to=RuntimeFormat.ORT, precision=precision)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("to", RuntimeFormat)
def test_nothing_is_written_that_scores_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: RuntimeFormat
) -> None:
    from vibe_router.verify import read_golden

    monkeypatch.setattr(
        "vibe_router_export.deployment.read_golden",
        lambda bundle: [replace(prompt, logit=prompt.logit + 0.001) for prompt in read_golden(bundle)],
    )
    with pytest.raises(ParityError, match="golden prompt"):
        deploy(bundled_folder(), tmp_path / "x", to=to, precision=FP32)
    assert not list(tmp_path.iterdir())
