"""A real Chromium for tests, driven by playwright-core."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks.browser import browser_variables
from benchmarks.consumers.install import NotHereError


def browser_or_skip(folder: Path) -> Mapping[str, str]:
    """Return what the scripts find a browser by; playwright-core is installed in `folder`. Skip where there is none."""
    if shutil.which("node") is None:
        pytest.skip("node is not on the PATH (Debian: apt-get install npm chromium)")
    try:
        return browser_variables(folder)
    except NotHereError as error:
        pytest.skip(f"{error} (Debian: apt-get install npm chromium)")


def run_script(browser: Mapping[str, str], script: Path, *arguments: str) -> str:
    """Run a script with Node and return what it prints."""
    command = ["node", str(script), *arguments]
    ended = subprocess.run(command, env=os.environ | dict(browser), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-2000:]
    return ended.stdout
