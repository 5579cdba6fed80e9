"""Read conversations from JSON Lines; a bad row is named with its file and line.

One object a line, UTF-8, empty lines ignored. Keys:

    messages   the messages of a chat API, or
    history    a list of {"user": text, "bot": text}, as MT-Bench-101 has it
    cloud      optional: a list with one entry a turn of the user: p in 0..1 that the cloud's answer is the better one,
               or null where nobody knows
    sides      optional, in the place of `cloud`: "device", "cloud" or "either" a turn, read as 0, 1 and null

Other keys are ignored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vibe_router.bundle.strict_json import load_strictly
from vibe_router.conversation.messages import Chat, read_chat
from vibe_router.errors import DataError, PromptError
from vibe_router_tools.rows import numbered

_SIDES: dict[str, float | None] = {"device": 0.0, "cloud": 1.0, "either": None}
_HINT = 'each line is {"messages": [...], "cloud": [0.1, null, ...]} with one number a turn of the user'


@dataclass(frozen=True)
class Conversation:
    """The turns of a conversation, and a label for each: p in 0..1 that the cloud's answer is the better one."""

    line: int
    chat: Chat
    cloud: tuple[float | None, ...]


def read_conversations(path: Path, *, harness_tags: tuple[str, ...]) -> Iterator[Conversation]:
    """Yield the conversations of the file at `path` that have a turn of the user.

    Raises:
        DataError: the file cannot be read, or a row is not a conversation.
    """
    try:
        with path.open("rb") as file:
            for number, line in numbered(file):
                if conversation := _read_row(line, f"{path}:{number}", number, harness_tags):
                    yield conversation
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}", hint="name a readable JSONL file") from error


def _read_row(line: bytes, where: str, number: int, harness_tags: tuple[str, ...]) -> Conversation | None:
    try:
        row = load_strictly(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise DataError(f"{where}: not valid JSON: {reason}", hint=_HINT) from error
    if not isinstance(row, dict):
        raise DataError(f"{where}: not a JSON object", hint=_HINT)
    messages = _messages_of(row["history"], where) if "history" in row else row.get("messages")
    try:
        chat = read_chat(messages, harness_tags=harness_tags)
    except PromptError as error:
        raise DataError(f"{where}: {error.message}", hint=_HINT) from error
    labels = _read_labels(row, where, len(chat.turns))
    return Conversation(number, chat, labels) if chat.turns else None


def _messages_of(history: object, where: str) -> list[dict[str, object]]:
    if not isinstance(history, list) or not all(isinstance(pair, dict) for pair in history):
        raise DataError(f"{where}: history is not a list of objects", hint=_HINT)
    messages: list[dict[str, object]] = []
    for pair in history:
        messages.append({"role": "user", "content": pair.get("user")})
        messages.append({"role": "assistant", "content": pair.get("bot")})
    return messages


def _read_labels(row: dict[str, Any], where: str, turns: int) -> tuple[float | None, ...]:
    if "sides" in row and "cloud" in row:
        raise DataError(f"{where}: cloud and sides are both given", hint=_HINT)
    given = row.get("sides", row.get("cloud"))
    if given is None:
        return (None,) * turns
    if not isinstance(given, list) or len(given) != turns:
        raise DataError(f"{where}: there is not one label for each of the {turns} turns of the user", hint=_HINT)
    return tuple(_read_label(label, where, named="sides" in row) for label in given)


def _read_label(label: object, where: str, *, named: bool) -> float | None:
    if named:
        if not isinstance(label, str) or label not in _SIDES:
            raise DataError(f"{where}: a side is none of {', '.join(_SIDES)}", hint=_HINT)
        return _SIDES[label]
    if label is None:
        return None
    if not isinstance(label, (int, float)) or isinstance(label, bool) or not 0 <= label <= 1:
        raise DataError(f"{where}: a label is not a number in 0..1", hint=_HINT)
    return float(label)
