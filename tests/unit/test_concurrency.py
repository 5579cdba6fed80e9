"""One router for many threads, processes and event loops."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.bundles import replace_file, write_bundle
from tests.support.prompts import mixed_prompts
from vibe_router import Decision, Reason, Router, Target
from vibe_router.bundle.bundle import open_bundle
from vibe_router.errors import BundleCorruptError
from vibe_router.text.tokenizer import PromptTokenizer

PROMPTS = mixed_prompts(64, seed=11)


def test_64_threads_get_the_answers_of_one(router: Router) -> None:
    alone = [router.route(prompt) for prompt in PROMPTS]
    start = threading.Barrier(64)

    def route_all(first: int) -> list[Decision]:
        start.wait()
        order = [(first + step) % len(PROMPTS) for step in range(len(PROMPTS))]
        decisions = dict.fromkeys(order, alone[0])
        for index in order:
            # Every other one with a deadline, which goes through the router's own threads.
            decisions[index] = router.route(PROMPTS[index], timeout=60 if index % 2 else None)
        return [decisions[index] for index in range(len(PROMPTS))]

    with ThreadPoolExecutor(64) as pool:
        for decisions in pool.map(route_all, range(64)):
            assert decisions == alone


class CountingEngine:
    name, file, precision = "counting", "onnx/model.onnx", "fp32"
    batch_band = 1e-4

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.running = self.most = 0

    def logits(self, sequences: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
        threading.Event().wait(0.001)
        with self.lock:
            self.running -= 1
        return np.zeros(len(sequences), np.float32)

    def close(self) -> None:
        pass


def test_no_more_engine_calls_run_at_a_time_than_allowed(tiny_bundle: Path) -> None:
    bundle = open_bundle(tiny_bundle)
    engine = CountingEngine()
    tokenizer = PromptTokenizer(bundle.read("tokenizer.json"), max_tokens=64)
    with Router(bundle, tokenizer, engine, at_once=3) as counted, ThreadPoolExecutor(32) as pool:
        timeouts = [None, 60.0] * 100
        assert {item.reason for item in pool.map(lambda timeout: counted.route("hi", timeout=timeout), timeouts)} == {
            Reason.SCORE
        }

        async def gather() -> list[Decision]:
            return await asyncio.gather(*(counted.aroute("hi") for _ in range(100)))

        assert len(asyncio.run(gather())) == 100
    assert engine.most == 3


def test_a_thousand_calls_in_one_event_loop_are_answered_in_place(router: Router) -> None:
    prompts = mixed_prompts(1000, seed=12)

    async def gather() -> list[Decision]:
        return await asyncio.gather(*(router.aroute(prompt) for prompt in prompts))

    assert asyncio.run(gather()) == [router.route(prompt) for prompt in prompts]


def test_the_loop_is_not_held_by_a_long_prompt(router: Router) -> None:
    main = threading.get_ident()
    seen: list[int] = []
    encode = router.tokenizer.encode

    class Spy:
        def encode(self, prompt: str) -> object:
            seen.append(threading.get_ident())
            return encode(prompt)

    spied = Router(router.bundle, Spy(), router.engine)  # type: ignore[arg-type]
    asyncio.run(spied.aroute("hi"))
    assert seen
    assert main not in seen


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_makes_its_own_session_and_ends_cleanly(
    tiny_bundle: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with Router.load(tiny_bundle, threads=2) as parents:
        expected = parents.route("hi"), parents.route("hello", timeout=60)
        engine = parents.engine
        child = os.fork()
        if child == 0:
            status = 1
            try:
                # Held as a thread of the parent's could hold it for ever.
                parents._scorer._scorer._lock.acquire()
                found = parents.route("hi"), parents.route("hello", timeout=60)
                also = asyncio.run(parents.aroute("hi"))
                status = 0 if (found, also, parents.engine is engine) == (expected, expected[0], False) else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert parents.engine is engine
        assert parents.route("hi") == expected[0]
    assert capfd.readouterr().err == ""


def in_child(router: Router, connection: object) -> None:
    try:
        connection.send(router.route("hi", fallback=Target.CLOUD))  # type: ignore[attr-defined]
    except BundleCorruptError as error:
        connection.send(error.message)  # type: ignore[attr-defined]
    with router:
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_takes_no_bundle_that_was_altered_since(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b")
    with Router.load(folder, threads=1) as parents:
        (folder / "onnx/model.onnx").write_bytes(b"x" * (folder / "onnx/model.onnx").stat().st_size)
        receive, send = multiprocessing.Pipe()
        process = multiprocessing.get_context("fork").Process(target=in_child, args=(parents, send))
        process.start()
        assert "altered" in receive.recv()
        process.join()
        assert process.exitcode == 0


def test_a_router_travels_to_a_spawned_process(tiny_bundle: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    with (
        Router.load(tiny_bundle, threads=1, profile="aggressive") as router,
        ProcessPoolExecutor(1, mp_context=spawn) as pool,
    ):
        assert pool.submit(router.route, "hi").result() == router.route("hi")


def test_what_is_pickled_is_where_to_load_from(tiny_bundle: Path) -> None:
    with Router.load(tiny_bundle, threads=1, profile="aggressive", verify="off") as router:
        content = pickle.dumps(router)
        assert len(content) < 1000
        with pickle.loads(content) as again:
            assert again.route("hi") == router.route("hi")
            assert again.engine is not router.engine


def test_unpickling_checks_the_bundle_again(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b")
    with Router.load(folder, threads=1) as router:
        content = pickle.dumps(router)
    replace_file(folder, "onnx/model.onnx", b"no graph")
    with pytest.raises(BundleCorruptError):
        pickle.loads(content)


def test_a_router_of_foreign_parts_cannot_be_pickled(router: Router) -> None:
    with pytest.raises(TypeError, match=r"Router\.load"):
        pickle.dumps(Router(router.bundle, router.tokenizer, router.engine))


def test_a_closed_router_holds_no_session_and_no_thread(tiny_bundle: Path) -> None:
    before = set(threading.enumerate())
    router = Router.load(tiny_bundle, threads=1)
    router.route("hi", timeout=60)
    session = weakref.ref(router.engine._session)  # type: ignore[attr-defined]
    started = set(threading.enumerate()) - before
    assert started
    router.close()
    gc.collect()
    assert session() is None
    for thread in started:
        thread.join(60)
    assert not set(threading.enumerate()) - before


def test_a_router_that_nobody_closed_ends_its_threads(tiny_bundle: Path) -> None:
    before = set(threading.enumerate())
    router = Router.load(tiny_bundle, threads=1)
    router.route("hi", timeout=60)
    started = set(threading.enumerate()) - before
    del router
    gc.collect()
    for thread in started:
        thread.join(60)
    assert not set(threading.enumerate()) - before


ENDINGS = {
    "an open router": "router.route('hi', timeout=60)",
    "a pending aroute": """
import asyncio
async def leave():
    tasks = [asyncio.ensure_future(router.aroute("hi " * 1000)) for _ in range(500)]
    await asyncio.sleep(0)
asyncio.run(leave())
""",
    "a loop that nobody closed": """
import asyncio
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
task = loop.create_task(router.aroute("hi " * 1000))
loop.run_until_complete(asyncio.sleep(0))
task.cancel()
loop.run_until_complete(asyncio.sleep(0))
loop.close()
""",
    "an engine that never ends": """
import threading
router.engine.logits = lambda *_: threading.Event().wait()
print(router.route("hi", timeout=0.01, fallback="device").reason.value)
""",
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_the_interpreter_ends_cleanly_with(tiny_bundle: Path, ending: str) -> None:
    code = f"from vibe_router import Router\nrouter = Router.load({str(tiny_bundle)!r}, threads=2)\n{ending}"
    result = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much memory a process has")
def test_memory_goes_back_when_a_router_is_closed() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    # The graph, because the native file is mapped and too small to tell.
    Router.load(engine="onnx-cpu").close()
    before = resident()
    with Router.load(engine="onnx-cpu") as router:
        router.route("hello " * 400)
        loaded = resident() - before
    assert loaded > 10e6, "this router is too small to tell"
    assert resident() - before < loaded / 2
    for _ in range(5):
        Router.load().close()
    assert resident() - before < loaded / 2
