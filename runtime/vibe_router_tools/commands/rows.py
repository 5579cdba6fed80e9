"""Prompts from a JSONL file or stream, a line at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import BinaryIO

from vibe_router.errors import DataError

FIELD = "prompt"


def read_prompts(stream: BinaryIO, *, name: str) -> Iterator[tuple[int, str]]:
    """Yield line number (from 1) and prompt of each row: an object with the field "prompt", or a JSON string.

    Empty lines are passed over.

    Raises:
        DataError: a row is something else; the message has `name` and the line.
    """
    for number, line in enumerate(stream, start=1):
        if line.strip():
            yield number, _prompt(line, f"{name}, line {number}")


def _prompt(line: bytes, where: str) -> str:
    try:
        row = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON ({error})", hint=_HINT) from error
    prompt = row.get(FIELD) if isinstance(row, dict) else row
    if not isinstance(prompt, str):
        raise DataError(f"{where}: no text in the field {FIELD!r}", hint=_HINT)
    return prompt


_HINT = f'each line is {{"{FIELD}": "..."}} or a JSON string, in UTF-8'
