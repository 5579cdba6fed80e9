"""The entry point of every command line: a result, or an error with a hint and an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import typer

from vibe_router.errors import VibeRouterError
from vibe_router.printable import first_line, printable

_FATAL_SIGNAL = 128


def run(build_app: Callable[[], typer.Typer]) -> None:
    """Build and run a command line; errors raised on purpose become message, hint and exit code, never a traceback.

    Ctrl-C is for the caller.
    """
    try:
        _require_streams()
        with _ending_in_order():
            try:
                build_app()()
            finally:
                # Output that cannot be written must raise here, not at exit, when the exit code is set already.
                sys.stdout.flush()
    except VibeRouterError as error:
        _complain(f"error: {error.message}", f"hint: {error.hint}" if error.hint else "")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader has gone (`| head`). What is left in the buffer must not raise again at exit.
        _discard_output()
        sys.exit(1)
    except MemoryError:
        _complain("error: the system gives no more memory")
        _discard_output()
        sys.exit(1)
    except ImportError as error:
        # What NumPy and others make of a system that refuses memory or files is many lines long.
        _complain(f"error: a library cannot be loaded: {first_line(error.__cause__ or error)}")
        _discard_output()
        sys.exit(1)
    except OSError as error:
        where = f" {printable(str(error.filename))}" if error.filename else ""
        _complain(f"error: the system refuses{where}: {error.strerror or type(error).__name__}")
        _discard_output()
        sys.exit(1)


def _require_streams() -> None:
    """Give a program that was started without streams others that fail when they are used.

    Raises:
        OSError: there is no stdout, so that no result could be seen.
    """
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for the whole process
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for the whole process
        raise OSError(errno.EBADF, "stdout is closed")


def _complain(*lines: str) -> None:
    with contextlib.suppress(OSError):
        for line in lines:
            if line:
                typer.echo(printable(line), err=True)


def _discard_output() -> None:
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """Let a request to end, or a closed terminal, remove what is half written, as Ctrl-C does."""
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    # A signal that is ignored or handled already (nohup, a host program) stays as it is.
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
