"""The CUDA engine's own logic, on any machine: when it is taken, when it is refused, what it gives the session."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from tests.support.bundles import PARITY, tiny_graph, write_bundle
from tests.support.sequences import unpadded
from vibe_router import Router
from vibe_router.bundle.bundle import open_bundle
from vibe_router.bundle.manifest import EngineFile, ParityNumbers
from vibe_router.engines.choice import EngineChoice
from vibe_router.engines.onnx import cuda as onnx_cuda
from vibe_router.engines.onnx import cuda_session
from vibe_router.engines.onnx.cpu import OnnxCpuEngine
from vibe_router.engines.onnx.cuda import OnnxCudaEngine
from vibe_router.engines.onnx.cuda_session import PROVIDER, cuda_problem, open_cuda_session
from vibe_router.engines.select import load_engine
from vibe_router.errors import EngineError, EngineUnavailableError
from vibe_router.routing.scorer import score

NAMES = ("onnx-cuda", "onnx-cuda-graphs")
VOCABULARY = 8
GRAPH = tiny_graph(VOCABULARY, temperature=1.0).SerializeToString()
has_gpu = cuda_problem() is None
without_gpu = pytest.mark.skipif(has_gpu, reason="there is a GPU here, and the engine rightly runs")


def file(precision: str, parity: ParityNumbers | None = PARITY) -> EngineFile:
    return EngineFile(kind="onnx", file=f"onnx/{precision}.onnx", precision=precision, parity=parity)


def bundle_with(folder: Path, *files: EngineFile) -> Any:
    return open_bundle(write_bundle(folder / "bundle", engines=files))


def cpu_session(content: bytes = GRAPH) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def make_engine(session: Any = None, **changes: Any) -> OnnxCudaEngine:
    settings = {"file": "m.onnx", "precision": "fp16", "pad_token_id": 3, "max_tokens": 50, "device": "cpu"} | changes
    return OnnxCudaEngine(session or cpu_session(), **settings)


@without_gpu
@pytest.mark.parametrize("name", NAMES)
def test_without_a_gpu_it_is_refused_with_what_to_install(name: str, tmp_path: Path) -> None:
    write_bundle(tmp_path / "b", engines=(file("fp32"), file("fp16")))
    with pytest.raises(EngineUnavailableError, match="the CUDA engine cannot run here") as caught:
        Router.load(tmp_path / "b", engine=name)
    assert caught.value.exit_code == 6
    assert "pip install 'onnxruntime-gpu[cuda,cudnn]'" in caught.value.hint


@without_gpu
def test_a_provider_without_a_gpu_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [PROVIDER, "CPUExecutionProvider"])
    problem = cuda_problem()
    assert problem is not None
    assert "NVIDIA driver" in problem
    monkeypatch.setattr(cuda_session, "_driver_problem", lambda: None)
    assert (cuda_problem() or "").startswith("ONNX Runtime cannot start CUDA: ")


@pytest.mark.parametrize(("status", "problem"), [(0, None), (100, "offers no GPU (cuInit gives 100)")])
def test_the_driver_is_asked_for_a_gpu(status: int, problem: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    class Driver:
        def cuInit(self, flags: int) -> int:  # noqa: N802 - the driver's name for it
            assert flags == 0
            return status

    monkeypatch.setattr(cuda_session.ctypes, "CDLL", lambda _: Driver())
    assert cuda_session._driver_problem() == (problem and f"the NVIDIA driver {problem}")


@without_gpu
@pytest.mark.filterwarnings("ignore:Specified provider 'CUDAExecutionProvider':UserWarning")
def test_onnxruntime_itself_is_not_let_fall_back_to_the_cpu(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(EngineUnavailableError):
        open_cuda_session(GRAPH, file="m.onnx", cuda_graphs=False)
    assert capfd.readouterr().out == "", "its own fallback prints"


@pytest.mark.parametrize("cuda_graphs", [False, True])
def test_the_session_is_asked_for_on_the_gpu_alone(cuda_graphs: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    class Session:
        def __init__(self, content: object, *, sess_options: Any, **settings: Any) -> None:
            asked.update(settings, content=content, options=sess_options)

        def get_providers(self) -> list[str]:
            return [PROVIDER, "CPUExecutionProvider"] if asked["enable_fallback"] == 0 else ["CPUExecutionProvider"]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    assert isinstance(open_cuda_session(Path("m.onnx"), file="m.onnx", cuda_graphs=cuda_graphs), Session)
    ((provider, settings),) = asked["providers"]
    assert provider == PROVIDER
    assert settings["enable_cuda_graph"] == str(int(cuda_graphs))
    assert asked["content"] == "m.onnx"
    assert asked["options"].get_session_config_entry("session.disable_cpu_ep_fallback") == "1"

    monkeypatch.setattr(Session, "get_providers", lambda _: ["CPUExecutionProvider"])
    with pytest.raises(EngineUnavailableError, match="chose CPUExecutionProvider instead of the GPU"):
        open_cuda_session(b"", file="m.onnx", cuda_graphs=cuda_graphs)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend: sessions of the CPU pass for sessions of a GPU."""
    monkeypatch.setattr(cuda_session, "cuda_problem", lambda: None)
    monkeypatch.setattr(cuda_session, "open_cuda_session", lambda content, **_: cpu_session(content))


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize(
    ("files", "name", "precision"),
    [
        ((file("fp32"), file("fp16")), "onnx-cuda", "fp16"),
        ((file("int8"), file("fp16")), "onnx-cuda", "fp16"),
        ((file("fp32"), file("fp16", None)), "onnx-cpu", "fp32"),
        ((file("fp32"), file("fp16", replace(PARITY, flips_outside_band=1))), "onnx-cpu", "fp32"),
        ((file("fp32"), file("int8")), "onnx-cpu", "int8"),
    ],
    ids=["proven", "before int8", "unproven", "failed", "no fp16"],
)
def test_auto_takes_a_gpu_for_a_proven_graph(
    files: tuple[EngineFile, ...], name: str, precision: str, tmp_path: Path
) -> None:
    engine = load_engine(bundle_with(tmp_path, *files), EngineChoice(threads=1))
    assert (engine.name, engine.precision) == (name, precision)


@pytest.mark.usefixtures("gpu")
def test_auto_takes_the_cpu_where_the_gpu_fails_after_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise EngineUnavailableError("out of memory")

    monkeypatch.setattr(cuda_session, "open_cuda_session", refuse)
    bundle = bundle_with(tmp_path, file("fp32"), file("fp16"))
    engine = load_engine(bundle, EngineChoice(threads=1))
    assert (engine.name, engine.precision) == ("onnx-cpu", "fp32")
    with pytest.raises(EngineUnavailableError, match="out of memory"):
        load_engine(bundle, EngineChoice(engine="onnx-cuda"))


@without_gpu
def test_without_a_gpu_auto_never_takes_fp16_but_a_named_one_runs(tmp_path: Path) -> None:
    bundle = bundle_with(tmp_path, file("fp16"), file("fp32"))
    assert load_engine(bundle, EngineChoice(threads=1)).precision == "fp32"
    assert load_engine(bundle, EngineChoice(precision="fp16", threads=1)).name == "onnx-cpu"


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize(
    ("files", "precision", "message"),
    [
        ((file("fp32"),), "auto", "has no fp16 graph"),
        ((file("fp32"), file("fp16", None)), "auto", "has no proven fp16 graph"),
        ((file("fp32"), file("fp16")), "fp32", "runs graphs in fp16, not in fp32"),
    ],
)
def test_a_bundle_that_a_gpu_cannot_run_is_refused(
    files: tuple[EngineFile, ...], precision: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(EngineUnavailableError, match=message):
        load_engine(bundle_with(tmp_path, *files), EngineChoice(engine="onnx-cuda", precision=precision))


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("name", NAMES)
def test_the_names_lead_to_the_engine(name: str, tmp_path: Path) -> None:
    bundle = bundle_with(tmp_path, file("fp16", None))
    engine = load_engine(bundle, EngineChoice(engine=name, precision="fp16"))
    assert (engine.name, engine.precision, engine.file) == (name, "fp16", "onnx/fp16.onnx")


def test_it_gives_the_logits_of_the_graph_alone_and_in_batches() -> None:
    engine = make_engine()
    expected = OnnxCpuEngine(GRAPH, file="m.onnx", precision="fp32", pad_token_id=0, threads=1)
    random = np.random.default_rng(1)
    for rows, length in ((1, 1), (1, 8), (1, 9), (1, 9), (1, 50), (3, 13)):
        ids = random.integers(0, VOCABULARY, (rows, length))
        mask = np.ones_like(ids)
        mask[-1, length // 2 + 1 :] = 0
        np.testing.assert_allclose(
            engine.logits(unpadded(ids, mask)), expected.logits(unpadded(ids, mask)), rtol=0, atol=1e-6
        )


class RecordingBinding:
    def __init__(self) -> None:
        self.inputs: dict[str, Any] = {}

    def bind_ortvalue_input(self, name: str, value: Any) -> None:
        self.inputs[name] = value

    def bind_ortvalue_output(self, name: str, value: Any) -> None:
        assert (name, value.shape()) == ("logits", [1, 1])


class RecordingSession:
    """Remembers what it was run with: the shape and the graph's number, and ids and mask of a bound run."""

    def __init__(self) -> None:
        self.runs: list[tuple[tuple[int, ...], str]] = []
        self.bindings: list[RecordingBinding] = []
        self.rows: list[tuple[list[int], list[int]]] = []

    def io_binding(self) -> RecordingBinding:
        self.bindings.append(RecordingBinding())
        return self.bindings[-1]

    def run_with_iobinding(self, binding: RecordingBinding, options: Any) -> None:
        ids, mask = (binding.inputs[name].numpy() for name in ("input_ids", "attention_mask"))
        self.runs.append((ids.shape, graph_number(options)))
        self.rows.append((ids[0].tolist(), mask[0].tolist()))

    def run(self, names: list[str], feeds: dict[str, Any], options: Any) -> list[np.ndarray]:
        assert names == ["logits"]
        self.runs.append((feeds["input_ids"].shape, graph_number(options)))
        return [np.zeros((len(feeds["input_ids"]), 1), np.float32)]


def graph_number(options: Any) -> str:
    try:
        number: str = options.get_run_config_entry("gpu_graph_id")
    except RuntimeError:
        return "none"
    return number


@pytest.mark.parametrize(
    ("cuda_graphs", "expected"),
    [
        (False, [((1, 8), "none"), ((1, 8), "none"), ((1, 24), "none"), ((1, 50), "none"), ((2, 24), "none")]),
        (True, [((1, 8), "8"), ((1, 8), "8"), ((1, 32), "32"), ((1, 50), "50"), ((2, 32), "-1")]),
    ],
    ids=["plain", "captured"],
)
def test_lengths_are_filled_up_and_buffers_used_again(
    cuda_graphs: bool, expected: list[tuple[tuple[int, ...], str]]
) -> None:
    session = RecordingSession()
    engine = make_engine(session, cuda_graphs=cuda_graphs)
    for rows, length in ((1, 2), (1, 8), (1, 17), (1, 49), (2, 17)):
        engine.logits(unpadded(np.full((rows, length), 7), np.ones((rows, length), np.int64)))
    assert session.runs == expected
    assert len(session.bindings) == 3
    assert session.rows[0] == ([7, 7, *[3] * 6], [1, 1, *[0] * 6])


def test_what_cannot_be_scored_is_an_engine_failure() -> None:
    ones = np.ones((1, 51), np.int64)
    with pytest.raises(EngineError, match="takes 50 tokens at most, not 51"):
        make_engine().logits(unpadded(ones, ones))
    with pytest.raises(EngineError, match="ONNX Runtime failed"):
        make_engine().logits(unpadded(ones[:, :5] * VOCABULARY, ones[:, :5]))
    closed = make_engine()
    closed.close()
    with pytest.raises(EngineError, match="closed"):
        closed.logits(unpadded(ones[:, :5], ones[:, :5]))


def test_a_logit_that_is_not_finite_is_an_engine_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_cuda.OnnxCudaEngine, "_run_alone", lambda *_: np.full((1, 1), np.nan, np.float32))
    with pytest.raises(EngineError, match="finite"):
        score(make_engine(), [np.ones(3, np.int64)])
