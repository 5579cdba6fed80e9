"""Two labels: which of them means the cloud is read or asked for, never guessed; other numbers are refused."""

from __future__ import annotations

from typing import Any

import pytest

from vibe_router.errors import CheckpointError
from vibe_router_export.checkpoint.labels import LabelPair, read_labels


@pytest.mark.parametrize(
    ("names", "asked", "cloud"),
    [
        (["device", "cloud"], None, 1),
        (["Cloud", "Device"], None, 0),
        (["weak", "strong"], None, 1),
        (["strong", "weak"], None, 0),
        (["simple", "cloud"], None, 1),
        (["local", "big"], None, 1),
        (["LABEL_0", "LABEL_1"], "LABEL_1", 1),
        (["LABEL_0", "LABEL_1"], "0", 0),
        (["weak", "strong"], "weak", 0),
    ],
)
def test_the_label_that_means_the_cloud(names: list[str], asked: str | None, cloud: int) -> None:
    config = {"id2label": {str(row): name for row, name in enumerate(names)}}
    assert read_labels(config, asked) == LabelPair(cloud, 1 - cloud)


def test_one_label_is_no_pair() -> None:
    assert read_labels({"id2label": {"0": "anything"}}, None) is None
    assert read_labels({"num_labels": 1}, None) is None


@pytest.mark.parametrize(
    ("config", "asked", "named"),
    [
        ({}, None, "which of 'LABEL_0' and 'LABEL_1'"),
        ({"id2label": {"0": "a", "1": "b"}}, None, "which of 'a' and 'b'"),
        ({"id2label": {"0": "cloud", "1": "strong"}}, None, "which of"),
        ({"id2label": {"0": "a", "1": "b"}}, "c", "no label 'c'"),
        ({"id2label": {"0": "1", "1": "0"}}, "0", "two of them"),
        ({"id2label": {"0": "a", "1": "b", "2": "c"}}, "b", "num_labels is 3"),
        ({"num_labels": "two"}, None, "num_labels is 'two'"),
        ({"num_labels": 2, "problem_type": "multi_label_classification"}, "0", "do not exclude"),
        ({"num_labels": 2, "problem_type": "regression"}, "0", "do not exclude"),
    ],
)
def test_what_cannot_be_one_logit_is_refused(config: dict[str, Any], asked: str | None, named: str) -> None:
    with pytest.raises(CheckpointError, match=named) as caught:
        read_labels(config, asked)
    assert caught.value.hint
