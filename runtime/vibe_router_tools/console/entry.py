"""How every command line of this project ends: with a result, or with an error, a hint and an exit code."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from vibe_router.errors import VibeRouterError

_INTERRUPTED = 130
_FATAL_SIGNAL = 128


def run(build_app: Callable[[], typer.Typer]) -> None:
    """Build and run a command line; errors raised on purpose become message, hint and exit code, never a traceback."""
    try:
        with _ending_in_order():
            build_app()()
    except VibeRouterError as error:
        typer.echo(f"error: {error.message}", err=True)
        if error.hint:
            typer.echo(f"hint: {error.hint}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:
        # The reader has gone (`| head`). What is left in the buffer must not raise again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """Let a request to end, or a closed terminal, remove what is half written, as Ctrl-C does."""
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    # Whoever ignores or handles one of them already (nohup, a host program) keeps his way.
    chosen = [number for name in names if signal.getsignal(number := getattr(signal, name)) is signal.SIG_DFL]
    try:
        for number in chosen:
            signal.signal(number, _exit)
        yield
    finally:
        for number in chosen:
            signal.signal(number, signal.SIG_DFL)


def _exit(number: int, _: FrameType | None) -> None:
    sys.exit(_FATAL_SIGNAL + number)
