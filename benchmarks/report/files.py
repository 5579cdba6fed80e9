"""Sections of the documentation of which each comes from a result file of its own name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Sections = Mapping[str, Callable[[Mapping[str, Any]], str]]
"""By marker and file name: what makes Markdown of the file's content."""


def file_sections(folder: Path, sections: Sections) -> dict[str, str]:
    """Return the generated text of each marker, empty where nothing has been measured."""
    texts = {}
    for name, text in sections.items():
        path = folder / f"{name}.json"
        texts[name] = text(json.loads(path.read_text("utf-8"))) if path.exists() else ""
    return texts
