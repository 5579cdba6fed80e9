"""Streams that are closed, full or broken, and Ctrl-C: a message and an exit code, never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.bundles import write_bundle
from vibe_router.printable import printable

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a shell of POSIX redirects the streams")

COMMANDS = ("route hi", "route hi --json", "inspect", "inspect --json", "doctor", "--version", "--help")


def shell(command: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    line = f"exec {sys.executable} -m vibe_router_tools {command}"
    return subprocess.run(["sh", "-c", line], capture_output=True, check=False, **options)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("redirection", [">&-", "> /dev/full"])
def test_a_result_that_nobody_can_see_is_a_failure(command: str, redirection: str) -> None:
    if "full" in redirection and not Path("/dev/full").exists():
        pytest.skip("this system has no full device")
    done = shell(f"{command} {redirection}")
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["route -", "route -i -", "calibrate - --target-cloud-rate 0.5"])
def test_a_closed_stdin_is_a_usage_error(command: str) -> None:
    done = shell(f"{command} <&-")
    assert (done.returncode, b"stdin is closed" in done.stderr) == (2, True)
    assert b"Traceback" not in done.stderr


def test_a_command_without_stderr_still_gives_its_result() -> None:
    done = shell("route hi 2>&-")
    assert done.returncode == 0
    assert done.stdout.startswith(b"device")


@pytest.mark.parametrize("milliseconds", range(5, 105, 20))
@pytest.mark.parametrize(
    "command",
    ["vibe_router_tools route hi", "vibe_router_export inspect nothing", "vibe_router_training calibrate nothing"],
)
def test_ctrl_c_in_the_first_moments_is_no_traceback(command: str, milliseconds: int) -> None:
    package, *arguments = command.split()
    main = f"from {package}.cli import main; print('ready', flush=True); main()"
    with subprocess.Popen(
        [sys.executable, "-c", main, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(milliseconds / 1000)
        process.send_signal(signal.SIGINT)
        assert b"Traceback" not in process.stderr.read()
        # It may have ended by then, and while the interpreter ends, Ctrl-C does what it does to any program.
        assert process.wait() in (0, 2, 130, -signal.SIGINT)


def test_ctrl_c_in_a_destructor_still_ends_the_command() -> None:
    program = """
import _thread
import time
from vibe_router_tools.console.start import start

class Last:
    def __del__(self):
        _thread.interrupt_main()
        for _ in range(1000):
            pass

def build_app():
    Last()
    for _ in range(60_000):
        time.sleep(0.001)
    return lambda: print("went on")

start(build_app)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_ctrl_c_that_python_has_wrapped_is_no_traceback() -> None:
    program = """
from vibe_router_tools.console.start import start

def build_app():
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt as cause:
        raise RuntimeError("Error calling __set_name__") from cause

start(build_app)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


@pytest.mark.parametrize("text", ["\x1b]0;title\x07", "\x9b31m", "\u202e", "\ud800", "\r", "\x7f"])
def test_what_a_terminal_obeys_is_shown_as_an_escape(text: str) -> None:
    assert printable(f"a{text}b").isprintable()
    assert printable("naïve 日本語 🙂\tx\n") == "naïve 日本語 🙂\tx\n"


def test_no_name_of_a_bundle_reaches_the_terminal_raw(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "bundle")
    manifest = folder / "router.json"
    hostile = "\\u001b]0;owned\\u0007\\u009b2J"
    manifest.write_text(manifest.read_text().replace('"large"', f'"{hostile}"').replace('"fp32"', f'"{hostile}"'))
    for command in (f"inspect {folder}", f"inspect {folder} --json", f"route hi --bundle {folder}"):
        done = shell(command)
        for raw in (b"\x1b]", b"\x07", "\x9b".encode()):
            assert raw not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        ("MemoryError", b"error: the system gives no more memory\n"),
        ("ImportError('Read\\n\\nthis')", b"error: a library cannot be loaded: Read\n"),
    ],
)
def test_a_system_that_gives_no_memory_is_told_in_a_line(raised: str, told: bytes) -> None:
    program = f"from vibe_router_tools.console.entry import run\ndef build():\n    raise {raised}\nrun(build)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (1, told)
