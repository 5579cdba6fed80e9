"""Forks that end, and exceptions at every line of a caller: the router is whole afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import vibe_router.routing.scorer
from tests.support.bundles import write_bundle
from vibe_router import Router, Target
from vibe_router.errors import BundleCorruptError, EngineError

ROUTING = str(Path(vibe_router.routing.scorer.__file__).parent)
FORKS = """
import os, sys
from vibe_router import Router
router = Router.load(sys.argv[1], threads=2)
router.route("hello", timeout=60)
for number in range(6):
    child = os.fork()
    if child == 0:
        if number % 2:
            router.route("hello")
        sys.exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


class InterruptionError(BaseException):
    """What a signal handler raises."""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_forked_children_end_whether_they_routed_or_not(tiny_bundle: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKS, str(tiny_bundle)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("timeout", [60, None])
def test_an_exception_at_any_line_of_a_call_leaves_the_router_whole(tiny_bundle: Path, timeout: float | None) -> None:
    with Router.load(tiny_bundle, threads=1) as router:
        expected = router.route("hello", timeout=timeout)
        for place in range(1000):
            left = place

            def trace(frame: FrameType, event: str, _: Any) -> Any:
                nonlocal left
                if not frame.f_code.co_filename.startswith(ROUTING):
                    return None
                if event == "line":
                    left -= 1
                    if left < 0:
                        raise InterruptionError
                return trace

            sys.settrace(trace)
            try:
                router.route("hello", timeout=timeout)
                break
            except InterruptionError:
                pass
            finally:
                sys.settrace(None)
            for _ in range(3):
                assert router.route("hello", timeout=60) == expected
        assert 5 < place < 1000, "every line was reached"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("file", ["onnx/model.onnx", "tokenizer.json"])
def test_a_child_whose_bundle_was_damaged_stays_on_the_device(tmp_path: Path, file: str) -> None:
    folder = write_bundle(tmp_path / "b")
    with Router.load(folder, threads=1) as router:
        (folder / file).write_bytes(b"x" * (folder / file).stat().st_size)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                device = [
                    router.route("hi", fallback=Target.DEVICE),
                    router.route("hi", allow_cloud=False),
                    *router.route_many(["a", "b"], fallback=Target.DEVICE),
                ]
                assert {decision.target for decision in device} == {Target.DEVICE}
                for fallback in (None, Target.CLOUD):
                    with pytest.raises((BundleCorruptError, EngineError)):
                        router.route("hi", fallback=fallback)
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
