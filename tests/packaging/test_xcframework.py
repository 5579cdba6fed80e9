"""The XCFramework of the C library is what Xcode reads, as far as that can be seen without Xcode."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from native import xcframework
from native.build_hook import PLATFORMS, SOURCES
from native.dist import HEADER, IOS, build, build_for_ios, name_of

LICENSE = SOURCES.parent / "LICENSE"
MACOS = {name_of(one).removeprefix("macos-"): one for one in PLATFORMS if name_of(one).startswith("macos-")}

PLACE = "macos-arm64_x86_64"


@pytest.mark.slow
def test_libraries_are_of_the_systems_and_processors_that_the_list_names(tmp_path: Path) -> None:
    built = {name: build(platform, tmp_path / name) for name, platform in MACOS.items()}
    # A program on a Mac looks for a library under the name that the library has of itself.
    assert all(b"\0@rpath/libvibe_router.dylib\0" in one.shared.read_bytes() for one in built.values())
    libraries = {name: one.static for name, one in built.items()}
    phones = {name: {"arm64": build_for_ios(platform, tmp_path / name)} for name, platform in IOS.items()}
    framework = xcframework.write(tmp_path, {PLACE: libraries, **phones}, HEADER, LICENSE)
    xcframework.pack(framework, tmp_path / "framework.zip")
    with zipfile.ZipFile(tmp_path / "framework.zip") as packed:
        packed.extractall(tmp_path / "unpacked")
    unpacked = tmp_path / "unpacked" / xcframework.NAME
    xcframework.check(unpacked)
    written = list(unpacked.rglob(xcframework.LIBRARY))
    assert len(written) == 3
    assert all(b"_vibe_router_open\0" in library.read_bytes() for library in written)
    swapped = {"arm64": libraries["x86_64"], "x86_64": libraries["arm64"]}
    with pytest.raises(xcframework.XCFrameworkError, match="other processors"):
        xcframework.write(tmp_path, {PLACE: swapped}, HEADER, LICENSE)
    with pytest.raises(xcframework.XCFrameworkError, match="other processors"):
        xcframework.write(tmp_path, {"ios-arm64": phones["ios-arm64-simulator"]}, HEADER, LICENSE)
