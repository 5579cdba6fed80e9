"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(columns: Sequence[str], rows: Iterable[Iterable[str]], *, marks: Sequence[str] = ()) -> str:
    """Return columns and rows as a table that ends with a newline. Vertical bars in cells are escaped.

    `marks` are the columns' alignments: `---` is left, `---:` is right. Without them all columns are left-aligned.
    """
    rule = "|".join(marks or ["---"] * len(columns))
    return "\n".join([_line(columns), f"|{rule}|", *map(_line, rows)]) + "\n"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
