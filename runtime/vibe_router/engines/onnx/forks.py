"""Sessions of ONNX Runtime in a forked child: destroying one would wait for threads that the child does not have."""

from __future__ import annotations

import ctypes
import os
import weakref
from functools import cache
from typing import Any


def keep_in_children(session: Any) -> None:
    """Have every child that is forked from now on keep `session`, for as long as it lives, until its process ends."""
    _sessions().add(session)


@cache
def _sessions() -> weakref.WeakSet[Any]:
    """Return the sessions of this process; a child that is forked takes a reference to each that is never given up."""
    sessions: weakref.WeakSet[Any] = weakref.WeakSet()

    def keep() -> None:
        for session in sessions:
            # The object in C++, which the interpreter would otherwise destroy at its end, and its owner.
            for one in (session, session._sess):
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(one))

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=keep)
    return sessions
