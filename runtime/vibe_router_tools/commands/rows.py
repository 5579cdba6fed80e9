"""Prompts from a JSONL file or stream, a line at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from vibe_router.errors import DataError

FIELD = "prompt"


@dataclass(frozen=True)
class PromptRow:
    """One row: its line, counted from 1, its prompt, and its other keys as they are."""

    line: int
    prompt: str
    others: Mapping[str, Any]


def read_rows(stream: BinaryIO, *, name: str) -> Iterator[PromptRow]:
    """Yield each row: an object with the field "prompt", or a JSON string.

    Empty lines are passed over.

    Raises:
        DataError: a row is something else; the message has `name` and the line.
    """
    for number, line in enumerate(stream, start=1):
        if line.strip():
            yield _row(line, number, f"{name}, line {number}")


def read_prompts(stream: BinaryIO, *, name: str) -> Iterator[tuple[int, str]]:
    """Yield line number and prompt of each row that `read_rows` gives.

    Raises:
        DataError: as `read_rows`.
    """
    for row in read_rows(stream, name=name):
        yield row.line, row.prompt


def _row(line: bytes, number: int, where: str) -> PromptRow:
    try:
        row = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON ({error})", hint=_HINT) from error
    others = dict(row) if isinstance(row, dict) else {}
    prompt = others.pop(FIELD, None) if isinstance(row, dict) else row
    if not isinstance(prompt, str):
        raise DataError(f"{where}: no text in the field {FIELD!r}", hint=_HINT)
    return PromptRow(number, prompt, others)


_HINT = f'each line is {{"{FIELD}": "..."}} or a JSON string, in UTF-8'
