"""The start of every command line: from here on Ctrl-C ends it in order, also while its parts are imported.

Little may be imported here, because Ctrl-C during an import that comes before `start` is a traceback.
"""

from __future__ import annotations

import _thread
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import typer

INTERRUPTED = 130
"""The exit code after Ctrl-C: 128 and the signal's number, as shells have it."""


def start(build_app: Callable[[], typer.Typer]) -> None:
    """Import, build and run a command line; the exit codes are those of `vibe_router.errors`, and `INTERRUPTED`."""
    sys.unraisablehook = _interrupt_again
    try:
        from vibe_router_tools.console.entry import run

        run(build_app)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:
        # While a class is made, Python up to 3.11 raises a RuntimeError in the place of what a descriptor raised.
        if not isinstance(error.__cause__, KeyboardInterrupt):
            raise
        sys.exit(INTERRUPTED)


def _interrupt_again(unraisable: sys.UnraisableHookArgs) -> None:
    """Raise Ctrl-C again where it came in a destructor, or in what ends an import: Python would print it and go on."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        # Not in this thread, where it would be raised before this function has ended, and be printed as well.
        _thread.start_new_thread(_thread.interrupt_main, ())
    else:
        sys.__unraisablehook__(unraisable)
