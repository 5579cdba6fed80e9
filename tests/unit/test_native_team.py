"""A caller rests from its team after a stall, and invites it again in the same call."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="compiles a library that needs no other")
def test_a_rest_ends_within_the_call(tmp_path: Path) -> None:
    pytest.importorskip("ziglang", reason="compiles C")
    caches = {name: str(tmp_path / "cache") for name in ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR")}
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-nostdlib", "-fno-sanitize=undefined"]
    sources = [ROOT / "tests/support/native_team.c", ROOT / "native/engine/team.c"]
    command = [sys.executable, "-m", "ziglang", "cc", *flags, *map(str, sources), "-o", str(tmp_path / "team.so")]
    compiled = subprocess.run(command, env=os.environ | caches, capture_output=True, text=True, check=False)
    assert compiled.returncode == 0, compiled.stderr
    assert ctypes.CDLL(str(tmp_path / "team.so")).a_rest_ends_within_the_call() == 0
