"""Sections of the documentation of which each comes from a result file of its own name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Sections = Mapping[str, Callable[[Mapping[str, Any]], str]]
"""By marker and file name: what makes Markdown of the file's content. A measurement of several machines is a folder of
that name, with a file for each."""


def file_sections(folder: Path, sections: Sections) -> dict[str, str]:
    """Return the generated text of each marker, empty where nothing has been measured."""
    texts = {}
    for name, text in sections.items():
        paths = [*folder.glob(f"{name}.json"), *sorted((folder / name).glob("*.json"))]
        texts[name] = "\n".join(text(json.loads(path.read_text("utf-8"))) for path in paths)
    return texts
