"""The reader of data files: three kinds of labels, and every bad row named with its line."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from vibe_router.errors import DataError
from vibe_router_tools.evaluation.dataset import Row, iterate_rows, read_labelled, read_rows
from vibe_router_tools.evaluation.labels import Label, Verdict, label_from_verdicts, soft_preference, win_rate
from vibe_router_tools.evaluation.split import hash_fraction, is_held_out


def read_one(text: str | bytes) -> Row:
    line = text.encode() if isinstance(text, str) else text
    return next(iterate_rows([line], "data.jsonl"))


def test_soft_preference_by_hand() -> None:
    assert soft_preference(0.0, 0.2) == pytest.approx(1 / (1 + np.exp(-1)))
    assert soft_preference(1.0, 0.0) == pytest.approx(1 / (1 + np.exp(5)))
    assert soft_preference(0.4, 0.4) == 0.5
    assert soft_preference(0.0, 1.0, tau=1e-6) == 1.0


def test_verdicts_become_a_win_rate_first() -> None:
    verdicts = [Verdict.STRONG, Verdict.STRONG, Verdict.TIE, Verdict.WEAK]
    assert win_rate(verdicts) == 2.5 / 4
    label = label_from_verdicts(verdicts)
    assert (label.device_quality, label.cloud_quality) == (0.375, 0.625)
    assert label.p_teacher == soft_preference(0.375, 0.625)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ('{"prompt": "a"}', None),
        (
            '{"prompt": "a", "p_teacher": 0.25, "id": 7}',
            Label(p_teacher=0.25, device_quality=0.75, cloud_quality=0.25),
        ),
        (
            '{"prompt": "a", "weak": 0, "strong": 1}',
            Label(p_teacher=soft_preference(0, 1), device_quality=0, cloud_quality=1),
        ),
        (
            '{"prompt": "a", "weak": 0, "strong": 1, "p_teacher": 1}',
            Label(p_teacher=1, device_quality=0, cloud_quality=1),
        ),
        (
            '{"prompt": "a", "verdicts": ["tie"]}',
            Label(p_teacher=0.5, device_quality=0.5, cloud_quality=0.5),
        ),
    ],
)
def test_labels(text: str, label: Label | None) -> None:
    assert read_one(text).label == label


def test_a_lone_surrogate_is_read_as_the_replacement_character() -> None:
    row = read_one('{"prompt": "a \\ud83d", "source": "\\udfff"}')
    assert (row.prompt, row.source) == ("a \ufffd", "\ufffd")
    assert read_one('{"prompt": "\\ud83d\\ude00"}').prompt == "\U0001f600"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not valid JSON"),
        (b'{"prompt": "\xff"}', "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[1]", "not a JSON object"),
        ('{"p_teacher": 0.5}', "no prompt"),
        ('{"prompt": 3}', "no prompt"),
        ('{"prompt": " "}', "no prompt"),
        ('{"prompt": "a", "prompt": "b"}', "twice"),
        ('{"prompt": "a", "source": 1}', "source"),
        ('{"prompt": "a", "p_teacher": 1.01}', "p_teacher is 1.01"),
        ('{"prompt": "a", "p_teacher": -0.1}', "p_teacher is -0.1"),
        ('{"prompt": "a", "p_teacher": NaN}', "NaN"),
        ('{"prompt": "a", "p_teacher": 1e999}', "1e999 is too large a number"),
        ('{"prompt": "a", "p_teacher": 1, "note": [-1e999]}', "-1e999 is too large a number"),
        ('{"prompt": "a", "p_teacher": true}', "p_teacher is a bool"),
        ('{"prompt": "a", "p_teacher": "0.5"}', "p_teacher is a str"),
        ('{"prompt": "a", "p_teacher": null}', "p_teacher is a NoneType"),
        ('{"prompt": "a", "weak": 1' + "0" * 400 + ', "strong": 0}', "weak is 1000"),
        ('{"prompt": "a", "weak": 0.5}', "do not make one label"),
        ('{"prompt": "a", "verdicts": ["tie"], "p_teacher": 0.5}', "do not make one label"),
        ('{"prompt": "a", "verdicts": []}', "verdicts"),
        ('{"prompt": "a", "verdicts": ["better"]}', "verdicts"),
        ('{"prompt": "a", "verdicts": [["tie"]]}', "verdicts"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, text: str | bytes, said: str) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(b'{"prompt": "ok"}\n\n' + (text.encode() if isinstance(text, str) else text) + b"\n")
    with pytest.raises(DataError) as caught:
        list(read_rows(path))
    assert caught.value.message.startswith(f"{path}:3: ")
    assert said in caught.value.message
    assert caught.value.hint


def write(path: Path, *preferences: float | None) -> Path:
    rows = [
        {"prompt": f"p{index}"} | ({} if value is None else {"p_teacher": value})
        for index, value in enumerate(preferences)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_columns(tmp_path: Path) -> None:
    data = read_labelled(write(tmp_path / "data.jsonl", 0.25, 0.75))
    assert data.prompts == ("p0", "p1")
    assert data.sources == (None, None)
    assert data.preference.tolist() == data.cloud_quality.tolist() == [0.25, 0.75]
    assert data.device_quality.tolist() == [0.75, 0.25]


@pytest.mark.parametrize(
    ("preferences", "said"),
    [
        ((0.6, 0.9, 0.5), "none of the lines 1 to 3 prefers the device"),
        ((0.4, 0.5), "none of the lines 1 to 2 prefers the cloud"),
        ((0.4, None), ":2: the row has no label"),
        ((), "no rows"),
    ],
)
def test_files_that_measure_nothing(tmp_path: Path, preferences: tuple[float | None, ...], said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_labelled(write(tmp_path / "data.jsonl", *preferences))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read"):
        read_labelled(tmp_path / "none.jsonl")


def test_reading_does_not_wait_for_the_end() -> None:
    def endless():  # type: ignore[no-untyped-def]
        while True:
            yield b'{"prompt": "again"}\n'

    assert [row.line for row in islice(iterate_rows(endless(), "stream"), 3)] == [1, 2, 3]


def test_split_is_by_text_and_uniform() -> None:
    fractions = np.array([hash_fraction(f"prompt {index}") for index in range(4000)])
    assert abs(fractions.mean() - 0.5) < 0.02
    assert fractions.min() >= 0
    assert fractions.max() < 1
    assert hash_fraction(" hi\n") == hash_fraction("hi") != hash_fraction("hi", salt="other")
    assert hash_fraction("\ud800") == hash_fraction("\ud800")
    assert not is_held_out("hi", 0)
    assert is_held_out("hi", 1)
