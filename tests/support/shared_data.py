"""Data that tests use where it is next to the checkout: prompts, and ModernBERT's tokenizer (docs/data.md)."""

from __future__ import annotations

from pathlib import Path

import pytest

_FOLDER = Path(__file__).resolve().parents[3] / "shared"
PROMPTS = _FOLDER / "data" / "prompts.jsonl"
TOKENIZER = _FOLDER / "tokenizer" / "tokenizer.json"


def needs(*files: Path) -> pytest.MarkDecorator:
    """Return the mark that skips a test where a file is not there, and says where it comes from."""
    absent = [f"{one.parent.parent.name}/{one.parent.name}/{one.name}" for one in files if not one.is_file()]
    where = f"docs/data.md, 'The project's own data', says where {' and '.join(absent)} beside the checkout comes from"
    return pytest.mark.skipif(bool(absent), reason=where)
