"""The C tokenizer as a shared library of its own, for comparisons with the runtime's."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vibe_router_export.emit.native.text_tables import TextTables

SOURCES = sorted(Path(__file__).resolve().parent.glob("*.c"))
_FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared")


class _Tables(ctypes.Structure):
    """`VrTextTables` of tables.h."""

    _fields_ = (
        ("numbers", ctypes.c_int32 * 7),
        *(
            (name, ctypes.c_void_p)
            for name in (
                "byte_ids",
                "merge_starts",
                "merges",
                "token_starts",
                "token_bytes",
                "token_order",
                "added",
                "added_bytes",
            )
        ),
        *(
            (name, ctypes.c_int32)
            for name in ("merge_count", "token_byte_count", "ordered", "added_count", "added_byte_count")
        ),
    )


def compile_tokenizer(
    path: Path, *, compiler: Sequence[str] = (sys.executable, "-m", "ziglang", "cc"), flags: Sequence[str] = ()
) -> None:
    """Compile native/text into a shared library at `path`."""
    subprocess.run([*compiler, *_FLAGS, *flags, *map(str, SOURCES), "-o", str(path)], check=True)


class CTokenizer:
    """The tokenizer of some tables in a compiled library. Not for several threads at a time."""

    def __init__(self, library: Path, tables: TextTables) -> None:
        """Check the tables.

        Raises:
            ValueError: the library says what is wrong with them.
        """
        self._library = ctypes.CDLL(str(library))
        self._library.vr_text_problem.restype = ctypes.c_char_p
        # Pointers go into these arrays.
        self._kept = tables
        self._tables = _Tables()
        self._tables.numbers[:] = tables.numbers.tolist()
        for name in ("byte_ids", "merge_starts", "merges", "token_starts", "token_bytes", "token_order"):
            setattr(self._tables, name, getattr(tables, name).ctypes.data)
        self._tables.added, self._tables.added_bytes = tables.added.ctypes.data, tables.added_bytes.ctypes.data
        self._tables.merge_count, self._tables.ordered = len(tables.merges), len(tables.token_order)
        self._tables.token_byte_count = len(tables.token_bytes)
        self._tables.added_count, self._tables.added_byte_count = len(tables.added), len(tables.added_bytes)
        problem = self._library.vr_text_problem(ctypes.byref(self._tables))
        if problem is not None:
            raise ValueError(problem.decode())
        # `VrTextWork`: eleven buffers of a pointer and a size, and a count.
        self._work = (ctypes.c_size_t * 23)()
        self._ids = np.zeros(int(tables.numbers[3]), np.int64)

    def encode(self, prompt: str | bytes) -> tuple[list[int], bool]:
        """Return ids and whether there were more.

        Raises:
            ValueError: the library refuses the prompt; its only argument is the status.
        """
        text = prompt if isinstance(prompt, bytes) else prompt.encode("utf-8", "surrogatepass")
        count, truncated = ctypes.c_int32(), ctypes.c_int32()
        status = self._library.vr_tokenize(
            ctypes.byref(self._tables),
            ctypes.byref(self._work),
            text,
            ctypes.c_size_t(len(text)),
            ctypes.c_void_p(self._ids.ctypes.data),
            ctypes.byref(count),
            ctypes.byref(truncated),
        )
        if status != 0:
            raise ValueError(status)
        return self._ids[: count.value].tolist(), bool(truncated.value)

    def close(self) -> None:
        """Free the memory of calls."""
        self._library.vr_free_text_work(ctypes.byref(self._work))
