"""Real prompts where there are any, made-up ones elsewhere."""

from __future__ import annotations

from pathlib import Path

from vibe_router.bundle.bundle import Bundle
from vibe_router.verify import GOLDEN_NAME, read_golden
from vibe_router_tools.measurement.workload import of_every_length
from vibe_router_tools.rows import read_file

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "prompts.jsonl"


def read_prompts(path: Path) -> list[str]:
    """Return all prompts of a JSONL file.

    Raises:
        DataError: it cannot be read, or a row has no prompt.
    """
    return [row.prompt for row in read_file(path)]


def default_prompts(count: int, path: Path | None = None) -> list[str]:
    """Return `count` prompts of every length, from `path`, else from the shared data, else made up."""
    if path is not None or SHARED.exists():
        return of_every_length(read_prompts(path or SHARED), count)
    from vibe_router_export.proof.golden import EXAMPLES, mixed_prompts

    return list(mixed_prompts(EXAMPLES, count=count, seed=0))


def real_prompts(path: Path | None, bundle: Bundle) -> tuple[str, list[str]]:
    """Return a name and the texts: of `path`, else of the shared data next to this repository, else the golden ones.

    Raises:
        DataError: the file cannot be read.
    """
    if path is not None or SHARED.exists():
        return (path or SHARED).name, read_prompts(path or SHARED)
    return f"{GOLDEN_NAME} of {bundle.manifest.name}", [item.prompt for item in read_golden(bundle)]


def describe(path: Path | None) -> str:
    """Return where `default_prompts` takes its prompts from."""
    if path is not None or SHARED.exists():
        return (path or SHARED).name
    return "made up"
