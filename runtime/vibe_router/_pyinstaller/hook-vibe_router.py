"""Files of vibe_router that a frozen application needs besides the modules that PyInstaller finds itself.

With `hooksconfig={"vibe_router": {"bundled_router": False}}` in the call of Analysis the bundled router stays behind,
for applications that carry a bundle of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyInstaller import isolated
from PyInstaller.utils.hooks import get_hook_config

if TYPE_CHECKING:
    from PyInstaller.depend.imphookapi import PostGraphAPI

# Libraries of the extras, which the runtime does without. An application that wants one imports it itself, or names
# it in `hiddenimports`. Without this, huggingface_hub or coremltools would draw torch in where it is installed.
excludedimports = ["coremltools", "huggingface_hub", "matplotlib", "scipy"]


def hook(hook_api: PostGraphAPI) -> None:
    """Add the bundled router and the native library where the installed package looks for them."""
    # In processes of their own: what runs there must not meet the modules of the application.
    hook_api.add_binaries(isolated.call(native_libraries))
    if get_hook_config(hook_api, "vibe_router", "bundled_router") is not False:
        hook_api.add_datas(isolated.call(bundled_files))


def native_libraries() -> list[tuple[str, str]]:
    """Return the native engine's library for this platform, where there is one, with its folder in the application."""
    from vibe_router.engines.native.library import library_file

    library = library_file()
    return [] if library is None else [(str(library), "vibe_router/_native")]


def bundled_files() -> list[tuple[str, str]]:
    """Return each file of the bundled router, with the folder that it gets in the application."""
    from pathlib import PurePosixPath

    from vibe_router.bundle.bundle import open_bundle
    from vibe_router.bundle.manifest import MANIFEST_NAME

    bundle = open_bundle()
    # A damaged file must stop the build, not the customer's start.
    bundle.check()
    names = [MANIFEST_NAME, *bundle.manifest.files]
    target = PurePosixPath("vibe_router/_bundles/nano")
    return [(str(bundle.folder / name), str((target / name).parent)) for name in names]
