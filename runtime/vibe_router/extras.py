"""Optional libraries: named with their install line when they are missing."""

from __future__ import annotations

from importlib.util import find_spec

from vibe_router.errors import MissingExtraError


def require_extra(feature: str, *, extra: str, modules: tuple[str, ...]) -> None:
    """Check that the top-level `modules` of `vibe-router[extra]` are installed, without importing them.

    Raises:
        MissingExtraError: one or more are not; the message names `feature` and them, the hint the install line.
    """
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise MissingExtraError(feature, extra=extra, missing=" and ".join(missing))
