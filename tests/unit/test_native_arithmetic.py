"""The native engine's own functions are as near to the true ones as its source says."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from scipy.special import erf

_SOURCE = (Path(__file__).parents[2] / "native" / "kernel" / "vectors.h").read_text("utf-8")


def body(name: str) -> str:
    found = re.search(rf"INLINE F32 {name}\(F32 x\) {{.*?^}}", _SOURCE, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[0]


def numbers(text: str) -> list[np.float32]:
    return [np.float32(number) for number in re.findall(r"(-?[0-9.]+(?:e-?[0-9]+)?)f\b", text)]


def test_the_error_function() -> None:
    *coefficients, low, high, factor, one = numbers(body("error_function"))
    assert (low, high, one) == (np.float32(-3.8), np.float32(3.8), -1)
    x = np.linspace(-8, 8, 400_001).astype(np.float32)
    clipped = x.clip(low, high)
    t = (clipped.astype(np.float64) * (clipped * factor) + one).astype(np.float32)
    value = np.full_like(t, coefficients[0])
    for coefficient in coefficients[1:]:
        # A fused multiplication and addition rounds once.
        value = (value.astype(np.float64) * t + coefficient).astype(np.float32)
    assert np.abs(clipped * value - erf(x.astype(np.float64))).max() < 3e-7
