"""The project's own engine: int8 products, one scale a token, in the instructions that this processor has."""

from __future__ import annotations

import ctypes
import os
import queue
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vibe_router.engines.cancellation import CURRENT_STOP
from vibe_router.engines.choice import NATIVE_CPU
from vibe_router.engines.cpus import available_cpus
from vibe_router.engines.native.library import (
    Instructions,
    Status,
    native_library,
    require_native,
    supported_instructions,
)
from vibe_router.engines.native.router_file import ArrayPrompt, RouterFile, read_router_file
from vibe_router.engines.usage import Usage
from vibe_router.errors import EngineError, EngineUnavailableError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vibe_router.bundle.manifest import EngineFile
    from vibe_router.engines.native.model import NativeModel
    from vibe_router.text.protocol import Prompt, Tokenizer

# The library's number of threads for one of low priority.
_BACKGROUND = 0
_FAILURES = {
    Status.STOPPED: "was asked to stop",
    Status.NO_MEMORY: "has not enough memory",
    Status.BAD_INPUT: "was given ids or lengths that the model does not have",
}


class NativeEngine:
    """A mapped file on the CPU. A prompt's logit is the same, bit by bit, alone, in any batch and on any processor."""

    name = NATIVE_CPU
    batch_band = 0.0

    def __init__(
        self,
        model: NativeModel | RouterFile,
        *,
        file: str,
        precision: str,
        threads: int | None = None,
        instructions: Instructions | None = None,
        background: bool = False,
    ) -> None:
        """Make an engine of a model, whose weights have been checked.

        `threads` None means `available_cpus()`, `instructions` None the fastest that there are here. With `background`,
        one thread of low priority computes while the caller sleeps, and `threads` is ignored.

        Raises:
            EngineUnavailableError: there is no library for this platform, or this processor has no such instructions.
            EngineError: there is not enough memory, or not so many threads.
        """
        require_native()
        self.instructions = instructions or supported_instructions()[0]
        if self.instructions not in supported_instructions():
            raise EngineUnavailableError(f"this processor does not have {self.instructions.name}")
        self.file = file
        self.precision = precision
        count = _BACKGROUND if background else threads or available_cpus()
        self._opened: _Opened | None = _Opened(model, self.instructions, count)
        self.batches_at_once = max(1, count)
        """How many batches are best computed at a time, each by a thread `alone`."""
        self._single: queue.SimpleQueue[_Opened] = queue.SimpleQueue()

    def logits(self, sequences: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        """Return the logits, float32 [n], of sequences, int64 [tokens]; see `Engine.logits`."""
        # Imported here for the sake of those who ask for `prompt_logits` alone.
        import numpy as np

        lengths = np.array([len(sequence) for sequence in sequences], np.int32)
        ids = np.ascontiguousarray(sequences[0] if len(sequences) == 1 else np.concatenate(sequences), np.int64)
        logits = np.empty(len(lengths), np.float32)
        # Not `__array_interface__`: the names in that dictionary are interned and forgotten with every call, so that
        # the interpreter copies its table of names, half a megabyte, every few thousand calls.
        self._compute(ids.ctypes.data, lengths.ctypes.data, len(lengths), logits.ctypes.data)
        return logits

    def prompt_logits(self, prompts: Sequence[Prompt], *, alone: bool = False) -> list[float]:
        """Return what `logits` returns for the ids of prompts, as numbers of Python; without numpy for ArrayPrompt.

        `alone` computes in this thread only, next to other calls that do the same.
        """
        ids = array("q")
        for prompt in prompts:
            ids.extend(prompt.values if isinstance(prompt, ArrayPrompt) else prompt.ids.tolist())
        lengths, logits = array("i", [prompt.tokens for prompt in prompts]), array("f", bytes(4 * len(prompts)))
        addresses = ids.buffer_info()[0], lengths.buffer_info()[0], len(lengths), logits.buffer_info()[0]
        if alone and self.batches_at_once > 1:
            self._compute_alone(*addresses)
        else:
            self._compute(*addresses)
        return logits.tolist()

    def _compute(self, ids: int, lengths: int, count: int, logits: int) -> None:
        # Held here, so that nobody frees it during the call.
        opened = self._opened
        if opened is None:
            raise EngineError.closed()
        opened.logits(ids, lengths, count, logits)

    def _compute_alone(self, ids: int, lengths: int, count: int, logits: int) -> None:
        team = self._opened
        if team is None:
            raise EngineError.closed()
        try:
            opened = self._single.get_nowait()
        except queue.Empty:
            opened = _Opened(team.model, self.instructions, 1)
        try:
            opened.logits(ids, lengths, count, logits)
        finally:
            # Its memory serves the next call.
            if self._opened is not None:
                self._single.put(opened)

    def close(self) -> None:
        """Let go of threads, memory and file: now, or when the last call that runs has ended."""
        self._opened = None
        self._single = queue.SimpleQueue()


@dataclass(frozen=True)
class Begun:
    """A file that is being checked: `load` waits for the verdict and makes the engine.

    `tokenizer` is the one in the file, where the library reads prompts, else None.
    """

    load: Callable[[], NativeEngine]
    tokenizer: Tokenizer | None


def begin_load(descriptor: int, file: EngineFile, *, threads: int | None, usage: Usage, max_tokens: int) -> Begun:
    """Start to check an open file of a bundle whose prompts have at most `max_tokens` ids.

    Raises:
        BundleCorruptError: the file is not one of the native engine; also raised by `load`.
        EngineUnavailableError: there is no library for this platform.
    """
    require_native()
    read = read_router_file(descriptor, file=file.file, max_tokens=max_tokens) if usage is Usage.ONCE else None
    model = read or _model(descriptor, file.file)
    verdict = model.begin_check()

    def load() -> NativeEngine:
        verdict()
        background = usage is Usage.BACKGROUND
        return NativeEngine(model, file=file.file, precision=file.precision, threads=threads, background=background)

    return Begun(load, read)


def _model(descriptor: int, file: str) -> NativeModel:
    from vibe_router.bundle.safe_open import map_file
    from vibe_router.engines.native.model import NativeModel

    return NativeModel(map_file(descriptor, name=file), file=file)


class _Opened:
    """An open engine of the library; it is closed when nobody refers to it any more."""

    def __init__(self, model: NativeModel | RouterFile, instructions: Instructions, threads: int) -> None:
        self._engine: int | None = None
        self._process = os.getpid()
        self._library = native_library()
        # The engine reads from there as long as it is open.
        self.model = model
        self._engine = self._library.vr_open(ctypes.byref(model.structure), instructions, threads)
        if not self._engine:
            raise EngineError(f"the native engine has not enough memory for {threads or 1} threads")

    def logits(self, ids: int, lengths: int, count: int, logits: int) -> None:
        """Write a logit for each of `count` sequences; the three others are addresses.

        `ids` int64 are those of all, one after the other, `lengths` int32 [count], `logits` float32 [count].

        Raises:
            EngineError: the call was stopped or refused, or this is a forked child, which does not have the engine's
                threads.
        """
        if os.getpid() != self._process:
            raise EngineError("the native engine was opened in another process", hint="load the router again")
        stop = ctypes.c_int32(0)
        requested = CURRENT_STOP.get()
        if requested is not None:
            requested.when_set(lambda: setattr(stop, "value", 1))
        status = Status(self._library.vr_logits(self._engine, ids, lengths, count, ctypes.byref(stop), logits))
        if status is not Status.OK:
            raise EngineError(f"the native engine {_FAILURES[status]}")

    def __del__(self) -> None:
        # A forked child does not have the threads that closing waits for.
        if self._engine and os.getpid() == self._process:
            self._library.vr_close(self._engine)
