"""Real prompts where there are any, made-up ones elsewhere."""

from __future__ import annotations

from pathlib import Path

from vibe_router.bundle.bundle import Bundle
from vibe_router.errors import DataError
from vibe_router.verify import GOLDEN_NAME, read_golden
from vibe_router_tools.commands.rows import read_prompts
from vibe_router_tools.measurement.workload import evenly

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "prompts.jsonl"


def read_file(path: Path) -> list[str]:
    """Return all prompts of a JSONL file.

    Raises:
        DataError: it cannot be read, or a row has no prompt.
    """
    try:
        with path.open("rb") as stream:
            return [prompt for _, prompt in read_prompts(stream, name=path.name)]
    except OSError as error:
        raise DataError(f"cannot read {str(path)!r}: {error.strerror}", hint="check the path") from error


def default_prompts(count: int, path: Path | None = None) -> list[str]:
    """Return `count` prompts of every length, from `path`, else from the shared data, else made up."""
    if path is not None or SHARED.exists():
        return evenly(read_file(path or SHARED), count)
    from vibe_router_export.proof.golden import EXAMPLES, mixed_prompts

    return list(mixed_prompts(EXAMPLES, count=count, seed=0))


def real_prompts(path: Path | None, bundle: Bundle) -> tuple[str, list[str]]:
    """Return a name and the texts: of `path`, else of the shared data beside this repository, else the golden ones.

    Raises:
        DataError: the file cannot be read.
    """
    if path is not None or SHARED.exists():
        return (path or SHARED).name, read_file(path or SHARED)
    return f"{GOLDEN_NAME} of {bundle.manifest.name}", [item.prompt for item in read_golden(bundle)]


def describe(path: Path | None) -> str:
    """Return where `default_prompts` takes its prompts from."""
    if path is not None or SHARED.exists():
        return (path or SHARED).name
    return "made up"
