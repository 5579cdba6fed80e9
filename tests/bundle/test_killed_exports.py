"""`router-export coreml` killed with SIGKILL: what stands at the target is absent, or one of two whole bundles."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.hardening.kill_exports import Command, Found, kill_exports

pytest.importorskip("coremltools", reason="packages are written with coremltools")


@pytest.mark.slow
def test_a_killed_export_leaves_a_whole_bundle_or_none(tmp_path: Path) -> None:
    report = kill_exports(tmp_path, command=Command.COREML, moments=4, seed=0)
    assert set(report.found) <= {Found.ABSENT.value, Found.OLD.value, Found.NEW.value}
    assert any(one.exit_code == -9 for one in report.exports)
    assert (report.wrong, report.left_after_cleaning, report.last_export_whole) == (0, 0, True)
