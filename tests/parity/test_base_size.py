"""ModernBERT-base at full size: export, gates, verify.

`test_outliers_at_base_size` does the same with massive activations. It is a file of its own, and far from this one in
their order, so that two processes share the work.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.base_size import check_base_size

pytest.importorskip("torch", reason="parity is measured against PyTorch")


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_base_is_proven_in_fp32_and_int8(tmp_path: Path) -> None:
    check_base_size(tmp_path, None, prompts=24, kept=[])
