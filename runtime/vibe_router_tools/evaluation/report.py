"""An evaluation as one HTML file that needs nothing else: no network, no scripts, no prompt texts."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from pathlib import Path

from vibe_router_tools.atomic.write import write_file
from vibe_router_tools.evaluation.evaluate import Evaluation
from vibe_router_tools.evaluation.tables import Table, explain, tables

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #d0d7de; white-space: nowrap }
th:first-child, td:first-child { text-align: left }
.scroll { overflow-x: auto }
img { max-width: 100% }
"""


def html_report(evaluation: Evaluation, *, title: str, figures: Mapping[str, bytes]) -> str:
    """Return the report as HTML; `figures` maps captions to SVG files' bytes, which are inlined."""
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">",
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>\n<p>{escape(explain(evaluation))}</p>",
        *(_table(table) for table in tables(evaluation)),
        *(_image(caption, svg) for caption, svg in figures.items()),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def save_report(text: str, path: Path) -> None:
    """Write the report to `path`, whole or not at all; an older report there is replaced.

    Raises:
        UsageError: the path cannot be written.
        VibeRouterError: the disk is full.
    """
    write_file(path, text.encode())


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in table.columns)
    body = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    return f'<h2>{escape(table.title)}</h2>\n<div class="scroll"><table><tr>{head}</tr>\n{body}\n</table></div>'


def _image(caption: str, svg: bytes) -> str:
    data = base64.b64encode(svg).decode("ascii")
    name = escape(caption.capitalize())
    return f'<h2>{name}</h2>\n<img alt="{name}" src="data:image/svg+xml;base64,{data}">'
