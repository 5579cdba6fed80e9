"""How every command line of this project ends: with a result, or with an error, a hint and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import typer

from vibe_router.errors import VibeRouterError

_INTERRUPTED = 130


def run(build_app: Callable[[], typer.Typer]) -> None:
    """Build and run a command line; errors raised on purpose become message, hint and exit code, never a traceback."""
    try:
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
