"""`libvibe_router` by ctypes, as a program in another language binds it."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path


class Failure(ctypes.Structure):
    """`VibeRouterError`."""

    _fields_ = (("status", ctypes.c_int32), ("message", ctypes.c_char * 252))


class Options(ctypes.Structure):
    """`VibeRouterOptions`."""

    _fields_ = (("size", ctypes.c_uint32), ("threads", ctypes.c_int32))


class Terms(ctypes.Structure):
    """`VibeRouterTerms`."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("allow_cloud", ctypes.c_int32),
        ("fallback", ctypes.c_int32),
        ("has_threshold", ctypes.c_int32),
        ("threshold", ctypes.c_double),
        ("profile", ctypes.c_char_p),
        ("cancel", ctypes.POINTER(ctypes.c_int32)),
    )


class Decision(ctypes.Structure):
    """`VibeRouterDecision`."""

    _fields_ = (
        ("target", ctypes.c_int32),
        ("reason", ctypes.c_int32),
        ("has_score", ctypes.c_int32),
        ("tokens", ctypes.c_int32),
        ("truncated", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("p_cloud", ctypes.c_double),
        ("threshold", ctypes.c_double),
        ("margin", ctypes.c_double),
        ("engine", ctypes.c_char_p),
    )

    def as_in_python(self) -> tuple[str, float | None, float, float | None, int, bool, str]:
        """Return target, p_cloud, threshold, margin, tokens, truncated and reason, as the runtime's decision."""
        score = (self.p_cloud, self.margin) if self.has_score else (None, None)
        reason = ("score", "pinned", "fallback")[self.reason]
        target = ("device", "cloud")[self.target]
        return target, score[0], self.threshold, score[1], self.tokens, bool(self.truncated), reason


class CRouterError(Exception):
    """A status other than 0, and the message."""

    def __init__(self, status: int, failure: Failure) -> None:
        super().__init__(status, failure.message.decode())
        assert failure.status == status
        self.status = status


def terms(
    *,
    allow_cloud: bool = True,
    fallback: int = -1,
    threshold: float | None = None,
    profile: str | None = None,
    cancel: ctypes.c_int32 | None = None,
) -> Terms:
    return Terms(
        ctypes.sizeof(Terms),
        allow_cloud,
        fallback,
        threshold is not None,
        threshold or 0.0,
        None if profile is None else profile.encode(),
        None if cancel is None else ctypes.pointer(cancel),
    )


class CRouter:
    """A router of the library, from a path or from bytes."""

    def __init__(self, library: Path, source: Path | bytes, *, threads: int = 1) -> None:
        self.library = ctypes.CDLL(str(library))
        self._handle = ctypes.c_void_p()
        failure, options = Failure(), Options(ctypes.sizeof(Options), threads)
        handle, about = ctypes.byref(self._handle), ctypes.byref(failure)
        if isinstance(source, bytes):
            memory = ctypes.create_string_buffer(len(source) + 64)
            start = -ctypes.addressof(memory) % 64
            memory[start : start + len(source)] = source
            self._memory = memory
            begin = ctypes.c_void_p(ctypes.addressof(memory) + start)
            size = ctypes.c_size_t(len(source))
            status = self.library.vibe_router_open_memory(begin, size, ctypes.byref(options), handle, about)
        else:
            status = self.library.vibe_router_open(str(source).encode(), ctypes.byref(options), handle, about)
        if status:
            raise CRouterError(status, failure)

    @property
    def handle(self) -> ctypes.c_void_p:
        """The router as the library's calls take it."""
        return self._handle

    def route(self, prompt: str | bytes, asked: Terms | None = None) -> Decision:
        return self.route_many([prompt], asked)[0]

    def route_many(self, prompts: Sequence[str | bytes], asked: Terms | None = None) -> list[Decision]:
        texts = [one if isinstance(one, bytes) else one.encode("utf-8", "surrogatepass") for one in prompts]
        count, failure = len(texts), Failure()
        decisions = (Decision * count)()
        status = self.library.vibe_router_route_many(
            self._handle,
            (ctypes.c_char_p * count)(*texts),
            (ctypes.c_size_t * count)(*map(len, texts)),
            ctypes.c_size_t(count),
            None if asked is None else ctypes.byref(asked),
            decisions,
            ctypes.byref(failure),
        )
        if status:
            raise CRouterError(status, failure)
        return list(decisions)

    def tokenize(self, prompt: str) -> tuple[list[int], bool]:
        """Return the ids of a prompt, and whether it had more."""
        text, failure = prompt.encode("utf-8", "surrogatepass"), Failure()
        ids, count, truncated = (ctypes.c_int64 * 8192)(), ctypes.c_int32(), ctypes.c_int32()
        found = (ids, ctypes.byref(count), ctypes.byref(truncated), ctypes.byref(failure))
        status = self.library.vibe_router_tokenize(self._handle, text, ctypes.c_size_t(len(text)), *found)
        if status:
            raise CRouterError(status, failure)
        return ids[: count.value], bool(truncated.value)

    def self_test(self) -> None:
        failure = Failure()
        status = self.library.vibe_router_self_test(self._handle, ctypes.byref(failure))
        if status:
            raise CRouterError(status, failure)

    def close(self) -> None:
        self.library.vibe_router_close(self._handle)
        self._handle = ctypes.c_void_p()
