from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.publish import DOCS, TABLES, publish, published

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_the_documents_say_what_the_results_say(path: Path) -> None:
    text = path.read_text("utf-8")
    assert published(text) == text, "run python -m benchmarks publish"


@pytest.mark.parametrize("name", [name for name in TABLES if (RESULTS / f"{name}.json").exists()])
def test_the_results_are_quoted_somewhere(name: str) -> None:
    assert any(f"<!-- {name} -->" in path.read_text("utf-8") for path in DOCS.glob("*.md"))


def test_only_what_is_between_marks_is_made_anew(tmp_path: Path) -> None:
    outcomes = {"accepted": 1000, "crash": 0}
    content = {"targets": {"golden": {"inputs": 1000, "outcomes": outcomes}}}
    (tmp_path / "fuzz.json").write_text(json.dumps(content))
    text = "before\n<!-- fuzz -->\nold\n<!-- end -->\nafter <!-- fuzz --> \n"
    made = published(text, tmp_path)
    assert "| golden | 1,000 | 1,000 | 0 |" in made
    assert made.startswith("before\n")
    assert made.endswith("after <!-- fuzz --> \n")
    assert published(made, tmp_path) == made
    assert publish(tmp_path) == []
