"""The native engine, compiled to note it, says where the time of a call goes."""

from __future__ import annotations

import platform
import sys

import pytest

from benchmarks.studies.step_times import TOKENS, measure
from tests.support.native import needs_native_engine
from vibe_router.bundle.bundle import bundled_folder

STEPS = (
    *("embedding", "attention_norm", "query_key_value", "attention", "rounding_of_attention", "attention_output"),
    *("mlp_norm", "mlp_input", "rounding", "mlp_output", "head"),
)


@pytest.mark.slow
@needs_native_engine
@pytest.mark.skipif(not bundled_folder().is_dir(), reason="artifacts/nano has not been built")
@pytest.mark.skipif(sys.platform != "linux" or platform.machine() != "x86_64", reason="compiles for Linux on x86-64")
def test_every_kind_of_step_has_a_time_and_long_prompts_take_longer() -> None:
    times = measure(str(bundled_folder()), ["What is the capital of Spain? " * 200], threads=1, calls=3)
    assert tuple(times) == TOKENS
    for steps in times.values():
        assert tuple(steps) == STEPS
        assert all(computing > 0 for computing, _ in steps.values())
    # 128 times as many tokens; but on a busy machine short calls pay more for being interrupted.
    sums = [sum(computing for computing, _ in steps.values()) for steps in times.values()]
    assert sums[-1] > 3 * sums[0]
