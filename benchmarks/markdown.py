"""Tables of measurements in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from vibe_router_tools.markdown import table

Table = tuple[Sequence[str], list[Sequence[str]]]
"""Columns and rows."""


def markdown(content: tuple[Sequence[str], Sequence[Sequence[object]]]) -> str:
    """Return columns and rows in Markdown: numbers to the right, whole ones with their thousands separated."""
    columns, rows = content
    marks = [" --- ", *[" ---: "] * (len(columns) - 1)]
    return table(columns, [[_cell(value) for value in row] for row in rows], marks=marks)


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
