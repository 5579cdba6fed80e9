"""The definition of a contender, before it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.contenders.scorer import Load, Mark, Scorer
from vibe_router.bundle.manifest import EngineFile


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One way to run a checkpoint, in processes of its own.

    `family` is shared by those that run in the same Python environment, and `modules` must be importable there.
    `artifact` names what `prepare` makes of the checkpoint, once, in a process of its own; contenders may share it.
    `reads` tells whether it loads a file of one of our bundles.
    `obstacle` says why it cannot run on this machine, whatever is installed; None where it can.
    `weight_bytes` is what one weight of a linear layer takes, and `products` what its multiplications are done in.
    """

    key: str
    label: str
    family: str
    settings: str
    modules: tuple[str, ...]
    libraries: tuple[str, ...]
    load: Callable[[Load, Mark], Scorer]
    weight_bytes: float
    products: str
    artifact: str | None = None
    prepare: Callable[[Path, Path], None] | None = None
    prepare_modules: tuple[str, ...] = ()
    reads: Callable[[EngineFile], bool] = lambda _: False
    obstacle: Callable[[], str | None] = lambda: None
