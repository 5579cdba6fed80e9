"""Every error this project raises on purpose.

    VibeRouterError             exit 1  anything that has no line of its own below
    ├── UsageError              exit 2  a wrong option or argument
    │   └── MissingExtraError   exit 2  a feature whose libraries are not installed
    ├── BundleNotFoundError     exit 3  no bundle under that name or path
    ├── BundleCorruptError      exit 4  a file is missing, altered, or not what the manifest says
    ├── SchemaError             exit 5  the manifest is of a kind this version cannot read
    ├── EngineUnavailableError  exit 6  the asked-for engine cannot run here
    ├── EngineError             exit 1  the engine ran and failed
    │   └── DeadlineError       exit 1  the engine had not answered when the caller's time was up
    ├── ParityError             exit 7  an artifact disagrees with its reference
    ├── PromptError             exit 8  the prompt cannot be routed as it is
    ├── CheckpointError         exit 9  the checkpoint is not one we can export
    └── DataError               exit 1  a data file has a bad row

Each carries a message (what happened), a hint (what to do about it) and the exit code its command ends with. Whatever
the texts repeat, they have no characters that a terminal or a log would obey.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from vibe_router.printable import printable

if TYPE_CHECKING:
    from vibe_router.policy import Decision


class VibeRouterError(Exception):
    """Base of all errors raised on purpose; catch this one to catch them all.

    `decided` are the decisions that `route_many` and `aroute_many` had made when it was raised, in the prompts' order:
    the prompt at place `len(decided)` is the one without a decision. Empty for every other call.
    """

    exit_code: ClassVar[int] = 1
    decided: tuple[Decision | None, ...] = ()

    def __init__(self, message: str, *, hint: str = "") -> None:
        # A message may repeat what a stranger's file or another library's error says.
        self.message, self.hint = printable(message), printable(hint)
        super().__init__(self.message)


class UsageError(VibeRouterError):
    """A wrong option or argument."""

    exit_code = 2


class MissingExtraError(UsageError):
    """A feature whose libraries are not installed."""

    def __init__(self, feature: str, *, extra: str, missing: str) -> None:
        super().__init__(
            f"{feature} needs {missing}, which is not installed",
            hint=f"in a clone of vibe-router, which is not on PyPI yet: pip install '.[{extra}]'",
        )


class BundleNotFoundError(VibeRouterError):
    """No bundle under that name or path."""

    exit_code = 3


class BundleCorruptError(VibeRouterError):
    """A file of the bundle is missing, altered, or not what the manifest says."""

    exit_code = 4


class SchemaError(VibeRouterError):
    """The manifest is of a kind that this version cannot read."""

    exit_code = 5


class EngineUnavailableError(VibeRouterError):
    """The asked-for engine cannot run on this machine."""

    exit_code = 6


class EngineError(VibeRouterError):
    """The engine ran and failed, or gave something that is not a score."""

    @classmethod
    def closed(cls) -> EngineError:
        """Return the error of a call that came after `close`."""
        return cls("the router has been closed", hint="load the router again")


class DeadlineError(EngineError, TimeoutError):
    """The engine had not answered when the caller's time was up. Also a `TimeoutError`."""

    @classmethod
    def passed(cls) -> DeadlineError:
        """Return the error of a call whose time is up."""
        return cls(
            "the engine had not answered when the time was up",
            hint="give a longer timeout, or a fallback to decide without a score",
        )


class ParityError(VibeRouterError):
    """An artifact disagrees with its reference."""

    exit_code = 7


class PromptError(VibeRouterError):
    """The prompt cannot be routed as it is."""

    exit_code = 8


class CheckpointError(VibeRouterError):
    """The checkpoint is not one that can be exported."""

    exit_code = 9


class DataError(VibeRouterError):
    """A data file has a bad row; the message names the file and the line."""
