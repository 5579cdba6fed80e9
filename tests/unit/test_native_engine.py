"""The native engine as a part of the runtime: what it loads and refuses, threads, processes, stopping and closing."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.native import mapped, native_bundle, native_checkpoint, native_engine, needs_native_engine
from tests.support.prompts import mixed_prompts
from tests.support.sequences import padded_sequences, unpadded
from vibe_router import Router, Usage
from vibe_router.engines.cancellation import CURRENT_STOP, Stop
from vibe_router.engines.native import engine as engine_module
from vibe_router.engines.native.engine import NativeEngine
from vibe_router.engines.native.library import Instructions
from vibe_router.engines.native.model import NativeModel
from vibe_router.errors import EngineError
from vibe_router_export.checkpoint.checkpoint import Checkpoint
from vibe_router_export.emit.native.file import NATIVE_FILE, native_architecture, write_native

PROMPTS = mixed_prompts(60, seed=3)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return native_checkpoint(tmp_path_factory.mktemp("checkpoint") / "small")


@pytest.fixture(scope="module")
def file(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("file") / "model.safetensors"
    write_native(checkpoint.weights, native_architecture(checkpoint.weights, max_tokens=128), path)
    return path


@pytest.fixture(scope="module")
def bundle(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return native_bundle(tmp_path_factory.mktemp("bundle") / "small", checkpoint)


@pytest.fixture
def engine(file: Path) -> Iterator[NativeEngine]:
    made = load(file)
    yield made
    made.close()


def load(
    file: Path, *, threads: int = 2, instructions: Instructions | None = None, background: bool = False
) -> NativeEngine:
    return NativeEngine(
        NativeModel(mapped(file), file=NATIVE_FILE),
        file=NATIVE_FILE,
        precision="int8",
        threads=threads,
        instructions=instructions,
        background=background,
    )


@needs_native_engine
def test_ids_and_lengths_outside_the_model_are_refused(engine: NativeEngine, checkpoint: Checkpoint) -> None:
    one = np.ones((1, 1), np.int64)
    for wrong in (-1, checkpoint.config.vocabulary_size, 2**32, -(2**63)):
        with pytest.raises(EngineError, match="ids or lengths"):
            engine.logits(unpadded(one * wrong, one))
    with pytest.raises(EngineError, match="ids or lengths"):
        engine.logits(unpadded(np.ones((2, 3), np.int64), np.array([[1, 1, 1], [0, 0, 0]])))
    with pytest.raises(EngineError, match="ids or lengths"):
        engine.logits(unpadded(np.ones((1, 129), np.int64), np.ones((1, 129), np.int64)))
    assert np.isfinite(engine.logits(unpadded(one * (checkpoint.config.vocabulary_size - 1), one))).all()


@needs_native_engine
def test_many_callers_of_one_engine_get_the_bits_of_one(engine: NativeEngine, checkpoint: Checkpoint) -> None:
    ids, mask = padded_sequences(checkpoint.config, lengths=[3, 17, 64, 128, 5, 33, 90, 1])
    alone = [engine.logits(unpadded(ids[row : row + 1], mask[row : row + 1]))[0] for row in range(len(ids))]
    start = threading.Barrier(16)

    def score(first: int) -> list[float]:
        start.wait()
        rows = [(first + step) % len(ids) for step in range(40)]
        return [float(engine.logits(unpadded(ids[row : row + 1], mask[row : row + 1]))[0] - alone[row]) for row in rows]

    with ThreadPoolExecutor(16) as pool:
        assert not any(map(any, pool.map(score, range(16))))


@needs_native_engine
@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_the_number_of_threads_changes_no_bit(file: Path, checkpoint: Checkpoint, threads: int) -> None:
    ids, mask = padded_sequences(checkpoint.config, lengths=[1, 7, 40, 128])
    expected = load(file, threads=1).logits(unpadded(ids, mask))
    many = load(file, threads=threads)
    for _ in range(20):
        assert many.logits(unpadded(ids, mask)).tobytes() == expected.tobytes()


@needs_native_engine
def test_a_call_ends_where_it_is_asked_to_and_the_next_one_is_whole(
    engine: NativeEngine, checkpoint: Checkpoint
) -> None:
    ids, mask = padded_sequences(checkpoint.config, lengths=[128] * 8)
    expected = engine.logits(unpadded(ids, mask))
    stop = Stop()
    stop.set()
    token = CURRENT_STOP.set(stop)
    try:
        with pytest.raises(EngineError, match="asked to stop"):
            engine.logits(unpadded(ids, mask))
    finally:
        CURRENT_STOP.reset(token)
    assert engine.logits(unpadded(ids, mask)).tobytes() == expected.tobytes()


@needs_native_engine
def test_a_call_that_was_stopped_before_never_has_a_score(engine: NativeEngine) -> None:
    stop = Stop()
    stop.set()
    computed: list[object] = []

    def call() -> None:
        CURRENT_STOP.set(stop)
        with contextlib.suppress(EngineError):
            computed.append(engine.logits([np.ones(3, np.int64)]))

    # Each from a new thread, which may wait for a processor while the engine's own threads compute.
    for _ in range(500):
        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
    assert computed == []


@needs_native_engine
def test_a_stop_at_any_time_leaves_no_thread_waiting(engine: NativeEngine, checkpoint: Checkpoint) -> None:
    ids, mask = padded_sequences(checkpoint.config, lengths=[128] * 8)
    expected = engine.logits(unpadded(ids, mask)).tobytes()
    stopped = 0
    for delay in np.linspace(0, 0.01, 100):
        stop = Stop()
        token = CURRENT_STOP.set(stop)
        timer = threading.Timer(float(delay), stop.set)
        timer.start()
        try:
            assert engine.logits(unpadded(ids, mask)).tobytes() == expected
        except EngineError:
            stopped += 1
        finally:
            CURRENT_STOP.reset(token)
            timer.join()
    assert stopped


@needs_native_engine
@pytest.mark.parametrize("threads", [1, 2])
def test_a_stop_is_heard_within_the_only_layer(tmp_path: Path, threads: int) -> None:
    checkpoint = native_checkpoint(
        tmp_path / "c", num_hidden_layers=1, num_attention_heads=1, max_position_embeddings=8192
    )
    engine = native_engine(checkpoint, tmp_path / "file", threads=threads)
    ids, mask = padded_sequences(checkpoint.config, lengths=[8192])
    begun = time.perf_counter()
    expected = engine.logits(unpadded(ids, mask)).tobytes()
    whole = time.perf_counter() - begun
    stop = Stop()
    token = CURRENT_STOP.set(stop)
    # Nearly all of the time is that of one head's attention, which begins long before.
    timer = threading.Timer(whole / 3, stop.set)
    timer.start()
    try:
        with pytest.raises(EngineError, match="asked to stop"):
            engine.logits(unpadded(ids, mask))
    finally:
        CURRENT_STOP.reset(token)
        timer.join()
    assert engine.logits(unpadded(ids, mask)).tobytes() == expected


@needs_native_engine
def test_closing_waits_for_no_call_and_breaks_none(file: Path, checkpoint: Checkpoint) -> None:
    ids, mask = padded_sequences(checkpoint.config, lengths=[128] * 16)
    engine = load(file)
    expected = engine.logits(unpadded(ids, mask)).tobytes()
    running = threading.Event()

    def score() -> bytes:
        running.set()
        return engine.logits(unpadded(ids, mask)).tobytes()

    with ThreadPoolExecutor(1) as pool:
        for _ in range(20):
            running.clear()
            future = pool.submit(score)
            running.wait()
            engine.close()
            try:
                assert future.result() == expected
            except EngineError as error:
                assert "closed" in error.message  # noqa: PT017 - it may have come too late to begin
            engine = load(file)


@needs_native_engine
def test_a_closed_engine_lets_go_of_file_and_threads(file: Path, checkpoint: Checkpoint) -> None:
    engine = load(file)
    opened = weakref.ref(engine._opened)
    engine.close()
    gc.collect()
    assert opened() is None
    with pytest.raises(EngineError, match="closed"):
        engine.logits(unpadded(*padded_sequences(checkpoint.config, lengths=[3])))


@needs_native_engine
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_makes_its_own_engine_and_ends_cleanly(bundle: Path) -> None:
    with Router.load(bundle, threads=2) as parents:
        expected, engine = parents.route("hi"), parents.engine
        child = os.fork()
        if child == 0:
            status = 1
            try:
                same = parents.route("hi") == expected and parents.engine is not engine
                one = np.ones((1, 1), np.int64)
                try:
                    engine.logits(unpadded(one, one))
                except EngineError as error:
                    same = same and "another process" in error.message
                else:
                    same = False
                parents.close()
                # What the child inherited goes as well, without a wait for threads that it does not have.
                parents._scorer._inherited.clear()
                del engine
                gc.collect()
                status = 0 if same else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert parents.route("hi") == expected


@needs_native_engine
def test_batches_need_no_second_look(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Router.load(bundle) as router:
        alone = [router.route(prompt) for prompt in PROMPTS]
        # The threshold of one of them, where any other engine would ask again.
        threshold = alone[7].p_cloud + 1e-9
        monkeypatch.setattr("vibe_router.routing.many.decide_one", pytest.fail)
        together = router.route_many(PROMPTS, threshold=threshold)
        assert [decision.p_cloud for decision in together] == [decision.p_cloud for decision in alone]


@needs_native_engine
@pytest.mark.skipif(sys.platform != "linux", reason="reads priorities from /proc")
def test_background_work_has_the_same_bits_and_a_low_priority_that_is_not_the_callers(file: Path) -> None:
    def priorities() -> dict[int, int]:
        # Field 19 of proc_pid_stat(5), counted from the state, which follows the name in parentheses.
        tasks = Path("/proc/self/task").iterdir()
        return {int(task.name): int((task / "stat").read_text().rpartition(")")[2].split()[16]) for task in tasks}

    sequences = [np.arange(1, 1 + length, dtype=np.int64) for length in (1, 7, 33)]
    normal = os.getpriority(os.PRIO_PROCESS, 0)
    with contextlib.closing(load(file)) as engine:
        expected = engine.logits(sequences)
    before = priorities()
    with contextlib.closing(load(file, background=True)) as engine:
        np.testing.assert_array_equal(engine.logits(sequences), expected)
        added = {task: nice for task, nice in priorities().items() if task not in before}
    assert list(added.values()) == [10]
    assert os.getpriority(os.PRIO_PROCESS, 0) == normal


@needs_native_engine
def test_a_router_of_background_usage_has_one_thread_of_low_priority(bundle: Path, monkeypatch: Any) -> None:
    opened: list[int] = []
    original = engine_module._Opened.__init__

    def note(self: Any, model: Any, instructions: Any, threads: int) -> None:
        opened.append(threads)
        original(self, model, instructions, threads)

    monkeypatch.setattr(engine_module._Opened, "__init__", note)
    with Router.load(bundle, usage=Usage.BACKGROUND, threads=2) as router:
        assert router.route("hi").engine == "native-cpu"
    assert opened == [0]
