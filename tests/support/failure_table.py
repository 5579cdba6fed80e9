"""The table of docs/failures.md: what a call does in each case. `tests/unit/test_failure_table.py` runs every row."""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.wrong_arguments import WRONG
from vibe_router_tools.markdown import table


@dataclass(frozen=True)
class Decided:
    """A decision: `target` is "device", "X" for the fallback, or "by score"."""

    target: str
    reason: str

    def __str__(self) -> str:
        return f"{self.target}, `{self.reason}`"


@dataclass(frozen=True)
class Raised:
    """A typed error, by its name."""

    error: str
    by_load: bool = False

    def __str__(self) -> str:
        return f"`{self.error}`, from `Router.load`" if self.by_load else f"`{self.error}`"


Outcome = Decided | Raised
PINNED = Decided("device", "pinned")
FALLBACK = Decided("X", "fallback")
SCORE = Decided("by score", "score")


@dataclass(frozen=True, kw_only=True)
class Row:
    """What happens, by the name of the scene that makes it happen, and what a call then gives."""

    scene: str
    happens: str
    pinned: Outcome = PINNED
    device: Outcome = FALLBACK
    """With the device as the fallback."""
    cloud: Outcome = FALLBACK
    """With the cloud as the fallback."""
    neither: Outcome

    def cells(self) -> tuple[str, str, str, str]:
        """Return the row of the page."""
        same = str(self.device) == str(self.cloud)
        fallback = f"{self.device}" if same else f"{self.device}; X being the cloud: {self.cloud}"
        return self.happens, str(self.pinned), fallback, str(self.neither)


def _always(scene: str, happens: str, outcome: Outcome) -> Row:
    return Row(scene=scene, happens=happens, pinned=outcome, device=outcome, cloud=outcome, neither=outcome)


ROWS = (
    Row(
        scene="answered",
        happens="the engine gives a finite logit in time",
        device=SCORE,
        cloud=SCORE,
        neither=SCORE,
    ),
    Row(
        scene="engine fails",
        happens="the engine raises, or gives NaN, infinity, or not one number a prompt",
        neither=Raised("EngineError"),
    ),
    Row(scene="late", happens="`timeout` seconds have passed", neither=Raised("DeadlineError")),
    Row(scene="closed", happens="the router has been closed", neither=Raised("EngineError")),
    _always("wrong prompt", "the prompt is no `str`, or cannot be tokenized", Raised("PromptError")),
    Row(
        scene="no thread",
        happens="the system gives no thread for a call with a `timeout`",
        neither=Raised("EngineError"),
    ),
    Row(
        scene="child cannot load",
        happens="a forked child cannot load the engine again",
        neither=Raised("EngineError"),
    ),
    _always(
        "wrong argument", f"an argument is wrong ({', '.join(f'`{name}`' for name in WRONG)})", Raised("UsageError")
    ),
    Row(
        scene="child finds the bundle altered",
        happens="a forked child finds the bundle altered since it was loaded",
        cloud=Raised("BundleCorruptError"),
        neither=Raised("BundleCorruptError"),
    ),
    _always("bundle missing", "there is no bundle", Raised("BundleNotFoundError", by_load=True)),
    _always("bundle damaged", "the bundle is damaged", Raised("BundleCorruptError", by_load=True)),
    _always("another schema", "the bundle is of another schema", Raised("SchemaError", by_load=True)),
)


def failure_table() -> str:
    """Return the table as Markdown."""
    header = ("what happens", "`allow_cloud=False`", "`fallback=Target.X`", "neither")
    return table(header, [row.cells() for row in ROWS], marks=[" --- "] * len(header))
