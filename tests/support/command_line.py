"""Run `vibe-router` in this process, which is quicker than starting one for each test."""

from __future__ import annotations

import io
import sys
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
    """Calls the command with arguments and gives back what a shell would see."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str | Path, stdin: bytes = b"") -> Finished:
        self._monkeypatch.setattr(sys, "argv", ["vibe-router", *map(str, arguments)])
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        code = 0
        try:
            main()
        except SystemExit as stopped:
            code = stopped.code if isinstance(stopped.code, int) else 0
        captured = self._capsys.readouterr()
        assert "Traceback" not in captured.err
        return Finished(code, captured.out, captured.err)
