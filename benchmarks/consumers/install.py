"""Packages of consumers, installed by pip and npm into folders of their own and kept there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.consumers.definition import Consumer

_SECONDS = 1800
_NPM = ("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")


class NotHereError(Exception):
    """A consumer cannot be installed or run on this machine; the message says why."""


def install(consumer: Consumer, work: Path) -> Path:
    """Return the folder of a consumer's packages, and install them first where that has not been done.

    Raises:
        NotHereError: npm is not there, or the registry has no such package for this machine.
    """
    folder = work / consumer.packages
    if folder.exists():
        return folder
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    if consumer.npm:
        if shutil.which("npm") is None:
            raise NotHereError("npm is not installed")
        # The package's own script would download CUDA libraries.
        _run([*_NPM, *consumer.npm], unfinished, {"ONNXRUNTIME_NODE_INSTALL": "skip"})
    if consumer.pip:
        alone = ["--no-deps"] if consumer.without_dependencies else []
        quiet = ["--quiet", "--disable-pip-version-check", "--no-compile"]
        _run([sys.executable, "-m", "pip", "install", *quiet, *alone, "--target", ".", *consumer.pip], unfinished, {})
    unfinished.rename(folder)
    return folder


def find_browser() -> Path:
    """Return the Chromium of this machine.

    Raises:
        NotHereError: there is none.
    """
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found is not None:
            return Path(found)
    raise NotHereError("no Chromium on the path")


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    try:
        finished = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NotHereError(f"installing it takes more than {_SECONDS} s") from error
    if finished.returncode:
        lines = [line for line in finished.stderr.splitlines() if line.strip()] or ["no message"]
        raise NotHereError(f"cannot be installed: {lines[-1][:200]}")
