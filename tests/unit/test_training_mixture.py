"""Several files as one training set: masses, ratings, and how they are named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.support.training import write_rows
from vibe_router.errors import DataError, UsageError
from vibe_router_training.mixture import DataFile, parse_data_file, read_mixture


def test_a_files_rows_share_its_mass(tmp_path: Path) -> None:
    large, small = write_rows(tmp_path / "large.jsonl", 400), tmp_path / "small.jsonl"
    ratings = [{"prompt": f"rated {number}", "cloud": 0.9 if number % 2 else 0.1} for number in range(100)]
    small.write_text("".join(json.dumps(row) + "\n" for row in ratings))
    for part in read_mixture([DataFile(large, 100.0), DataFile(small, 300.0)]):
        rated = np.array([prompt.startswith("rated") for prompt in part.rows.prompts])
        assert part.weight[rated].sum() == pytest.approx(3 * part.weight[~rated].sum())
        assert part.weight.mean() == pytest.approx(1.0)
        assert set(part.rows.preference[rated]) == {0.1, 0.9}
        assert [example.weight for example in part.examples()] == part.weight.tolist()
    train, _ = read_mixture([DataFile(large), DataFile(small)])
    assert set(train.weight) == {1.0}


def test_a_mass_is_a_number_behind_the_last_colon() -> None:
    assert parse_data_file("chat.jsonl") == DataFile(Path("chat.jsonl"))
    assert parse_data_file("chat.jsonl:2000") == DataFile(Path("chat.jsonl"), 2000.0)
    assert parse_data_file("C:rows.jsonl") == DataFile(Path("C:rows.jsonl"))
    for wrong in ("chat.jsonl:0", "chat.jsonl:-1", "chat.jsonl:inf", "chat.jsonl:nan"):
        with pytest.raises(UsageError, match="not above 0"):
            parse_data_file(wrong)


def test_a_bad_row_is_named_with_its_file(tmp_path: Path) -> None:
    good, bad = write_rows(tmp_path / "good.jsonl", 100), tmp_path / "bad.jsonl"
    bad.write_text('{"prompt": "x", "cloud": 1.5}\n')
    with pytest.raises(DataError, match=r"bad\.jsonl:1: cloud is 1\.5"):
        read_mixture([DataFile(good), DataFile(bad)])
    with pytest.raises(DataError, match="no files"):
        read_mixture([])
