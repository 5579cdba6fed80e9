from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.support.bundles import PARITY, replace_file, tiny_graph, write_bundle
from tests.support.sequences import unpadded
from vibe_router import Router
from vibe_router.bundle.bundle import open_bundle
from vibe_router.bundle.manifest import EngineFile, ParityNumbers
from vibe_router.engines.choice import EngineChoice
from vibe_router.engines.cpus import available_cpus
from vibe_router.engines.onnx import host as x86
from vibe_router.engines.onnx.cpu import OnnxCpuEngine, _session_options
from vibe_router.engines.select import load_engine
from vibe_router.engines.usage import Usage
from vibe_router.errors import EngineError, EngineUnavailableError, UsageError
from vibe_router.routing.scorer import score

ONES = np.ones((2, 3), np.int64)


def engine_file(precision: str, parity: ParityNumbers | None = PARITY, kind: str = "onnx") -> EngineFile:
    return EngineFile(kind=kind, file=f"onnx/{precision}.onnx", precision=precision, parity=parity)


def constant_graph(value: float, *, output: str = "logits") -> bytes:
    """A graph that gives `value` for every prompt: value + 0 * sum(ids)."""
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["numbers", "axis"], ["sum"], keepdims=1),
        helper.make_node("Sub", ["sum", "sum"], ["zero"]),
        helper.make_node("Add", ["zero", "value"], [output]),
    ]
    model = tiny_graph(8, temperature=1.0)
    graph = helper.make_graph(
        nodes,
        "constant",
        list(model.graph.input),
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", 1])],
        [
            helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
            helper.make_tensor("value", TensorProto.FLOAT, [], [value]),
        ],
    )
    return onnx.ModelProto.SerializeToString(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    )


def load(content: bytes, *, precision: str = "fp32") -> OnnxCpuEngine:
    return OnnxCpuEngine(content, file="model.onnx", precision=precision, pad_token_id=0, threads=1)


def test_logits_are_one_finite_float32_a_prompt() -> None:
    logits = load(constant_graph(0.25)).logits(unpadded(ONES, ONES))
    assert logits.dtype == np.float32
    assert logits.tolist() == [0.25, 0.25]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_logit_that_is_not_finite_is_an_engine_failure(value: float) -> None:
    with pytest.raises(EngineError, match="finite"):
        score(load(constant_graph(value)), unpadded(ONES, ONES))


@pytest.mark.parametrize("content", [b"", b"not a graph", constant_graph(0.0, output="scores")])
def test_what_is_no_routers_graph_is_refused(content: bytes) -> None:
    with pytest.raises(EngineError, match=r"model\.onnx"):
        load(content)


def test_an_id_outside_the_vocabulary_is_an_engine_failure() -> None:
    with pytest.raises(EngineError, match="ONNX Runtime failed"):
        load(tiny_graph(8, temperature=1.0).SerializeToString()).logits(unpadded(ONES * 8, ONES))


def test_a_closed_engine_says_so() -> None:
    engine = load(constant_graph(0.0))
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.logits(unpadded(ONES, ONES))


@pytest.mark.parametrize(
    ("machine", "flags", "overflow"),
    [
        ("x86_64", "flags : avx2 avx512f avx512_vnni", False),
        ("AMD64", "flags : avx2 avx_vnni", False),
        ("x86_64", "flags : avx2 avx512f", True),
        ("x86_64", None, True),
        ("arm64", None, False),
        ("aarch64", "Features : asimddp", False),
    ],
)
def test_int8_products_are_trusted_where_the_processor_is_known_to_add_them_exactly(
    machine: str, flags: str | None, overflow: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "cpuinfo"
    if flags is not None:
        info.write_text(flags)
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(x86, "_CPU_INFO", info)
    assert x86.int8_products_overflow() is overflow
    load(constant_graph(0.0), precision="int8")


def test_padding_does_not_change_a_logit() -> None:
    engine = load(tiny_graph(8, temperature=1.0).SerializeToString())
    alone = engine.logits(unpadded(np.array([[1, 2]]), np.array([[1, 1]])))
    padded = engine.logits(unpadded(np.array([[1, 2, 7], [3, 4, 5]]), np.array([[1, 1, 0], [1, 1, 1]])))
    assert padded[0] == pytest.approx(alone[0], abs=1e-6)


def test_nothing_spins_between_prompts_and_only_a_lasting_engine_rearranges_weights() -> None:
    entries = {usage: _session_options(2, "fp32", usage) for usage in Usage}
    assert all(one.get_session_config_entry("session.force_spinning_stop") == "1" for one in entries.values())
    assert entries[Usage.ONCE].get_session_config_entry("session.disable_prepacking") == "1"
    with pytest.raises(RuntimeError):
        entries[Usage.REPEATEDLY].get_session_config_entry("session.disable_prepacking")


@pytest.mark.parametrize("usage", list(Usage))
def test_the_usage_does_not_change_a_logit(usage: Usage) -> None:
    content = tiny_graph(8, temperature=1.0).SerializeToString()
    engine = OnnxCpuEngine(content, file="model.onnx", precision="fp32", pad_token_id=0, threads=1, usage=usage)
    ids = np.array([[1, 2, 7], [3, 4, 5]])
    np.testing.assert_allclose(
        engine.logits(unpadded(ids, np.ones_like(ids))), load(content).logits(unpadded(ids, np.ones_like(ids)))
    )


def test_threads_are_those_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 3, 5}, raising=False)
    assert available_cpus() == 3
    monkeypatch.delattr("os.sched_getaffinity")
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert available_cpus() == 1


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ((engine_file("fp32", None),), "fp32"),
        ((engine_file("fp32"), engine_file("int8")), "int8"),
        ((engine_file("fp32"), engine_file("int8", None)), "fp32"),
        ((engine_file("fp32"), engine_file("int8", replace(PARITY, flips_outside_band=1))), "fp32"),
        ((engine_file("int4"), engine_file("fp32")), "fp32"),
    ],
    ids=["unproven fp32", "proven int8", "unproven int8", "failed int8", "int4"],
)
def test_auto_takes_the_fastest_proven_precision(tmp_path: Path, files: tuple[EngineFile, ...], expected: str) -> None:
    bundle = open_bundle(write_bundle(tmp_path / "b", engines=files))
    assert load_engine(bundle, EngineChoice(threads=1)).precision == expected


def test_auto_takes_no_low_precision_on_trust_but_a_named_one(tmp_path: Path) -> None:
    bundle = open_bundle(write_bundle(tmp_path / "b", engines=(engine_file("int8", None),)))
    with pytest.raises(EngineUnavailableError, match="no proven"):
        load_engine(bundle, EngineChoice())
    assert load_engine(bundle, EngineChoice(precision="int8", threads=1)).precision == "int8"


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"engine": "onx-cpu"}, "did you mean 'onnx-cpu'"),
        ({"engine": "coreml"}, "onnx-cpu"),
        ({"precision": "fp23"}, "did you mean 'fp32'"),
        ({"precision": "int8"}, "there are: fp32"),
    ],
)
def test_what_is_not_there_is_refused_by_name(tiny_bundle: Path, options: dict[str, str], hint: str) -> None:
    with pytest.raises(EngineUnavailableError) as caught:
        Router.load(tiny_bundle, **options)  # type: ignore[arg-type]
    assert hint in caught.value.hint
    assert caught.value.exit_code == 6


def test_a_bundle_for_another_engine_only_is_refused(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b", engines=(engine_file("fp16", kind="coreml"),))
    with pytest.raises(EngineUnavailableError, match="no proven onnx file"):
        Router.load(folder)


def test_no_threads_are_a_usage_error(tiny_bundle: Path) -> None:
    with pytest.raises(UsageError, match="threads"):
        Router.load(tiny_bundle, threads=0)


def test_a_graph_that_gives_nan_never_gives_a_decision(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b")
    replace_file(folder, "onnx/model.onnx", constant_graph(float("nan")))
    with Router.load(folder, threads=1) as router, pytest.raises(EngineError):
        router.route("hi")


@pytest.mark.parametrize(
    ("precision", "parity_band", "band"), [("fp32", 0.0, 1e-4), ("int8", 0.0, 0.02), ("int8", 0.05, 0.05)]
)
def test_the_band_of_batches_is_that_of_the_precision(precision: str, parity_band: float, band: float) -> None:
    content = constant_graph(0.0)
    engine = OnnxCpuEngine(
        content, file="model.onnx", precision=precision, pad_token_id=0, threads=1, parity_band=parity_band
    )
    assert engine.batch_band == band


ESCAPES = "\x1b]0;changed\x07\x1b[2J\x9b31m\u202e"


@pytest.mark.parametrize("timeout", [None, 30.0])
def test_a_failing_graph_writes_nothing_to_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], timeout: float | None
) -> None:
    """ONNX Runtime names the node in its error, and would write it to stderr as the graph has it."""
    write_bundle(tmp_path / "b")
    model = tiny_graph(16, temperature=1.0)
    model.graph.node[0].name = ESCAPES
    replace_file(tmp_path / "b", "onnx/model.onnx", model.SerializeToString())
    with Router.load(tmp_path / "b", threads=1) as router, pytest.raises(EngineError, match="Gather") as caught:
        router.route("an id beyond the sixteen rows of the table", timeout=timeout)
    assert "\\u001b]0;changed\\u0007" in caught.value.message
    assert str(caught.value) == caught.value.message
    assert not any(character in str(caught.value) for character in "\x1b\x07\x9b\u202e")
    assert capfd.readouterr() == ("", "")


def test_no_error_has_characters_that_a_terminal_obeys() -> None:
    error = EngineError(f"a{ESCAPES}", hint=f"b{ESCAPES}")
    assert (error.message, error.hint) == tuple(
        f"{letter}\\u001b]0;changed\\u0007\\u001b[2J\\u009b31m\\u202e" for letter in "ab"
    )
