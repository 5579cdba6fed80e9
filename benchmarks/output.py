"""Where results go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from benchmarks.machine import machine
from vibe_router_tools.atomic.write import write_file


def write_results(path: Path, content: dict[str, Any], *, threads: int = 1) -> None:
    """Write a result with the machine it was made on as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"machine": machine(threads=threads)} | content, indent=2, ensure_ascii=False) + "\n"
    write_file(path, text.encode())
    typer.echo(f"written to {path}", err=True)


def merge_results(path: Path, key: str, entries: dict[str, Any], *, threads: int = 1) -> None:
    """Write `entries` into the object `key` of the file, beside those that it holds already."""
    before = json.loads(path.read_text("utf-8")).get(key, {}) if path.exists() else {}
    write_results(path, {key: before | entries}, threads=threads)
