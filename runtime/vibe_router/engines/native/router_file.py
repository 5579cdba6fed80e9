"""A native file that the library reads by itself: its model, and its tokenizer. Without numpy and `tokenizers`.

Importing those two takes longer than everything else that a process does until its first decision, so `Usage.ONCE`
reads prompts with this. docs/clib.md says what is in the file, and on which texts the ids were compared.
"""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vibe_router.bundle.background import in_background
from vibe_router.engines.native.library import Model, Status, TextStatus, native_library, text_library
from vibe_router.errors import BundleCorruptError, EngineUnavailableError, PromptError
from vibe_router.text.plain import MARKS_IN_A_ROW, READ_THE_BEGINNING, UNBROKEN, plain_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PROBLEMS = {
    TextStatus.NO_MEMORY: ("there is not enough memory to read it", READ_THE_BEGINNING),
    TextStatus.MARKS: MARKS_IN_A_ROW,
    TextStatus.UNSETTLED: ("too many characters do not settle the first tokens", UNBROKEN),
}


@dataclass(frozen=True)
class ArrayPrompt:
    """`values` are the ids, int64, [CLS] and [SEP] included; `truncated` says that the prompt had more."""

    values: array[int]
    truncated: bool

    @property
    def ids(self) -> NDArray[np.int64]:
        """The ids as numpy has them, int64 [tokens]: the same memory. Imports numpy."""
        import numpy as np

        return np.frombuffer(self.values, np.int64)

    @property
    def tokens(self) -> int:
        """How many ids there are."""
        return len(self.values)


class RouterFile:
    """A mapped file. It is unmapped when neither a router nor an engine refers to it any more."""

    reads_whole = False

    def __init__(self, descriptor: int, *, file: str) -> None:
        """Read the open file, named `file` in errors.

        Raises:
            EngineUnavailableError: this library reads no such files.
            BundleCorruptError: it is damaged, or from before native files had a tokenizer.
        """
        self._handle: int | None = None
        self._file = file
        self._library = text_library()
        self.structure = Model()
        max_tokens, problem = ctypes.c_int32(), ctypes.c_char_p()
        found = (ctypes.byref(self.structure), ctypes.byref(max_tokens), ctypes.byref(problem))
        self._handle = self._library.vr_file_open(descriptor, *found)
        if not self._handle:
            why = (problem.value or b"").decode()
            raise BundleCorruptError(f"{file}: {why}", hint="export the bundle again with this version")
        self.max_tokens = max_tokens.value

    def begin_check(self) -> Callable[[], None]:
        """Start to check the weights in a thread, as `NativeModel.begin_check` does; return what waits for the verdict.

        That raises BundleCorruptError.
        """
        return in_background(self._check_weights, name="vibe-router-weights")

    def _check_weights(self) -> None:
        if native_library().vr_check_weights(ctypes.byref(self.structure)) != Status.OK:
            raise BundleCorruptError(
                f"{self._file}: its weights, their padding and their offsets do not fit each other",
                hint="export the bundle again with this version",
            )

    def encode(self, prompt: str) -> ArrayPrompt:
        """Return the ids of `prompt`, those of `PromptTokenizer`.

        Raises:
            PromptError: as `PromptTokenizer.encode`.
        """
        if type(prompt) is not str:
            prompt = plain_text(prompt)
        # The library reads each surrogate as U+FFFD.
        text = prompt.encode("utf-8", "surrogatepass")
        ids = array("q", bytes(8 * self.max_tokens))
        count, truncated = ctypes.c_int32(), ctypes.c_int32()
        found = (ids.buffer_info()[0], ctypes.byref(count), ctypes.byref(truncated))
        status = TextStatus(self._library.vr_file_tokenize(self._handle, text, len(text), *found))
        if status is not TextStatus.OK:
            message, hint = _PROBLEMS[status]
            raise PromptError(message, hint=hint)
        return ArrayPrompt(ids[: count.value], bool(truncated.value))

    def __del__(self) -> None:
        if self._handle:
            self._library.vr_file_close(self._handle)


def read_router_file(descriptor: int, *, file: str, max_tokens: int) -> RouterFile | None:
    """Return the open file of a bundle whose prompts have at most `max_tokens` ids, or None where it is read in Python.

    That way says why a file is damaged, and needs no tokenizer in it. The log says why it is taken.
    """
    try:
        found = RouterFile(descriptor, file=file)
    except (BundleCorruptError, EngineUnavailableError) as error:
        _log(error.message)
        return None
    if found.max_tokens != max_tokens:
        _log(f"{file} keeps {found.max_tokens} ids of a prompt, and the manifest {max_tokens}")
        return None
    return found


def _log(reason: str) -> None:
    import logging

    logging.getLogger("vibe_router").info("the native library does not read the prompts: %s", reason)
