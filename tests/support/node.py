"""A Node with relaxed SIMD, of this machine's processor or of another one under an emulator."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

_VERSION = "22"
_ARM64_SYSTEM = Path("/usr/aarch64-linux-gnu")


def node_with_relaxed_simd(folder: Path, processor: str) -> tuple[str, ...]:
    """Return the command of a Node from npm, unpacked into `folder`; skip where it cannot be had or run.

    `processor` is x64 or arm64, as Node calls them.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64" or shutil.which("npm") is None:
        pytest.skip("needs npm on Linux, x86-64")
    emulator = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
    if processor == "arm64" and (emulator is None or not (_ARM64_SYSTEM / "lib" / "libstdc++.so.6").exists()):
        pytest.skip("needs Debian's qemu-user-static and libstdc++6-arm64-cross")
    name = f"node-linux-{processor}"
    packed = subprocess.run(
        ["npm", "pack", "--silent", f"{name}@{_VERSION}"], cwd=folder, capture_output=True, text=True, check=False
    )
    if packed.returncode:
        pytest.skip(f"npm has no {name}: {packed.stderr[-200:]}")
    with tarfile.open(folder / packed.stdout.strip()) as archive:
        archive.extract("package/bin/node", folder / name)
    node = str(folder / name / "package" / "bin" / "node")
    return (str(emulator), "-L", str(_ARM64_SYSTEM), node) if processor == "arm64" else (node,)
