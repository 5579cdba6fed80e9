"""Run a command in this process, which is quicker than starting one for each test."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from vibe_router_tools.cli import main


@dataclass(frozen=True)
class Finished:
    code: int
    out: str
    error: str


class CommandLine:
    """Calls `vibe-router`, or another command, with arguments and gives back what a shell would see."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        *,
        name: str = "vibe-router",
        command: Callable[[], None] = main,
    ) -> None:
        self._name = name
        self._command = command
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str | Path, stdin: bytes = b"") -> Finished:
        self._monkeypatch.setattr(sys, "argv", [self._name, *map(str, arguments)])
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        code = 0
        try:
            self._command()
        except SystemExit as stopped:
            code = stopped.code if isinstance(stopped.code, int) else 0
        captured = self._capsys.readouterr()
        assert "Traceback" not in captured.err
        return Finished(code, captured.out, captured.err)
