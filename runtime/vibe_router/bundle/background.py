"""A check that runs in a thread while the rest of a bundle is loaded."""

from __future__ import annotations

import threading
from collections.abc import Callable


def in_background(check: Callable[[], None], *, name: str) -> Callable[[], None]:
    """Start `check` in a thread and return a function that waits for its end and raises what it raised.

    Where the system gives no thread, the check runs here and now.
    """
    failures: list[BaseException] = []

    def run() -> None:
        try:
            check()
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits
            failures.append(error)

    thread = threading.Thread(target=run, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        run()

    def wait() -> None:
        # A thread that never started has no identity.
        if thread.ident is not None:
            thread.join()
        if failures:
            raise failures[0]

    return wait
