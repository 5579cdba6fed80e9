"""Several files of labelled prompts as one training set, each with a mass of its own.

A file's rows share its mass evenly, so a small file can weigh as much as a large one: mixed row by row, thousands of
exam questions would drown the few prompts that say what people really ask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vibe_router.errors import DataError, UsageError
from vibe_router_tools.evaluation.dataset import LabelledPrompts
from vibe_router_tools.evaluation.labels import TAU
from vibe_router_tools.evaluation.logistic import FloatArray
from vibe_router_training.data import Example, read_examples, train_and_validation


@dataclass(frozen=True)
class DataFile:
    """A file of labelled prompts; without a `mass` each of its rows weighs 1."""

    path: Path
    mass: float | None = None


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Labelled rows of several files and the weight of each row, float64 [n]; the weights' mean is 1."""

    rows: LabelledPrompts
    weight: FloatArray

    def examples(self, preference: FloatArray | None = None) -> list[Example]:
        """Return the rows as examples with p from `preference`, float [n], by default their own labels."""
        p = self.rows.preference if preference is None else preference
        return [
            Example(prompt=prompt, p_teacher=float(value), weight=float(weight))
            for prompt, value, weight in zip(self.rows.prompts, p, self.weight, strict=True)
        ]


def parse_data_file(text: str) -> DataFile:
    """Return the file that `FILE` or `FILE:MASS` names; a colon before anything but a number belongs to the name.

    Raises:
        UsageError: the mass is not above 0.
    """
    name, colon, tail = text.rpartition(":")
    try:
        mass = float(tail) if colon else None
    except ValueError:
        mass = None
    if mass is None:
        return DataFile(Path(text))
    if not 0 < mass < float("inf"):
        raise UsageError(f"{text}: a mass of {tail} is not above 0", hint="for example chat.jsonl:2000")
    return DataFile(Path(name), mass)


def read_mixture(files: Sequence[DataFile], *, tau: float = TAU) -> tuple[Mixture, Mixture]:
    """Return the training and the validation rows of all files, each file divided by the hash of the prompt.

    Raises:
        DataError: a file cannot be read, has a bad row, or is too small to be divided; or there are no files.
    """
    if not files:
        raise DataError("no files of labelled prompts", hint="name at least one")
    divided = [train_and_validation(read_examples(file.path, tau=tau), str(file.path)) for file in files]
    masses = [file.mass for file in files]
    return _mix([train for train, _ in divided], masses), _mix([validation for _, validation in divided], masses)


def _mix(parts: Sequence[LabelledPrompts], masses: Sequence[float | None]) -> Mixture:
    weights = [
        np.full(len(part.prompts), 1.0 if mass is None else mass / len(part.prompts))
        for part, mass in zip(parts, masses, strict=True)
    ]
    weight = np.concatenate(weights)
    return Mixture(rows=_concatenated(parts), weight=weight / weight.mean())


def _concatenated(parts: Sequence[LabelledPrompts]) -> LabelledPrompts:
    return LabelledPrompts(
        prompts=tuple(prompt for part in parts for prompt in part.prompts),
        sources=tuple(source for part in parts for source in part.sources),
        groups=tuple(group for part in parts for group in part.groups),
        preference=np.concatenate([part.preference for part in parts]),
        device_quality=np.concatenate([part.device_quality for part in parts]),
        cloud_quality=np.concatenate([part.cloud_quality for part in parts]),
    )
