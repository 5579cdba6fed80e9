"""The way of a prompt is short: few files between `Router.route` and the library that computes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import vibe_router
from tests.support.native import native_bundle, native_checkpoint, needs_native_engine
from vibe_router import Router, Usage
from vibe_router.engines.native.library import native_library

PACKAGE = Path(vibe_router.__file__).parent
MOST_FILES = 5


class ComputedError(Exception):
    """Raised in the place of the library's call, where the trace ends."""


@pytest.fixture
def entered() -> Iterator[list[str]]:
    """The project's files that calls enter, each once, in order."""
    files: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(PACKAGE):
            name = path.relative_to(PACKAGE).as_posix()
            if name not in files:
                files.append(name)

    before = sys.getprofile()
    sys.setprofile(note)
    yield files
    sys.setprofile(before)


def compute(*_: object) -> Any:
    raise ComputedError


def test_five_files_to_onnx_runtime(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, entered: list[str]) -> None:
    with Router.load(tiny_bundle, engine="onnx-cpu", threads=1) as router:

        class Session:
            run = staticmethod(compute)

        monkeypatch.setattr(router.engine, "_session", Session)
        entered.clear()
        with pytest.raises(Exception, match="ONNX Runtime failed"):
            router.route("hi")
        reached = entered[: entered.index("engines/onnx/cpu.py") + 1]
    assert reached[0] == "router.py"
    assert len(reached) <= MOST_FILES, reached


@needs_native_engine
def test_five_files_to_the_native_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entered: list[str]) -> None:
    monkeypatch.setattr(native_library(), "vr_logits", compute)
    with Router.load(
        native_bundle(tmp_path / "small", native_checkpoint(tmp_path / "checkpoint")), engine="native-cpu", threads=1
    ) as router:
        entered.clear()
        with pytest.raises(Exception, match="ComputedError"):
            router.route("hi")
        reached = entered[: entered.index("engines/native/engine.py") + 1]
    assert reached[0] == "router.py"
    assert len(reached) <= MOST_FILES, reached


@needs_native_engine
def test_five_files_where_the_library_reads_the_prompt(monkeypatch: pytest.MonkeyPatch, entered: list[str]) -> None:
    monkeypatch.setattr(native_library(), "vr_logits", compute)
    with Router.load(usage=Usage.ONCE) as router:
        entered.clear()
        with pytest.raises(Exception, match="ComputedError"):
            router.route("hi")
        reached = entered[: entered.index("engines/native/engine.py") + 1]
    assert reached[0] == "router.py"
    assert "engines/native/router_file.py" in reached
    assert len(reached) <= MOST_FILES, reached
