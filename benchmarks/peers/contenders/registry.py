"""All contenders by key, in the order in which tables list them."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.peers.contenders import openvino, optimum, ours, pytorch
from benchmarks.peers.contenders.definition import Contender
from vibe_router.errors import UsageError
from vibe_router.policy import suggest

ALL = {contender.key: contender for family in (ours, pytorch, optimum, openvino) for contender in family.CONTENDERS}


def choose(keys: Sequence[str] | None) -> list[Contender]:
    """Return the contenders of these keys, or families' names, in the order of `ALL`; None means all.

    Raises:
        UsageError: there is no such key.
    """
    if keys is None:
        return list(ALL.values())
    families = {contender.family for contender in ALL.values()}
    for key in keys:
        if key not in ALL and key not in families:
            raise UsageError(f"there is no engine {key!r}", hint=suggest(key, [*families, *ALL]))
    return [contender for contender in ALL.values() if contender.key in keys or contender.family in keys]
