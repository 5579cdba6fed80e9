"""Write a folder whole or not at all: build it beside its place, check it there, then rename."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from vibe_router.errors import UsageError


@contextlib.contextmanager
def staged_folder(target: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield an empty folder that becomes `target` when the block ends without an error, and vanishes otherwise.

    With `overwrite` an existing `target` is set aside by a rename and removed only after the new one stands.

    Raises:
        UsageError: `target` exists and `overwrite` is not set, or its place cannot be written to.
    """
    target = target.absolute()
    if target.exists() and not overwrite:
        raise UsageError(f"{target} exists already", hint="choose another place, or replace it with --force")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}.partial-", dir=target.parent))
    except OSError as error:
        raise UsageError(f"cannot write beside {target}: {error}", hint="choose a folder you can write to") from error
    try:
        staged = work / "new"
        staged.mkdir()
        yield staged
        if target.exists():
            target.rename(work / "old")
        try:
            staged.rename(target)
        except BaseException:
            if (work / "old").exists():
                (work / "old").rename(target)
            raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
