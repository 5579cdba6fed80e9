"""Rows of JSON Lines that carry a prompt: one reader for every command.

UTF-8, one row a line, empty lines ignored, a byte order mark before the first row allowed. A row is an object with the
field "prompt", or a JSON string. Refused, with file and line: anything that is not JSON, a key twice in one object, and
numbers that JSON does not have or that would be infinite. A lone surrogate (half of an emoji that JavaScript cut) is
read as U+FFFD, as the router reads it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vibe_router.bundle.strict_json import load_strictly
from vibe_router.errors import DataError

FIELD = "prompt"
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class PromptRow:
    """One row: its line, counted from 1, its prompt, and its other keys as they are."""

    line: int
    prompt: str
    others: Mapping[str, Any]


def read_rows(lines: Iterable[bytes], *, name: str) -> Iterator[PromptRow]:
    """Yield the rows of an open file, or of any iterable of lines, in constant memory.

    Raises:
        DataError: a row is refused; the message begins with `name` and the line.
    """
    for number, line in numbered(lines):
        yield _row(line, number, f"{name}:{number}")


def numbered(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not empty with their numbers, from 1, without a byte order mark before the first."""
    for number, line in enumerate(lines, start=1):
        text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if text.strip():
            yield number, text


def read_file(path: Path) -> Iterator[PromptRow]:
    """Yield the rows of the file at `path`, which stays open until the last one.

    Raises:
        DataError: the file cannot be read, or as `read_rows`.
    """
    try:
        with path.open("rb") as file:
            yield from read_rows(file, name=str(path))
    except OSError as error:
        raise DataError(f"cannot read {str(path)!r}: {error.strerror}", hint="name a readable JSONL file") from error


def _row(line: bytes, number: int, where: str) -> PromptRow:
    try:
        text = line.decode("utf-8")
        row = load_strictly(text, parse_float=_finite)
        # Only an escape can spell a surrogate, so that most rows are not looked at again.
        if "\\u" in text:
            row = _replace_lone_surrogates(row)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise DataError(f"{where}: not valid JSON: {reason}", hint=_HINT) from error
    if isinstance(row, str):
        return PromptRow(number, row, {})
    if not isinstance(row, dict):
        raise DataError(f"{where}: not a JSON object", hint=_HINT)
    prompt = row.pop(FIELD, None)
    if not isinstance(prompt, str):
        raise DataError(f"{where}: no prompt: the field {FIELD!r} is no text", hint=_HINT)
    return PromptRow(number, prompt, row)


def _finite(text: str) -> float:
    """Return a number; one beyond float64 would be read as infinity, which cannot be written as JSON again."""
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:40]} is too large a number")
    return number


def _replace_lone_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_SURROGATE.sub("\ufffd", key): _replace_lone_surrogates(item) for key, item in value.items()}
    return [_replace_lone_surrogates(item) for item in value] if isinstance(value, list) else value


_HINT = f'each line is {{"{FIELD}": "..."}} or a JSON string, in UTF-8'
