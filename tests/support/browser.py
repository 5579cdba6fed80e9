"""A real Chromium for tests, driven by playwright-core, which brings no browser of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

NODE, NPM, CHROMIUM = (shutil.which(name) for name in ("node", "npm", "chromium"))


@dataclass(frozen=True)
class Browser:
    """Where the parts are: `playwright` is the address of the module that scripts import."""

    node: str
    chromium: str
    playwright: str

    def run(self, script: Path, *arguments: str) -> str:
        """Run a script with Node; it finds both in VIBE_ROUTER_PLAYWRIGHT and VIBE_ROUTER_CHROMIUM."""
        variables = {"VIBE_ROUTER_PLAYWRIGHT": self.playwright, "VIBE_ROUTER_CHROMIUM": self.chromium}
        command = [self.node, str(script), *arguments]
        ended = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-2000:]
        return ended.stdout


def find_browser(folder: Path) -> Browser:
    """Return a browser whose playwright-core is installed in `folder`; skip where there is none."""
    if NODE is None or NPM is None or CHROMIUM is None:
        pytest.skip("node, npm or chromium is not on the PATH (Debian: apt-get install npm chromium)")
    command = [NPM, "install", "--no-audit", "--no-fund", "playwright-core@1"]
    installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if installed.returncode != 0:
        pytest.skip(f"npm does not install playwright-core: {installed.stderr[-200:]}")
    return Browser(NODE, CHROMIUM, (folder / "node_modules" / "playwright-core" / "index.mjs").as_uri())
