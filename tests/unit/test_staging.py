from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer

from vibe_router.errors import UsageError, VibeRouterError
from vibe_router_tools.atomic import write as staging
from vibe_router_tools.atomic.write import clean, leftovers, staged_folder, write_file
from vibe_router_tools.console.entry import run

ROOT = Path(__file__).resolve().parents[2]
MARKER = "marker"


def write(target: Path, stamp: str, *, replace: str | None = MARKER) -> None:
    with staged_folder(target, replace=replace) as folder:
        (folder / MARKER).write_text(stamp)


def read(target: Path) -> str:
    return (target / MARKER).read_text()


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let writes beyond `size` bytes fail as on a full disk (EFBIG instead of ENOSPC)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    ("scenario", "method", "steps"),
    [("new", "exchange", 15), ("replace", "exchange", 15), ("replace", "renames", 15), ("file", "exchange", 5)],
)
def test_killed_at_any_step_the_old_or_the_new_is_whole_and_the_next_writer_cleans(
    scenario: str, method: str, steps: int, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.crashes", tmp_path, scenario, method],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["runtime", *sys.path])},
        capture_output=True,
        text=True,
        check=True,
    )
    report = json.loads(done.stdout)
    assert len(report) > steps
    assert [step["killed"] for step in report] == [True] * (len(report) - 1) + [False]
    before = None if scenario == "new" else "old"
    for step in report:
        # Only between two renames may the target be missing, and then the old one is put back.
        assert step["found"] in ({before, "new", None} if method == "renames" else {before, "new"})
        assert step["cleaned"] in {before, "new"}
        assert step["next"] == "next"
        assert (step["left_after_cleaning"], step["left_after_next"]) == (0, 0)
    assert report[0]["cleaned"] == before
    assert report[-1]["found"] == "new"
    assert any(step["left"] for step in report)
    if method == "renames":
        assert any(step["found"] is None for step in report)


def test_an_error_in_the_block_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "target", "old")

    def fail() -> None:
        with staged_folder(tmp_path / "target", replace=MARKER) as folder:
            (folder / MARKER).write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert read(tmp_path / "target") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_a_live_writers_place_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "target"
    with staged_folder(target, replace=MARKER) as first:
        (first / MARKER).write_text("first")
        write(target, "second")
        assert read(target) == "second"
        assert len(leftovers(target)) == 1
    assert read(target) == "first"
    assert leftovers(target) == []


def test_without_replacing_the_second_of_two_writers_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "target"

    def write_while_another_does() -> None:
        with staged_folder(target) as first:
            (first / MARKER).write_text("first")
            write(target, "second", replace=None)

    with pytest.raises(UsageError, match="exists already"):
        write_while_another_does()
    assert read(target) == "second"
    assert leftovers(target) == []


@pytest.mark.parametrize("can_exchange", [True, False])
def test_many_writers_at_once_leave_one_whole_folder(
    can_exchange: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not can_exchange:
        monkeypatch.setattr(staging, "exchange", lambda one, other: False)  # noqa: ARG005
    target = tmp_path / "target"
    failures: list[Exception] = []

    def work(name: int) -> None:
        try:
            for _ in range(8):
                with staged_folder(target, replace=MARKER) as folder:
                    for file in (MARKER, "b", "c"):
                        (folder / file).write_text(str(name))
        except VibeRouterError as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len({(target / file).read_text() for file in (MARKER, "b", "c")}) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_only_its_own_kind_of_folder_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter").write_text("dear")
    (tmp_path / "file").write_text("precious")
    (tmp_path / "empty").mkdir()
    for name in ("home", "file"):
        with pytest.raises(UsageError, match=f"{name} holds no {MARKER}"):
            write(tmp_path / name, "new")
    write(tmp_path / "empty", "new")
    assert (tmp_path / "home" / "letter").read_text() == "dear"
    assert (tmp_path / "file").read_text() == "precious"
    assert read(tmp_path / "empty") == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file", "home"]


@pytest.mark.parametrize(
    "failure",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("I/O error: No space left on device (os error 28)"),
        OSError([("a", "b", "[Errno 28] No space left on device")]),
    ],
    ids=["python", "rust", "shutil"],
)
def test_a_full_disk_is_named_and_nothing_is_lost(failure: Exception, tmp_path: Path) -> None:
    write(tmp_path / "target", "old")
    with (
        pytest.raises(VibeRouterError, match="target: No space left on device"),
        staged_folder(tmp_path / "target", replace=MARKER),
    ):
        raise failure
    assert read(tmp_path / "target") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_a_limit_on_the_size_of_files_is_named_and_nothing_is_lost(tmp_path: Path) -> None:
    write(tmp_path / "target", "old")
    write_file(tmp_path / "file", b"old")
    with largest_file(4096):
        with pytest.raises(VibeRouterError, match="target: File too large"):
            write(tmp_path / "target", "x" * 8192)
        with pytest.raises(VibeRouterError, match="file: File too large"):
            write_file(tmp_path / "file", b"x" * 8192)
    assert read(tmp_path / "target") == "old"
    assert (tmp_path / "file").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "target"]


@pytest.mark.parametrize("place", ["/proc/target", "/dev/null/target"])
def test_a_place_that_cannot_be_written_to_is_a_usage_error(place: str) -> None:
    with pytest.raises(UsageError, match="cannot write"):
        write(Path(place), "new")
    with pytest.raises(UsageError, match="cannot write"):
        write_file(Path(place), b"new")


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root writes everywhere")
def test_a_folder_without_write_permission_is_a_usage_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(UsageError, match="Permission denied"):
            write(tmp_path / "target", "new")
    finally:
        tmp_path.chmod(0o700)


def test_a_strangers_leftover_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".target.partial-x" / "old-0").mkdir(parents=True)
    monkeypatch.setattr(os, "getuid", lambda: -1)
    clean(tmp_path / "target")
    assert not (tmp_path / "target").exists()
    assert leftovers(tmp_path / "target") == [tmp_path / ".target.partial-x"]


def test_a_link_left_behind_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "old-0").mkdir(parents=True)
    (tmp_path / ".target.partial-x").symlink_to(tmp_path / "elsewhere")
    clean(tmp_path / "target")
    assert (tmp_path / "elsewhere" / "old-0").is_dir()
    assert not (tmp_path / "target").exists()


def test_a_file_is_written_whole_with_the_usual_permissions(tmp_path: Path) -> None:
    target = tmp_path / "file"
    write_file(target, b"one", overwrite=False)
    with pytest.raises(UsageError, match="exists already"):
        write_file(target, b"two", overwrite=False)
    assert target.read_bytes() == b"one"
    write_file(target, b"three")
    assert target.read_bytes() == b"three"
    plain = tmp_path / "plain"
    plain.touch()
    assert target.stat().st_mode == plain.stat().st_mode
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "plain"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_end_removes_what_is_half_written(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = typer.Typer()

    @app.command()
    def command() -> None:
        with staged_folder(tmp_path / "target") as folder:
            (folder / MARKER).write_text("half")
            os.kill(os.getpid(), number)

    monkeypatch.setattr(sys, "argv", ["command"])
    # Under nohup the tests would start with it ignored, which the command respects.
    before = signal.signal(number, signal.SIG_DFL)
    try:
        with pytest.raises(SystemExit) as ended:
            run(lambda: app)
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)
    assert ended.value.code == 128 + number
    assert list(tmp_path.iterdir()) == []
