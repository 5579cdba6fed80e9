"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Table = tuple[Sequence[str], list[Sequence[str]]]
"""Columns and rows."""


def markdown(table: tuple[Sequence[str], Sequence[Sequence[object]]]) -> str:
    """Return columns and rows in Markdown, whole numbers with their thousands separated."""
    columns, rows = table
    lines = [_line(columns), _line(["---", *["---:"] * (len(columns) - 1)]), *(_line(row) for row in rows)]
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[object]) -> str:
    return "| " + " | ".join(_cell(cell).replace("|", "\\|") for cell in cells) + " |"


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
