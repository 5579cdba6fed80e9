"""The default number of threads: affinity, and the quota of a container."""

from __future__ import annotations

from pathlib import Path

import pytest

from vibe_router.engines import cpus
from vibe_router.engines.cpus import available_cpus, cpu_quota


def hierarchy(folder: Path, own: str, limits: dict[str, str]) -> tuple[Path, Path]:
    """Write what /proc/self/cgroup and /sys/fs/cgroup would hold for a process in the group `own`."""
    membership, cgroups = folder / "cgroup", folder / "fs"
    membership.write_text(f"0::{own}\n")
    for group, limit in limits.items():
        (cgroups / group).mkdir(parents=True, exist_ok=True)
        (cgroups / group / "cpu.max").write_text(limit)
    return membership, cgroups


@pytest.mark.parametrize(
    ("own", "limits", "quota"),
    [
        ("/app", {"app": "150000 100000"}, 1.5),
        ("/app", {"app": "max 100000"}, None),
        ("/slice/app", {"slice/app": "300000 100000", "slice": "50000 100000"}, 0.5),
        # In a container, the path is the host's and the limit is at the root.
        ("/kubepods/pod1", {".": "250000 100000"}, 2.5),
        ("/app", {"app": "none of this"}, None),
        ("/app", {"app": "100000 0"}, None),
    ],
)
def test_the_quota_is_the_smallest_up_to_the_root(
    tmp_path: Path, own: str, limits: dict[str, str], quota: float | None
) -> None:
    assert cpu_quota(*hierarchy(tmp_path, own, limits)) == quota


def test_without_cgroup_v2_there_is_no_quota(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path / "missing", tmp_path) is None
    (tmp_path / "old").write_text("4:cpu,cpuacct:/app\n")
    assert cpu_quota(tmp_path / "old", tmp_path) is None


@pytest.mark.parametrize(("limit", "threads"), [("350000 100000", 3), ("50000 100000", 1), ("900000 100000", 4)])
def test_threads_are_no_more_than_quota_and_affinity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, threads: int
) -> None:
    membership, cgroups = hierarchy(tmp_path, "/app", {"app": limit})
    monkeypatch.setattr(cpus, "_CGROUP", membership)
    monkeypatch.setattr(cpus, "_CGROUPS", cgroups)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    assert available_cpus() == threads
