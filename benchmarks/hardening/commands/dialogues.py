"""`benchmarks dialogues`: look for a broken promise of `route_chat` in random dialogues."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer

from benchmarks.hardening.dialogues.check import Desk, check_dialogues
from vibe_router.conversation.policy import ChatPolicy
from vibe_router.errors import ParityError
from vibe_router.progress import Progress
from vibe_router_tools.console.output import progress_bar


def dialogues(
    count: Annotated[int, typer.Option(min=1, help="How many.")] = 100_000,
    first: Annotated[int, typer.Option(help="Seed of the first.")] = 0,
) -> None:
    """Route random dialogues in every way that must give the same, and report what did not."""
    with progress_bar("dialogues", total=count) as progress:
        desk = Desk(policy=ChatPolicy(device_context=1280), threshold=0.5)
        broken = check_dialogues(desk, first=first, count=count, told=lambda done: progress(Progress(done, count)))
    if broken:
        kinds = ", ".join(f"{promise} {times}" for promise, times in Counter(b.promise for b in broken).items())
        raise ParityError(f"promises broken: {kinds}", hint=f"the first one with --first {broken[0].seed} --count 1")
    typer.echo(f"{count} dialogues from seed {first}: no promise broken")
