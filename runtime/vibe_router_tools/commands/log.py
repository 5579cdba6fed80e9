"""`vibe-router log`: look at the gateway's decision log, export it, and delete from it."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Annotated

import typer

from vibe_router.errors import UsageError
from vibe_router_tools.commands.options import JsonOption
from vibe_router_tools.console.output import print_line

LogOption = Annotated[Path | None, typer.Option("--log", help="The log's file; default: the gateway's.")]
DaysOption = Annotated[float, typer.Option(min=0, help="Of the last days.")]

_MOST_ROWS = 2**31
"""More than a log has; SQLite takes no number of more than 64 bits."""


def build_log_app() -> typer.Typer:
    """Return the command with its subcommands."""
    app = typer.Typer(
        no_args_is_help=True, help="The gateway's decisions: show, stats, export, purge.", rich_markup_mode=None
    )
    for command in (show, stats, export, purge):
        app.command()(command)
    return app


def show(
    log: LogOption = None,
    last: Annotated[int, typer.Option("--last", "-n", min=1, help="How many.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Print the last decisions; prompts are never among them."""
    from vibe_router_gateway.log.rows import last_rows
    from vibe_router_tools.console.output import print_json, print_table

    rows = last_rows(_path(log), min(last, _MOST_ROWS))
    if as_json:
        for row in rows:
            print_json(row, indent=None)
        return
    print_table(
        "Decisions",
        ("time", "id", "target", "side", "reason", "p_cloud", "outcome", "ms"),
        [
            (
                time.strftime("%m-%d %H:%M:%S", time.localtime(row["time"])),
                row["id"],
                row["target"] or "",
                row["side"] or "",
                row["reason"] or "",
                "" if row["p_cloud"] is None else f"{row['p_cloud']:.3f}",
                row["code"] or row["outcome"],
                "" if row["total_ms"] is None else f"{row['total_ms']:.1f}",
            )
            for row in rows
        ],
    )


def stats(log: LogOption = None, days: DaysOption = 7.0, as_json: JsonOption = False) -> None:
    """Print counts by side, reason and outcome, tokens, cost, latencies, feedback, and what the log lost."""
    from vibe_router_gateway.log.figures import summary
    from vibe_router_tools.console.output import print_json, print_table

    figures = summary(_path(log), days=_finite(days, "--days"))
    if as_json:
        print_json(figures)
        return
    print_table("Log", ("what", "value"), [(name.replace("_", " "), _shown(value)) for name, value in figures.items()])


def _shown(value: object) -> str:
    """Return a figure as text; of several, each after its name, those of a side in brackets."""
    if not isinstance(value, dict):
        return "none" if value is None else str(value)
    parts = (
        f"{key} ({_shown(part)})" if isinstance(part, dict) else f"{key} {_shown(part)}" for key, part in value.items()
    )
    return ", ".join(parts)


def export(
    output: Annotated[Path | None, typer.Argument(help="New JSONL file; default: stdout.")] = None,
    log: LogOption = None,
    days: DaysOption = 36500.0,
) -> None:
    """Write every decision as a line of JSON, with its feedback, and with its request where that was logged."""
    import json

    from vibe_router_gateway.log.rows import iterate_rows

    rows = iterate_rows(_path(log), since=time.time() - _finite(days, "--days") * 86400)
    if output is None:
        for row in rows:
            print_line(json.dumps(row, ensure_ascii=False))
        return
    from vibe_router_tools.atomic.write import write_file

    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_file(output, content.encode("utf-8", "surrogatepass"), overwrite=False)
    print_line(f"wrote {output}", err=True)


def purge(
    log: LogOption = None,
    prompts: Annotated[bool, typer.Option("--prompts", help="Only the requests' text.")] = False,
    older_than: Annotated[float | None, typer.Option(min=0, help="Only what is older than so many days.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything.")] = False,
) -> None:
    """Delete from the log for good; the gateway may run meanwhile."""
    if not prompts and older_than is None and not everything:
        raise UsageError("nothing is named to delete", hint="--prompts, --older-than DAYS or --all")
    if everything and (prompts or older_than is not None):
        raise UsageError("--all is everything, and the others are a part", hint="leave one of them out")
    from vibe_router_gateway.log.rows import delete_rows

    before = None if older_than is None else time.time() - _finite(older_than, "--older-than") * 86400
    print_line(f"deleted {delete_rows(_path(log), before=before, only_prompts=prompts)} rows")


def _finite(days: float, option: str) -> float:
    if not math.isfinite(days):
        raise UsageError(f"{option} is no number of days", hint="give a number")
    return days


def _path(log: Path | None) -> Path:
    if log is not None:
        return log
    from vibe_router_gateway.places import default_log_file

    return default_log_file()
