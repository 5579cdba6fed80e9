"""The XCFramework of the C library is what Xcode reads, as far as that can be seen without Xcode."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from native import xcframework
from native.build_hook import PLATFORMS
from native.dist import HEADER, build, name_of

MACOS = {name_of(one).removeprefix("macos-"): one for one in PLATFORMS if name_of(one).startswith("macos-")}


@pytest.mark.slow
def test_both_processors_are_in_one_library(tmp_path: Path) -> None:
    libraries = {name: build(platform, tmp_path / name).static for name, platform in MACOS.items()}
    framework = xcframework.write(tmp_path, libraries, HEADER)
    xcframework.pack(framework, tmp_path / "framework.zip")
    with zipfile.ZipFile(tmp_path / "framework.zip") as packed:
        packed.extractall(tmp_path / "unpacked")
    unpacked = tmp_path / "unpacked" / xcframework.NAME
    xcframework.check(unpacked)
    assert b"_vibe_router_open\0" in next(unpacked.rglob(xcframework.LIBRARY)).read_bytes()
    with pytest.raises(xcframework.XCFrameworkError, match="other processors"):
        xcframework.write(tmp_path, {"arm64": libraries["x86_64"], "x86_64": libraries["arm64"]}, HEADER)
