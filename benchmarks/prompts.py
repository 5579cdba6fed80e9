"""Real prompts to measure with."""

from __future__ import annotations

from pathlib import Path

from vibe_router.bundle import Bundle
from vibe_router.evaluation.dataset import read_rows
from vibe_router.verify import GOLDEN_NAME, read_golden

_SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "prompts.jsonl"


def real_prompts(path: Path | None, bundle: Bundle) -> tuple[str, list[str]]:
    """Return a name and the texts: of `path`, else of the shared data beside this repository, else the golden ones.

    Raises:
        DataError: the file cannot be read.
    """
    chosen = path or (_SHARED if _SHARED.is_file() else None)
    if chosen is not None:
        return chosen.name, [row.prompt for row in read_rows(chosen)]
    return f"{GOLDEN_NAME} of {bundle.manifest.name}", [item.prompt for item in read_golden(bundle)]
