"""A teacher of the user's choice: fitted to the training rows, it judges any text, and the student learns its p.

A teacher may be too slow or too large for a device, such as a regression on the embeddings of a sentence encoder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from vibe_router.errors import UsageError
from vibe_router_tools.evaluation.dataset import LabelledPrompts
from vibe_router_tools.evaluation.logistic import FloatArray

Teacher = Callable[[Sequence[str]], FloatArray]
"""Returns p, float [n] in 0..1, for n prompts."""

FitTeacher = Callable[[LabelledPrompts, FloatArray], Teacher]
"""Fits a teacher to labelled rows and their weights, float [n]."""


def load_teacher(name: str) -> FitTeacher:
    """Return the function that `module:function` names, in the notation of Python's entry points.

    Raises:
        UsageError: there is no such module or function.
    """
    module, colon, attribute = name.partition(":")
    try:
        found: Any = import_module(module) if colon else None
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(f"no teacher {name!r}: {error}", hint="name it as module:function") from error
    if not callable(found):
        raise UsageError(f"the teacher {name!r} is not a function", hint="name one that takes rows and their weights")
    fit_teacher: FitTeacher = found
    return fit_teacher


def judge(teacher: Teacher, prompts: Sequence[str], *, name: str) -> FloatArray:
    """Return what `teacher` says of `prompts`, float64 [n]; `name` is for errors.

    Raises:
        UsageError: it does not return one number in 0..1 for each prompt.
    """
    p = np.asarray(teacher(prompts), dtype=np.float64)
    if p.shape != (len(prompts),) or not np.all((p >= 0.0) & (p <= 1.0)):
        raise UsageError(
            f"the teacher {name!r} does not give one number in 0..1 for each prompt",
            hint="return a float array with one entry a prompt",
        )
    return p
