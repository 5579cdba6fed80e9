"""Prepare what a contender loads: `python -m benchmarks.peers.prepare KEY CHECKPOINT TARGET`, as a process."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from benchmarks.peers.contenders.registry import ALL
from benchmarks.peers.present import require


def main() -> None:
    """Prepare next to the target and rename, so that a target that exists is whole."""
    key, checkpoint, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    contender = ALL[key]
    if contender.prepare is None:
        raise SystemExit(f"{key} needs no preparation")
    require(contender.prepare_modules)
    staged = target.with_name(f"{target.name}.partial")
    shutil.rmtree(staged, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    contender.prepare(checkpoint, staged)
    staged.rename(target)


if __name__ == "__main__":
    main()
