"""The calls of `libvibe_router` as a program may make them: with errors of calls before, and with null."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path

import pytest

from native.dist import build, this_platform
from tests.support.c_router import CRouter, Decision, Failure
from tests.support.native import needs_native_engine
from vibe_router_export.emit.native.file import NATIVE_FILE

pytestmark = needs_native_engine
NANO = Path(__file__).resolve().parents[2] / "artifacts" / "nano"
BAD_ARGUMENT = 1


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CRouter]:
    opened = CRouter(build(this_platform(), tmp_path_factory.mktemp("libvibe_router") / "here").shared, NANO)
    yield opened
    opened.close()


def test_a_call_that_succeeds_leaves_no_error_behind(router: CRouter) -> None:
    calls, handle, opened = router.library, router.handle, ctypes.c_void_p()
    path, content = str(NANO).encode(), (NANO / NATIVE_FILE).read_bytes()
    memory = ctypes.create_string_buffer(len(content) + 64)
    start = -ctypes.addressof(memory) % 64
    memory[start : start + len(content)] = content
    begin, size = ctypes.c_void_p(ctypes.addressof(memory) + start), ctypes.c_size_t(len(content))
    ids, number, decision = (ctypes.c_int64 * 512)(), (ctypes.c_int32 * 2)(), Decision()
    more = ctypes.byref(number, 4)
    for call in (
        lambda error: calls.vibe_router_open(path, None, ctypes.byref(opened), error),
        lambda error: calls.vibe_router_open_memory(begin, size, None, ctypes.byref(opened), error),
        lambda error: calls.vibe_router_route(handle, b"hi", ctypes.c_size_t(2), None, ctypes.byref(decision), error),
        lambda error: calls.vibe_router_tokenize(handle, b"hi", ctypes.c_size_t(2), ids, number, more, error),
        lambda error: calls.vibe_router_self_test(handle, error),
    ):
        old = Failure(7, b"of a call before")
        assert call(ctypes.byref(old)) == 0
        assert (old.status, old.message) == (0, b"")
        calls.vibe_router_close(opened)
        opened.value = None


def test_null_is_refused_and_never_followed(router: CRouter) -> None:
    calls, handle, about, opened = router.library, router.handle, Failure(), ctypes.c_void_p(1)
    assert calls.vibe_router_open(None, None, ctypes.byref(opened), ctypes.byref(about)) == BAD_ARGUMENT
    assert opened.value is None, "what a caller closes after an error is no router"
    assert calls.vibe_router_profile(handle, 0, None) == BAD_ARGUMENT
    assert calls.vibe_router_profile(None, 0, ctypes.byref(about)) == BAD_ARGUMENT
    calls.vibe_router_info(handle, None)
    calls.vibe_router_info(None, ctypes.byref(about))
    calls.vibe_router_cancel(None)
    calls.vibe_router_close(None)
