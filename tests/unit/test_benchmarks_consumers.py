"""The table of other software: rows are compared with the runtime, kept by name, and written as Markdown."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.consumers.definition import CONSUMERS, Consumer
from benchmarks.consumers.install import NotHereError, install
from benchmarks.consumers.material import Material
from benchmarks.consumers.measure import measure
from benchmarks.consumers.results import add_rows
from benchmarks.report.consumers import SECTIONS
from tests.support.bundles import write_bundle

HERE = Consumer(key="here", label="onnxruntime", runner="session", distribution="onnxruntime")


def given(folder: Path, **changed: Any) -> Material:
    values: dict[str, Any] = {
        "bundle": write_bundle(folder / "bundle"),
        "name": "tiny, mean",
        "max_tokens": 64,
        "threshold": 0.5,
        "prompts": ("one", "two"),
        "ids": ((), ()),
        "p_cloud": (0.0, 1.0),
    }
    return Material(**values | changed)


def ask(material: Material, work: Path, consumer: Consumer = HERE) -> dict[str, Any]:
    return measure(consumer, material, precision="fp32", work=work, seconds=100)


def test_a_row_counts_other_ids_flips_and_the_largest_difference(tmp_path: Path) -> None:
    first = ask(given(tmp_path), tmp_path / "work")
    assert (first["status"], first["prompts"], first["other_ids"]) == ("measured", 2, 2)
    assert first["max_abs_probability_difference"] > 0.1
    assert first["load_ms"] > 0 < first["median_ms"]


def test_a_decision_that_differs_is_a_flip(tmp_path: Path) -> None:
    material = given(tmp_path, p_cloud=(2.0, 0.0), threshold=1.5)
    assert ask(material, tmp_path / "work")["flips"] == 1


def test_software_that_does_not_load_a_bundle_says_why(tmp_path: Path) -> None:
    material = given(tmp_path)
    (material.bundle / "onnx" / "model.onnx").write_bytes(b"no graph")
    row = ask(material, tmp_path / "work")
    assert row["status"] == "failed"
    assert row["version"]
    assert "model.onnx" in row["reason"] or "Protobuf" in row["reason"]


def test_what_cannot_be_installed_is_not_called_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    consumer = next(one for one in CONSUMERS if one.npm)
    with pytest.raises(NotHereError, match="npm"):
        install(consumer, tmp_path / "work")
    row = ask(given(tmp_path), tmp_path / "work", consumer)
    assert (row["status"], row["reason"]) == ("not here", "npm is not installed")


def test_later_rows_replace_earlier_ones_of_the_same_name(tmp_path: Path) -> None:
    path = tmp_path / "consumers.json"
    row = {"bundle": "b", "precision": "fp32", "key": "k", "status": "not here", "reason": "x"}
    add_rows(path, "rows", [row, row | {"key": "other"}])
    add_rows(path, "rows", [row | {"reason": "y"}])
    assert [(one["key"], one["reason"]) for one in json.loads(path.read_text())["rows"]] == [("other", "x"), ("k", "y")]


def test_the_table_names_what_fails_and_what_was_not_tried() -> None:
    name = {"bundle": "nano, mean", "precision": "fp32", "cpu": "Some CPU"}
    numbers = {
        "prompts": 304,
        "other_ids": 0,
        "max_abs_probability_difference": 1.5e-7,
        "flips": 0,
        "load_ms": 12.3,
        "median_ms": 0.456,
    }
    rows = [
        name | {"key": "a", "label": "A", "version": "1.0", "status": "measured"} | numbers,
        name | {"key": "b", "label": "B", "version": "2.0", "status": "failed", "reason": "no operator"},
        name | {"key": "c", "label": "C", "version": None, "status": "not here", "reason": "no adapter"},
    ]
    coverage = [
        name | {"key": "CoreML", "nodes": 211, "supported": 208, "partitions": 2, "unsupported": ["ai.onnx:Erf"]}
    ]
    rows.append(rows[0] | {"key": "d", "cpu": "Another CPU"})
    machine = {"cpu": "The last CPU", "system": "Linux x86_64"}
    text = SECTIONS["consumers"]({"rows": rows, "coverage": coverage, "machine": machine})
    assert "nano, mean, fp32, on Another CPU and Some CPU:" in text
    assert "| A | 1.0 | yes | 304 | 0 | 1.5e-07 | 0 | 12 | 0.46 |" in text
    assert "| B | 2.0 | no |" in text
    assert "- B (2.0) fails: no operator" in text
    assert "- C (c) was not tried: no adapter" in text
    assert "| CoreML | 208 | 211 | 2 | ai.onnx:Erf |" in text
    assert "| QNN | no list published |" in text


@pytest.mark.parametrize(
    ("said", "published"),
    [
        ("Error: no /home/me/it/onnx/model.onnx", "Error: no model.onnx"),
        ("TypeError: (file:///home/me/x.mjs:3)", "TypeError: (x.mjs:3)"),
        ('Error: "http://127.0.0.1:4242/models/nano/config.json"', 'Error: "config.json"'),
        ("Error: Split(17) of 3/4", "Error: Split(17) of 3/4"),
    ],
)
def test_reasons_name_files_and_not_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, published: str
) -> None:
    script = f"import sys; sys.exit({said!r})"
    monkeypatch.setattr("benchmarks.consumers.measure._program", lambda _: [sys.executable, "-c", script])
    assert ask(given(tmp_path), tmp_path / "work")["reason"] == published
