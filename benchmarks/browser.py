"""Chromium, driven by playwright-core: what the scripts of web/ find in their environment."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from benchmarks.consumers.install import NotHereError, find_browser


def browser_variables(work: Path) -> Mapping[str, str]:
    """Install playwright-core, which brings no browser of its own, into `work`, and name the browser that is here.

    Raises:
        NotHereError: npm or the browser is missing, or the registry cannot be reached.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise NotHereError("npm is not on the path")
    command = [npm, "install", "--no-audit", "--no-fund", "--loglevel=error", "playwright-core@1"]
    installed = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    if installed.returncode:
        raise NotHereError(f"npm does not install playwright-core: {installed.stderr[-200:]}")
    module = work / "node_modules" / "playwright-core" / "index.mjs"
    return {"VIBE_ROUTER_PLAYWRIGHT": module.as_uri(), "VIBE_ROUTER_CHROMIUM": str(find_browser())}
