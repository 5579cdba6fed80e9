"""The tests of each binding as a command, and what they printed about themselves."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.browser import browser_variables
from benchmarks.consumers.install import NotHereError

ROOT = Path(__file__).resolve().parents[2]
_PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
_PYTHON_TESTS = (
    "tests/unit/test_bundled_router.py",
    "tests/bundle/test_default_bundle.py",
    "tests/parity/test_native.py",
)
_C_TESTS = ("tests/parity/test_c_router.py", "tests/parity/test_c_tokenizer.py")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How many tests of a binding ended how."""

    passed: int
    failed: int
    skipped: int


@dataclass(frozen=True, kw_only=True)
class Binding:
    """A binding: how its tests are called, how its version is asked for, and how what they print is read."""

    label: str
    command: Callable[[Sequence[str]], Sequence[str]]
    version: Callable[[Sequence[str]], Sequence[str]]
    read: Callable[[str], Outcome]
    environment: Callable[[Path], Mapping[str, str]] = lambda _: {}


def run_tests(binding: Binding, tool: Sequence[str], variables: Mapping[str, str], work: Path) -> Outcome:
    """Run the tests of a binding with further environment variables.

    Raises:
        NotHereError: a program that they need is missing.
    """
    environment = os.environ | dict(variables) | dict(binding.environment(work))
    ran = subprocess.run(
        binding.command(tool), cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    printed = ran.stdout.decode(errors="replace")
    outcome = binding.read(printed)
    if ran.returncode or outcome.failed:
        sys.stderr.write(printed[-4000:])
    return outcome


def version_of(binding: Binding, tool: Sequence[str]) -> str:
    """Return the version of a binding's language, as its tool prints it.

    Raises:
        NotHereError: there is no such tool.
    """
    try:
        ran = subprocess.run(binding.version(tool), capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotHereError(f"{binding.label} was not tested: {error}") from error
    found = re.search(r"\d+(\.\d+)+", ran.stdout)
    return found.group() if found else ""


def _pytest(printed: str) -> Outcome:
    last = printed.rstrip().rpartition("\n")[2]
    counts = {name: int(count) for count, name in re.findall(r"(\d+) (passed|failed|error|skipped)", last)}
    failed = counts.get("failed", 0) + counts.get("error", 0)
    return Outcome(passed=counts.get("passed", 0), failed=failed, skipped=counts.get("skipped", 0))


def _node(printed: str) -> Outcome:
    counts = {
        name: int(count) for name, count in re.findall(r"^(?:#|ℹ) (pass|fail|skipped) (\d+)", printed, re.MULTILINE)
    }
    return Outcome(passed=counts.get("pass", 0), failed=counts.get("fail", 0), skipped=counts.get("skipped", 0))


def _swift(printed: str) -> Outcome:
    found = re.findall(r"Executed (\d+) tests?, with (?:(\d+) tests? skipped and )?(\d+) failure", printed)
    if not found:
        return Outcome(passed=0, failed=1, skipped=0)
    executed, skipped, failed = (int(count or 0) for count in found[-1])
    return Outcome(passed=executed - skipped - failed, failed=failed, skipped=skipped)


_WEB = ROOT / "web" / "test"
BINDINGS = {
    "python": Binding(
        label="Python",
        command=lambda _: (*_PYTEST, *_PYTHON_TESTS),
        version=lambda _: (sys.executable, "--version"),
        read=_pytest,
    ),
    "c": Binding(
        label="C",
        command=lambda _: (*_PYTEST, *_C_TESTS),
        version=lambda _: (sys.executable, "-m", "ziglang", "version"),
        read=_pytest,
    ),
    "node": Binding(
        label="JavaScript, Node",
        command=lambda _: ("node", "--test", "--test-reporter=tap", str(_WEB / "conformance.test.js")),
        version=lambda _: ("node", "--version"),
        read=_node,
    ),
    "chromium": Binding(
        label="JavaScript, Chromium",
        command=lambda _: ("node", "--test", "--test-reporter=tap", str(_WEB / "browser.test.js")),
        version=lambda _: ("chromium", "--version"),
        read=_node,
        environment=browser_variables,
    ),
    "swift": Binding(
        label="Swift",
        command=lambda tool: (
            *(*tool, "test", "--package-path", str(ROOT)),
            *("-c", "release", "-Xswiftc", "-enable-testing"),
        ),
        version=lambda tool: (*tool, "--version"),
        read=_swift,
    ),
}
