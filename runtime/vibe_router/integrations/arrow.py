"""Route the rows of an Arrow table: a column of prompts or of conversations in, columns of decisions out.

    p_cloud    float64  null where there is no score
    logit      float32  what the engine gave: p_cloud = sigmoid(logit)
    target     string   "device" or "cloud"; null where the row could not be routed
    tokens     int32    as `Decision.tokens`
    truncated  bool
    reason     string   as `Decision.reason`
    error      string   why there is no score, where there should be one; never a word of the prompt
    bundle     string   SHA-256 of what gave the score, `vibe_router.bundle.identity.model_identity`

All other columns and the order of the rows stay. Nothing in the output depends on the time or on chance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa

from vibe_router.bundle.identity import model_identity
from vibe_router.errors import EngineError, PromptError, UsageError
from vibe_router.integrations.cells import Unreadable, read_conversations, read_prompts
from vibe_router.policy import Decision, Reason, Target
from vibe_router.router import Router

OUTPUT = pa.schema(
    [
        ("p_cloud", pa.float64()),
        ("logit", pa.float32()),
        ("target", pa.string()),
        ("tokens", pa.int32()),
        ("truncated", pa.bool_()),
        ("reason", pa.string()),
        ("error", pa.string()),
        ("bundle", pa.string()),
    ]
)
"""The columns that are added, in this order."""
ROWS = 4096
"""Rows that are scored together: enough for batches of nearly equal lengths, few enough to hold."""

_NO_SCORE = "EngineError: the engine gave no score"

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class ColumnOptions:
    """Which column holds what to route, and the terms of `Router.route`.

    `prompts` names a column of text, `messages` one of conversations: lists of structs as a chat API takes them, or
    the same as JSON text. Where neither is given, the column is `prompt`, or else `messages`.
    """

    prompts: str | None = None
    messages: str | None = None
    profile: str | None = None
    threshold: float | None = None
    allow_cloud: bool = True
    fallback: Target | None = None


def route_table(router: Router, table: pa.Table, options: ColumnOptions | None = None) -> pa.Table:
    """Return `table` with the columns of `OUTPUT` added.

    A row that cannot be routed has null in their place and an error, and costs the others nothing. Where the engine
    fails at a row, and not at all of them, the others are routed all the same. Prompts have the decisions of
    `Router.route_many`, conversations those of `Router.route_chat`.

    Raises:
        UsageError: no such column, a column of a wrong type, a column that has the name of an output, or as
            `Router.route`.
        EngineError: the engine failed at every row, so that no row is the reason.
    """
    options = options or ColumnOptions()
    column, chats = find_column(table.schema, options)
    schema = output_schema(table.schema)
    identity = model_identity(router.bundle.manifest)
    batches = []
    for start in range(0, max(table.num_rows, 1), ROWS):
        rows = table.slice(start, ROWS)
        cells = rows.column(column)
        decided = _chats(router, cells, options) if chats else _prompts(router, cells, options)
        added = _columns(decided, identity)
        batches.append(pa.Table.from_arrays([*rows.columns, *added], schema=schema))
    return pa.concat_tables(batches)


def output_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema of a table of `schema` after routing.

    Raises:
        UsageError: a column has the name of an output.
    """
    taken = [name for name in schema.names if name in OUTPUT.names]
    if taken:
        raise UsageError(f"the table has a column {taken[0]!r} already", hint="rename it, or leave it out")
    return pa.schema([*schema, *OUTPUT], metadata=schema.metadata)


def find_column(schema: pa.Schema, options: ColumnOptions) -> tuple[str, bool]:
    """Return the name of the column to route, and whether it holds conversations.

    Raises:
        UsageError: there is no such column, there are two of that name, or it is of another type.
    """
    if options.prompts is not None and options.messages is not None:
        raise UsageError("a column of prompts and one of messages were both given", hint="give one of them")
    chats = options.messages is not None or (options.prompts is None and "prompt" not in schema.names)
    name = (options.messages or "messages") if chats else (options.prompts or "prompt")
    found = [field for field in schema if field.name == name]
    if len(found) != 1:
        many = "more than one column" if found else "no column"
        if chats and options.messages is None:
            many = "no column 'prompt', and " + many
        raise UsageError(f"the table has {many} {name!r}", hint=f"it has: {', '.join(schema.names)[:200] or 'none'}")
    kind = found[0].type
    if not (_is_text(kind) or (chats and (pa.types.is_list(kind) or pa.types.is_large_list(kind)))):
        expected = "lists of messages, or of JSON text" if chats else "text"
        raise UsageError(f"the column {name!r} is of type {str(kind)[:64]}, not of {expected}", hint="cast it")
    return name, chats


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    # Programs that guess types give a column of nulls this one.
    is_nothing = pa.types.is_null(kind)
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or is_nothing
    )


def _prompts(router: Router, cells: pa.ChunkedArray, options: ColumnOptions) -> list[Decision | str]:
    def decide(prompts: Sequence[str]) -> list[Decision | str]:
        decided = router.route_many(
            prompts,
            profile=options.profile,
            threshold=options.threshold,
            allow_cloud=options.allow_cloud,
            fallback=options.fallback,
            on_error="skip",
        )
        return [_reason(router, prompt) if one is None else one for prompt, one in zip(prompts, decided, strict=True)]

    return _decide_readable(read_prompts(cells), decide)


def _reason(router: Router, prompt: str) -> str:
    """Return why a prompt was skipped."""
    try:
        router.tokenizer.encode(prompt)
    except PromptError as error:
        return _said(error)
    raise AssertionError("a prompt that was skipped can be tokenized")


def _chats(router: Router, cells: pa.ChunkedArray, options: ColumnOptions) -> list[Decision | str]:
    def decide(chats: Sequence[list[Any]]) -> list[Decision | str]:
        decided: list[Decision | str] = []
        for chat in chats:
            try:
                routed = router.route_chat(
                    chat,
                    profile=options.profile,
                    threshold=options.threshold,
                    allow_cloud=options.allow_cloud,
                    fallback=options.fallback,
                )
                decided.append(routed.decision)
            except PromptError as error:
                decided.append(_said(error))
        return decided

    return _decide_readable(read_conversations(cells), decide)


def _decide_readable(
    items: Sequence[Item | Unreadable], decide: Callable[[Sequence[Item]], list[Decision | str]]
) -> list[Decision | str]:
    """Return a decision or an error for each item.

    Raises:
        EngineError: the engine failed at every item.
    """
    readable = [item for item in items if not isinstance(item, Unreadable)]
    failures: list[EngineError] = []
    decided = list(_decide_apart(readable, decide, failures))
    if failures and len(failures) == len(readable):
        raise failures[-1]
    rest = iter(decided)
    return [_said(PromptError(item.why)) if isinstance(item, Unreadable) else next(rest) for item in items]


def _decide_apart(
    items: Sequence[Item], decide: Callable[[Sequence[Item]], list[Decision | str]], failures: list[EngineError]
) -> Iterator[Decision | str]:
    """Yield decisions; items at which the engine fails are found by halving, and added to `failures`."""
    try:
        decided = decide(items)
    except EngineError as error:
        if len(items) == 1:
            failures.append(error)
            yield _said(error)
            return
        middle = len(items) // 2
        yield from _decide_apart(items[:middle], decide, failures)
        yield from _decide_apart(items[middle:], decide, failures)
        return
    yield from decided


def _said(error: PromptError | EngineError) -> str:
    return f"{type(error).__name__}: {error.message}"


def _columns(decided: Sequence[Decision | str], identity: str) -> list[pa.Array]:
    known = [one if isinstance(one, Decision) else None for one in decided]
    errors = [_error(one) for one in decided]
    values: dict[str, list[Any]] = {
        "p_cloud": [one and one.p_cloud for one in known],
        "logit": [one and one.logit for one in known],
        "target": [one and one.target.value for one in known],
        "tokens": [one and one.tokens for one in known],
        "truncated": [one and one.truncated for one in known],
        "reason": [one and one.reason.value for one in known],
        "error": errors,
        "bundle": [identity] * len(known),
    }
    return [pa.array(values[field.name], field.type) for field in OUTPUT]


def _error(decided: Decision | str) -> str | None:
    if isinstance(decided, str):
        return decided
    pinned_without_score = decided.reason is Reason.PINNED and decided.p_cloud is None
    return _NO_SCORE if decided.reason is Reason.FALLBACK or pinned_without_score else None
