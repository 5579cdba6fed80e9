"""Standard input of a command that reads it."""

from __future__ import annotations

import sys
from typing import BinaryIO

from vibe_router.errors import UsageError


def standard_input() -> BinaryIO:
    """Return stdin as bytes.

    Raises:
        UsageError: the program was started without one.
    """
    if sys.stdin is None:
        raise UsageError("stdin is closed", hint="redirect a file to it, or name the file")
    return sys.stdin.buffer
