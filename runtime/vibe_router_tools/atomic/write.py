"""Write a folder or a file whole or not at all: build it next to its place, then rename.

    .NAME.partial-XXXX/     next to NAME, locked for as long as the process that builds it lives
        new/                what is built
        old-0/              what was at NAME, between two renames, where the system cannot exchange two folders

A process that is killed leaves such a place behind. The next one that writes NAME removes it, or puts `old` back
where NAME is missing; one that is locked belongs to a process that lives and is left alone.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from vibe_router.errors import UsageError, VibeRouterError
from vibe_router_tools.atomic.exchange import exchange
from vibe_router_tools.atomic.locks import Lock, lock_path

# Errors of a disk that is full, over quota or limited, and of one that has become read-only or broken.
_DISK_ERRORS = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO))
# How the Rust and C++ libraries that write files spell them.
_ERROR_NUMBER = re.compile(r"(?:os error|Errno|errno) (\d+)")
_OCCUPIED = frozenset((errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR))
# A rename fails again only if another process has put something there in between.
_ATTEMPTS = 100


@contextlib.contextmanager
def staged_folder(target: Path, *, replace: str | None = None) -> Iterator[Path]:
    """Yield an empty folder that becomes `target` when the block ends without an error, and vanishes otherwise.

    With `replace`, a folder at `target` that is empty or holds a file of that name is replaced, in one step where
    the system can exchange two folders (Linux and macOS on their usual file systems). Where it cannot, `target` is
    missing for a moment, and a process killed in that moment leaves the old folder for the next one to put back.

    Raises:
        UsageError: `target` exists and must not be replaced, or its place cannot be written to.
        VibeRouterError: the disk is full or broken.
    """
    target = _resolve(target)
    with _typed_disk_errors(target):
        clean(target)
        _require_replaceable(target, replace)
        with _work_folder(target) as work:
            new = work / "new"
            new.mkdir()
            yield new
            _flush(new)
            _put(new, target, replace=replace)


def write_file(target: Path, content: bytes, *, overwrite: bool = True) -> None:
    """Write the file `target`, which is the old or the new one at any time; symbolic links are replaced.

    Raises:
        As `staged_file`.
    """
    with staged_file(target, overwrite=overwrite) as work:
        work.write_bytes(content)


@contextlib.contextmanager
def staged_file(target: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yield an empty file that becomes `target` when the block ends without an error, and vanishes otherwise.

    Raises:
        UsageError: `target` exists and `overwrite` is not set, or its place cannot be written to.
        VibeRouterError: the disk is full or broken.
    """
    target = target.absolute()
    if os.path.lexists(target) and not overwrite:
        raise _exists(target, "name a file that does not exist; nothing is overwritten")
    with _typed_disk_errors(target):
        clean(target)
        try:
            handle, name = tempfile.mkstemp(prefix=_prefix(target), dir=target.parent)
        except OSError as error:
            raise _cannot_write(target, error) from error
        work = Path(name)
        try:
            with os.fdopen(handle, "wb") as file, lock_path(work):
                yield work
                os.fsync(file.fileno())
                # mkstemp gives rights to the owner alone.
                work.chmod(0o666 & ~_umask())
                _put_file(work, target, overwrite=overwrite)
        finally:
            work.unlink(missing_ok=True)


def clean(target: Path) -> None:
    """Remove what killed processes have left next to `target`, and put an old `target` back where it is missing."""
    for place in leftovers(target):
        with contextlib.suppress(OSError), lock_path(place) as lock:
            # In a folder that others can write to, a stranger's place is not ours to trust.
            if lock is not Lock.TAKEN or place.lstat().st_uid != os.getuid():
                continue
            if place.is_dir():
                for old in sorted(place.glob("old-*"), reverse=True):
                    if not os.path.lexists(target):
                        old.rename(target)
                shutil.rmtree(place, ignore_errors=True)
            else:
                place.unlink(missing_ok=True)


def leftovers(target: Path) -> list[Path]:
    """Return the temporary places next to `target`, those that live processes are writing to among them."""
    target = target.absolute()
    try:
        return sorted(path for path in target.parent.iterdir() if path.name.startswith(_prefix(target)))
    except OSError:
        return []


def _resolve(target: Path) -> Path:
    """Return `target` with a real parent folder, made where it is missing, and a name of its own."""
    try:
        target = target.resolve() if target.name in ("", ".", "..") else target.absolute()
        target.parent.mkdir(parents=True, exist_ok=True)
        return target.parent.resolve() / target.name
    except OSError as error:
        raise _cannot_write(target, error) from error


def _require_replaceable(target: Path, replace: str | None) -> None:
    for _ in range(_ATTEMPTS):
        seen = _identity(target)
        if seen is None:
            return
        if replace is None:
            raise _exists(target, "choose another place, or replace it with --force")
        if _is_replaceable(target, replace):
            return
        # What was looked at may have been taken away meanwhile by another process that replaces it.
        if _identity(target) == seen:
            raise UsageError(
                f"{target} holds no {replace}, so it is not replaced",
                hint="choose another place, or remove it yourself",
            )
    raise UsageError(f"cannot replace {target}", hint="other processes keep writing there")


def _is_replaceable(target: Path, replace: str) -> bool:
    try:
        return target.is_dir() and ((target / replace).is_file() or not any(target.iterdir()))
    except FileNotFoundError:
        return False


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


@contextlib.contextmanager
def _work_folder(target: Path) -> Iterator[Path]:
    for _ in range(_ATTEMPTS):
        try:
            work = Path(tempfile.mkdtemp(prefix=_prefix(target), dir=target.parent))
        except OSError as error:
            raise _cannot_write(target, error) from error
        with contextlib.ExitStack() as stack:
            # A process that cleans may remove the folder before its lock is taken.
            try:
                lock = stack.enter_context(lock_path(work))
            except FileNotFoundError:
                continue
            if lock is Lock.BUSY or not work.exists():
                continue
            stack.callback(shutil.rmtree, work, ignore_errors=True)
            yield work
            return
    raise UsageError(f"cannot write next to {target}", hint="other processes remove what is written there")


def _put(new: Path, target: Path, *, replace: str | None) -> None:
    """Rename `new` to `target`; what was there is at `new` afterwards."""
    for attempt in range(_ATTEMPTS):
        try:
            new.rename(target)
            return
        except OSError as error:
            if error.errno not in _OCCUPIED:
                raise _cannot_write(target, error) from error
        _require_replaceable(target, replace)
        old = new.with_name(f"old-{attempt}")
        with contextlib.suppress(FileNotFoundError):
            if exchange(new, target) or _set_aside(new, target, old):
                return
    raise UsageError(f"cannot replace {target}", hint="other processes keep writing there")


def _set_aside(new: Path, target: Path, old: Path) -> bool:
    """Replace `target` in two steps; False where another process has taken its place between them."""
    target.rename(old)
    try:
        new.rename(target)
    except BaseException as error:
        if not os.path.lexists(target):
            old.rename(target)
        if isinstance(error, OSError) and error.errno in _OCCUPIED:
            return False
        raise
    return True


def _put_file(work: Path, target: Path, *, overwrite: bool) -> None:
    if not overwrite:
        try:
            target.hardlink_to(work)
            return
        except FileExistsError:
            raise _exists(target, "name a file that does not exist; nothing is overwritten") from None
        except OSError:
            # A file system without hard links; that nothing was there has been checked before.
            pass
    try:
        work.replace(target)
    except OSError as error:
        raise _cannot_write(target, error) from error


def _flush(folder: Path) -> None:
    """Wait until the disk has every file, so that a power failure after the rename does not empty them."""
    for path in folder.rglob("*"):
        if stat.S_ISREG(path.lstat().st_mode):
            with path.open("rb") as file:
                os.fsync(file.fileno())


@contextlib.contextmanager
def _typed_disk_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except VibeRouterError:
        raise
    except Exception as error:
        reason = _disk_error(error)
        if reason is None:
            raise
        raise VibeRouterError(
            f"cannot write {target}: {reason}",
            hint="nothing was changed there; free some space or name another place",
        ) from error


def _disk_error(error: BaseException | None) -> str | None:
    """Return the system's words for a failure of the disk, which libraries wrap in errors of their own."""
    while error is not None:
        numbers = [int(number) for number in _ERROR_NUMBER.findall(str(error))]
        if isinstance(error, OSError) and error.errno is not None:
            numbers.append(error.errno)
        for number in numbers:
            if number in _DISK_ERRORS:
                return os.strerror(number)
        error = error.__cause__ or error.__context__
    return None


def _prefix(target: Path) -> str:
    return f".{target.name}.partial-"


def _umask() -> int:
    """Return the process's umask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _exists(target: Path, hint: str) -> UsageError:
    return UsageError(f"{target} exists already", hint=hint)


def _cannot_write(target: Path, error: OSError) -> UsageError:
    return UsageError(f"cannot write {target}: {error.strerror}", hint="name a place that you can write to")
