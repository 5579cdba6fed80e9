"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, marks: Sequence[str] = ()) -> str:
    """Return columns and rows as a table that ends with a newline. Vertical bars in cells are escaped.

    `marks` are the columns' alignments: `---` is left, `---:` is right. Without them all columns are left-aligned.
    Cells that a row lacks at its end are empty.
    """
    rule = "|".join(marks or ["---"] * len(columns))
    lines = [_line(columns), f"|{rule}|", *(_line(row) + " |" * (len(columns) - len(row)) for row in rows)]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
