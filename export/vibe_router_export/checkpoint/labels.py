"""Classifiers with two labels: which of them means the cloud, and both folded exactly into one logit.

softmax(z)[c] = sigmoid(z[c] - z[d]) for two logits z[c], z[d], so that a classifier with the one row w[c] - w[d] and
the bias b[c] - b[d] gives the same probability.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vibe_router.bundle.strict_json import shown
from vibe_router.errors import CheckpointError
from vibe_router_export.checkpoint.weights import Array

_CLOUD = frozenset({"cloud", "strong", "remote"})
_DEVICE = frozenset({"device", "weak", "local"})
_ROWS = ("classifier.weight", "classifier.bias")


@dataclass(frozen=True)
class LabelPair:
    """The rows of a classifier with two labels: the one that means the cloud, and the other one."""

    cloud: int
    device: int


def read_labels(config: Mapping[str, Any], cloud_label: str | None) -> LabelPair | None:
    """Return the two labels of a parsed config.json; None where there is one.

    `cloud_label` is the name or the number of the label that means the cloud; None reads it from id2label.

    Raises:
        CheckpointError: other than one or two labels, two that are no alternatives (a sigmoid each), or names that
            do not say which one means the cloud.
    """
    names = config.get("id2label")
    count = config.get("num_labels", len(names) if isinstance(names, dict) else 2)
    if count == 1:
        return None
    if count != 2:
        raise CheckpointError(
            f"num_labels is {shown(count)}; a router has one logit, or two that exclude each other",
            hint="fine-tune with num_labels=1",
        )
    problem = config.get("problem_type")
    if problem not in (None, "single_label_classification"):
        raise CheckpointError(
            f"num_labels is 2 and problem_type is {shown(problem)}: the labels do not exclude each other",
            hint="fine-tune with num_labels=1",
        )
    named = names if isinstance(names, dict) else {}
    labels = [str(named.get(str(row), f"LABEL_{row}")) for row in range(2)]
    cloud = _recognised(labels) if cloud_label is None else _asked(labels, cloud_label)
    return LabelPair(cloud, 1 - cloud)


def fold_labels(tensors: Mapping[str, Array], pair: LabelPair | None) -> Mapping[str, Array]:
    """Return the tensors with a classifier of one row, [1, hidden] and [1], in place of one of two.

    Raises:
        CheckpointError: the classifier does not have two rows.
    """
    if pair is None:
        return tensors
    folded = dict(tensors)
    for name in _ROWS:
        rows = folded.get(name)
        if rows is None:
            continue
        if rows.ndim == 0 or len(rows) != 2:
            raise CheckpointError(
                f"{name} has shape {list(rows.shape)}, but config.json names two labels",
                hint="check that config.json and model.safetensors come from the same checkpoint",
            )
        folded[name] = (rows[pair.cloud] - rows[pair.device])[None]
    return folded


def _recognised(labels: list[str]) -> int:
    words = [label.casefold() for label in labels]
    cloud = [row for row, word in enumerate(words) if word in _CLOUD or words[1 - row] in _DEVICE]
    if len(cloud) != 1:
        raise CheckpointError(
            f"num_labels is 2 and nothing says which of {shown(labels[0])} and {shown(labels[1])} means the cloud",
            hint=f"name it with --cloud-label, for example --cloud-label {labels[1]}",
        )
    return cloud[0]


def _asked(labels: list[str], cloud_label: str) -> int:
    rows = [row for row, label in enumerate(labels) if cloud_label in (label, str(row))]
    if len(rows) != 1:
        raise CheckpointError(
            f"there is no label {shown(cloud_label)}, or two of them",
            hint=f"the labels are {labels[0]} and {labels[1]}",
        )
    return rows[0]
