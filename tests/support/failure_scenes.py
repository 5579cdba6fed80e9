"""Makes what each row of the failure table says happen, and hands the router to a check."""

from __future__ import annotations

import _thread
import asyncio
import os
import shutil
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.bundles import replace_file
from tests.support.faulty import FAULTS, router_with
from tests.support.wrong_arguments import WRONG
from vibe_router import Decision, Router
from vibe_router.bundle.manifest import MANIFEST_NAME
from vibe_router.errors import EngineError

PROMPT = "what is 2+2?"
UNREADABLE = "a" + "\u0301" * 100_000
Options = dict[str, Any]
Ask = Callable[..., Decision]
Call = Callable[[Options], Decision]
Check = Callable[[Call], None]
"""Takes the call, which takes the options that are the column's, and judges what it gives in each column."""


def _several(router: Router, prompt: Any, **options: Any) -> Decision:
    return router.route_many([prompt], **options)[0]


def _stream(router: Router, prompt: Any, **options: Any) -> Decision:
    (decision,) = router.route_stream([prompt], **options)
    return decision


def _chat(router: Router, prompt: Any, **options: Any) -> Decision:
    return router.route_chat([{"role": "user", "content": prompt}], **options).decision


def _awaited(router: Router, prompt: Any, **options: Any) -> Decision:
    return asyncio.run(router.aroute(prompt, **options))


def _awaited_several(router: Router, prompt: Any, **options: Any) -> Decision:
    return asyncio.run(router.aroute_many([prompt], **options))[0]


def _awaited_chat(router: Router, prompt: Any, **options: Any) -> Decision:
    return asyncio.run(router.aroute_chat([{"role": "user", "content": prompt}], **options)).decision


WAYS: dict[str, Ask] = {
    "route": Router.route,
    "route_many": _several,
    "route_stream": _stream,
    "route_chat": _chat,
    "aroute": _awaited,
    "aroute_many": _awaited_several,
    "aroute_chat": _awaited_chat,
}
WITH_TIMEOUT = frozenset(WAYS) - {"route_stream"}
IN_THREADS_OF_CALLERS = frozenset({"route", "route_many", "route_chat"})
"""Those that ask for a thread because of a timeout; awaited ones have a quick score in the event loop."""


def answered(bundle: Path, way: Ask, check: Check) -> None:
    with Router.load(bundle, threads=1) as router:
        check(lambda options: way(router, PROMPT, **options))


def engine_fails(bundle: Path, way: Ask, check: Check) -> None:
    for fault in FAULTS.values():
        with router_with(bundle, fault) as router:
            check(lambda options, router=router: way(router, PROMPT, **options))  # type: ignore[misc]


def late(bundle: Path, way: Ask, check: Check) -> None:
    over = threading.Event()

    def wait(count: int) -> object:
        over.wait()
        return np.zeros(count, np.float32)

    with router_with(bundle, wait) as router:
        for timeout in (0.0, 0.02, -1.0):
            check(lambda options, timeout=timeout: way(router, PROMPT, timeout=timeout, **options))  # type: ignore[misc]
        over.set()


def closed(bundle: Path, way: Ask, check: Check) -> None:
    router = Router.load(bundle, threads=1)
    router.close()
    check(lambda options: way(router, PROMPT, **options))


def wrong_prompt(bundle: Path, way: Ask, check: Check) -> None:
    with Router.load(bundle, threads=1) as router:
        for prompt in (None, 3, b"bytes", UNREADABLE):
            check(lambda options, prompt=prompt: way(router, prompt, **options))  # type: ignore[misc]


def wrong_argument(bundle: Path, way: Ask, check: Check) -> None:
    with Router.load(bundle, threads=1) as router:
        for name, values in WRONG.items():
            for value in values:
                if name != "timeout" or way is not _stream:
                    wrong = {name: value}
                    # The wrong one takes the place of the column's own.
                    check(lambda options, wrong=wrong: way(router, PROMPT, **options | wrong))  # type: ignore[misc]


def no_thread(bundle: Path, way: Ask, check: Check) -> None:
    def refuse(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    with Router.load(bundle, threads=1) as router, pytest.MonkeyPatch.context() as patch:
        patch.setattr(_thread, "start_new_thread", refuse)
        check(lambda options: way(router, PROMPT, timeout=60.0, **options))


def child_cannot_load(bundle: Path, way: Ask, check: Check) -> None:
    def refuse() -> Any:
        raise EngineError("the system gives no memory")

    with Router.load(bundle, threads=1) as router, pytest.MonkeyPatch.context() as patch:
        patch.setattr(router._scorer, "_reload", refuse)
        _in_a_child(lambda: check(lambda options: way(router, PROMPT, **options)))


def child_finds_the_bundle_altered(bundle: Path, way: Ask, check: Check) -> None:
    for name in ("onnx/model.onnx", "tokenizer.json"):
        copy = bundle.parent / "altered"
        shutil.copytree(bundle, copy)
        with Router.load(copy, threads=1) as router:
            (copy / name).write_bytes(b"x" * (copy / name).stat().st_size)
            _in_a_child(lambda router=router: check(lambda options: way(router, PROMPT, **options)))  # type: ignore[misc]
        shutil.rmtree(copy)


def bundle_missing(bundle: Path, way: Ask, check: Check) -> None:
    check(lambda options: way(Router.load(bundle.parent / "none", threads=1), PROMPT, **options))


def bundle_damaged(bundle: Path, way: Ask, check: Check) -> None:
    graph = bundle / "onnx/model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"!")
    check(lambda options: way(Router.load(bundle, threads=1), PROMPT, **options))
    replace_file(bundle, "onnx/model.onnx", b"no graph")
    check(lambda options: way(Router.load(bundle, threads=1), PROMPT, **options))


def another_schema(bundle: Path, way: Ask, check: Check) -> None:
    manifest = bundle / MANIFEST_NAME
    manifest.write_text(manifest.read_text("utf-8").replace('"schema": "', '"schema": "9'), encoding="utf-8")
    check(lambda options: way(Router.load(bundle, threads=1), PROMPT, **options))


SCENES: dict[str, Callable[[Path, Ask, Check], None]] = {
    "answered": answered,
    "engine fails": engine_fails,
    "late": late,
    "closed": closed,
    "wrong prompt": wrong_prompt,
    "wrong argument": wrong_argument,
    "no thread": no_thread,
    "child cannot load": child_cannot_load,
    "child finds the bundle altered": child_finds_the_bundle_altered,
    "bundle missing": bundle_missing,
    "bundle damaged": bundle_damaged,
    "another schema": another_schema,
}


def _in_a_child(work: Callable[[], None]) -> None:
    """Run `work` in a forked child, and fail where it fails."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:  # noqa: BLE001 - whatever it is, the parent hears of it
            traceback.print_exc(file=sys.__stderr__)
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "the child says why on stderr"
