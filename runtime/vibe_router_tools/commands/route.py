"""`vibe-router route`: decisions for one prompt or a stream of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from vibe_router.engines.usage import Usage
from vibe_router.errors import DataError, PromptError, UsageError
from vibe_router.extras import require_extra
from vibe_router.policy import Decision, Target
from vibe_router.progress import Progress
from vibe_router.router import Router
from vibe_router_tools.commands.options import (
    BundleOption,
    EngineOption,
    JsonOption,
    PrecisionOption,
    ThreadsOption,
    check_unused,
)
from vibe_router_tools.console.input import standard_input
from vibe_router_tools.console.output import decision_fields, print_json, print_line, progress_bar
from vibe_router_tools.rows import PromptRow, read_rows

if TYPE_CHECKING:
    from vibe_router_tools.commands.route_columns import ColumnsRun

_STDIN = "-"
_PARQUET = (".parquet", ".parq", ".pq")
_ROWS, _SHARE = 100_000, "1/1"


InputOption = Annotated[
    str | None,
    typer.Option(
        "--input",
        "-i",
        metavar="PLACE",
        help="JSONL with a field prompt, or JSON strings; - is stdin. With --output: Parquet files, as a file, a "
        "folder, a glob, or a URL such as s3://bucket/logs.",
    ),
]
OutputOption = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FOLDER",
        help="Folder or URL for Parquet files with the columns of decisions; what is there is not done again.",
    ),
]
MessagesOption = Annotated[
    str | None, typer.Option(help="Column of conversations, as lists or JSON text; default: messages.")
]
ShareOption = Annotated[str, typer.Option(metavar="K/N", help="Only the K-th of N equal shares of the files.")]
ReplaceOption = Annotated[bool, typer.Option("--force", help="Replace results of other terms in --output.")]
ProfileOption = Annotated[str | None, typer.Option("--profile", "-p", help="One of the bundle's profiles.")]
NoCloudOption = Annotated[bool, typer.Option("--no-cloud", help="Score, but always stay on the device.")]
FallbackOption = Annotated[
    Target | None, typer.Option(help="Where to go without a score, when the engine fails or is too late.")
]
TimeoutOption = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="How long a score may take; for PROMPT only.")
]


@dataclass(frozen=True, kw_only=True)
class _Terms:
    """The terms on which a command decides every prompt."""

    profile: str | None
    threshold: float | None
    allow_cloud: bool
    fallback: Target | None


def route(
    prompt: Annotated[str | None, typer.Argument(metavar="PROMPT", help="The prompt; - reads one from stdin.")] = None,
    input_file: InputOption = None,
    output: OutputOption = None,
    prompts: Annotated[str | None, typer.Option(help="Column of prompts; default: prompt.")] = None,
    messages: MessagesOption = None,
    rows: Annotated[int, typer.Option(min=1, help="Rows for each file of --output.")] = _ROWS,
    share: ShareOption = _SHARE,
    force: ReplaceOption = False,
    bundle: BundleOption = None,
    profile: ProfileOption = None,
    threshold: Annotated[float | None, typer.Option(help="A threshold on p_cloud instead of a profile's.")] = None,
    no_cloud: NoCloudOption = False,
    fallback: FallbackOption = None,
    timeout: TimeoutOption = None,
    engine: EngineOption = "auto",
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = None,
    chunk: Annotated[int, typer.Option(min=1, help="Lines read before their answers are written.")] = 256,
    as_json: JsonOption = False,
) -> None:
    """Decide for a prompt, for each line of a JSONL file, or for each row of Parquet files: device or cloud."""
    if (prompt is None) == (input_file is None):
        raise UsageError("give either a prompt or --input FILE", hint="vibe-router route 'what is 2+2?'")
    if timeout is not None and input_file is not None:
        raise UsageError("--timeout is for one prompt, not for --input", hint="leave it out")
    _check_form(input_file, output)
    if output is None:
        # They are for Parquet files alone: a share of a JSONL file would be all of it.
        check_unused(
            "needs --output",
            "vibe-router route -i logs/ -o decisions/",
            prompts=prompts is not None,
            messages=messages is not None,
            rows=rows != _ROWS,
            share=share != _SHARE,
            force=force,
        )
    terms = _Terms(profile=profile, threshold=threshold, allow_cloud=not no_cloud, fallback=fallback)
    usage = Usage.REPEATEDLY if prompt is None else Usage.ONCE
    with Router.load(bundle, engine=engine, precision=precision, threads=threads, usage=usage) as router:
        if prompt is not None:
            _route_prompt(router, prompt, terms, timeout=timeout, as_json=as_json)
        elif input_file is not None and output is not None:
            from vibe_router_tools.commands.route_columns import ColumnsRun

            asked = ColumnsRun(source=input_file, target=output, share=share, rows=rows, force=force)
            _route_columns(router, asked, terms, prompts=prompts, messages=messages, as_json=as_json)
        elif input_file is not None:
            _route_lines(router, input_file, terms, chunk=chunk, as_json=as_json)


def _route_prompt(router: Router, prompt: str, terms: _Terms, *, timeout: float | None, as_json: bool) -> None:
    decision = router.route(
        _read_stdin() if prompt == _STDIN else prompt,
        profile=terms.profile,
        threshold=terms.threshold,
        allow_cloud=terms.allow_cloud,
        fallback=terms.fallback,
        timeout=timeout,
    )
    if as_json:
        print_json(decision_fields(decision), indent=None)
    else:
        print_line(_describe(decision))


def _route_columns(
    router: Router, asked: ColumnsRun, terms: _Terms, *, prompts: str | None, messages: str | None, as_json: bool
) -> None:
    require_extra("Parquet", extra="arrow", modules=("pyarrow",))
    from vibe_router.integrations.arrow import ColumnOptions
    from vibe_router_tools.commands.route_columns import route_columns

    options = ColumnOptions(
        prompts=prompts,
        messages=messages,
        profile=terms.profile,
        threshold=terms.threshold,
        allow_cloud=terms.allow_cloud,
        fallback=terms.fallback,
    )
    route_columns(router, options, asked, as_json=as_json)


def _route_lines(router: Router, input_file: str, terms: _Terms, *, chunk: int, as_json: bool) -> None:
    name = "stdin" if input_file == _STDIN else input_file
    with _open(input_file) as stream:
        unanswered: deque[PromptRow] = deque()
        decisions = router.route_stream(
            _remember(read_rows(stream, name=name), unanswered),
            profile=terms.profile,
            threshold=terms.threshold,
            allow_cloud=terms.allow_cloud,
            fallback=terms.fallback,
            chunk=chunk,
        )
        _print_stream(decisions, unanswered, name=name, lines=_lines(Path(input_file)), as_json=as_json)


def _check_form(input_file: str | None, output: str | None) -> None:
    if output is not None and (input_file is None or input_file == _STDIN):
        raise UsageError("--output needs --input with Parquet files", hint="vibe-router route -i logs/ -o decisions/")
    if output is None and input_file is not None and input_file.endswith(_PARQUET):
        raise UsageError(
            "Parquet files need a folder for the results", hint=f"vibe-router route -i {input_file} -o out"
        )


def _print_stream(
    decisions: Iterator[Decision], unanswered: deque[PromptRow], *, name: str, lines: int | None, as_json: bool
) -> None:
    """Print decisions as they come; `unanswered` holds the rows that were read and have no decision yet.

    `lines` says how many rows there are, None where nobody knows.
    """
    done = 0
    try:
        with progress_bar("routing", total=lines, between_results=True) as progress:
            for decision in decisions:
                row = unanswered.popleft()
                if as_json:
                    print_json(_answer(row, decision), indent=None)
                else:
                    print_line(f"{row.line}\t{_describe(decision)}")
                done += 1
                progress(Progress(done, lines))
    except PromptError as error:
        raise PromptError(f"{name}:{unanswered[0].line}: {error.message}", hint=error.hint) from error


def _answer(row: PromptRow, decision: Decision) -> dict[str, Any]:
    """Return the row's own keys with the decision's; the id is the row's, where it has one."""
    answer = {"line": row.line} | dict(row.others) | decision_fields(decision)
    return answer | {"line": row.line, "id": row.others.get("id", decision.id)}


def _lines(path: Path) -> int | None:
    """Return how many lines a file has that are not empty; None for a stream, which cannot be read twice."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return sum(1 for line in file if line.strip())


def _remember(rows: Iterator[PromptRow], unanswered: deque[PromptRow]) -> Iterator[str]:
    for row in rows:
        unanswered.append(row)
        yield row.prompt


def _describe(decision: Decision) -> str:
    if decision.p_cloud is None or decision.margin is None:
        score = "no score"
    else:
        relation = ">" if decision.margin > 0 else "<="
        score = f"p_cloud {decision.p_cloud:.4f} {relation} {decision.threshold:.4f}"
    cut = ", cut" if decision.truncated else ""
    return (
        f"{decision.target.value:<6}  {score}  "
        f"{decision.tokens} tokens{cut}  {decision.engine}  {decision.reason.value}"
    )


def _read_stdin() -> str:
    try:
        text = standard_input().read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise PromptError(f"stdin is not UTF-8 ({error})", hint="convert it with iconv") from error
    # The line end that `echo` and editors add is not part of the request.
    return text.removesuffix("\n").removesuffix("\r")


@contextmanager
def _open(path: str) -> Iterator[BinaryIO]:
    if path == _STDIN:
        yield standard_input()
        return
    try:
        stream = Path(path).open("rb")  # noqa: SIM115 - closed below, when it could be opened
    except OSError as error:
        raise DataError(f"cannot read {path!r}: {error.strerror}", hint="check the path") from error
    with stream:
        yield stream
