"""Write what Python decides about chats, for the tests of the bindings that route them.

    python -m benchmarks.conformance.chats artifacts/nano -o chats.jsonl

takes the scripted conversations of tests/data up to each of their user's messages, plainly, with the state of the turn
before, and changed: pinned, with an image, with tools, with blocks of a harness, too long for the device, with more
turns than are replayed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vibe_router import Router, Target
from vibe_router.conversation.decision import ChatDecision

SCRIPTED = Path(__file__).resolve().parents[2] / "tests" / "data" / "scripted_conversations.jsonl"
_IMAGE = {"type": "image_url", "image_url": {"url": "data:"}}
_BLOCK = "<system-reminder>Design a distributed consensus algorithm.</system-reminder>\n"
_CALL = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "find", "arguments": "{}"}}]}
_RESULT = {"role": "tool", "content": "nothing found"}
# More turns than the policy replays.
_AGAIN = [{"role": "assistant", "content": "."}, {"role": "user", "content": "why?"}] * 33


def prefixes() -> Iterator[list[dict[str, Any]]]:
    """Yield each scripted conversation up to each of its user's messages."""
    for line in SCRIPTED.read_text("utf-8").splitlines():
        messages = json.loads(line)["messages"]
        for end, message in enumerate(messages, start=1):
            if message["role"] == "user":
                yield messages[:end]


def changed(messages: list[dict[str, Any]], turn: int) -> Iterator[dict[str, Any]]:
    """Yield calls about a conversation that has been changed in one way each, by turns."""
    *before, last = messages
    text = last["content"]
    if not isinstance(text, str):
        return
    ways: tuple[dict[str, Any], ...] = (
        {"messages": messages, "allow_cloud": False},
        {"messages": [*before, {"role": "user", "content": [{"type": "text", "text": text}, _IMAGE]}]},
        {"messages": [*before, {"role": "user", "content": [_IMAGE]}], "allow_cloud": False},
        {"messages": [*before, {"role": "user", "content": _BLOCK + text + _BLOCK}]},
        {"messages": [*before, {"role": "user", "content": "And\n"}, last]},
        {"messages": [*messages, _CALL, _RESULT], "tools": 2},
        {"messages": [{"role": "system", "content": "é" * 12_000}, *messages]},
        {"messages": messages, "threshold": 0.2},
        {"messages": [*before, {"role": "user", "content": "New topic: " + text}], "threshold": 0.35},
        {"messages": [*messages, *_AGAIN]},
    )
    yield ways[turn % len(ways)]


def fields(decided: ChatDecision) -> dict[str, Any]:
    """Return a decision as JSON values."""
    one = decided.decision
    return {
        "target": one.target.value,
        "p_cloud": one.p_cloud,
        "threshold": one.threshold,
        "reason": one.reason.value,
        "tokens": one.tokens,
        "scored": [[span.message, span.start, span.end] for span in decided.scored],
        "context_tokens": decided.requires.context_tokens,
        "unmet": list(decided.unmet),
        "pinned": decided.state.pinned,
        "scores": dict(decided.state.scores),
    }


def write_chats(bundle: Path, to: Path) -> int:
    """Write calls and Python's decisions, and return how many there are."""
    count = 0
    with Router.load(bundle, engine="native-cpu", precision="int8") as router, to.open("w", encoding="utf-8") as lines:
        for turn, messages in enumerate(prefixes()):
            for call in ({"messages": messages}, *changed(messages, turn)):
                asked = {"tools": 0, "allow_cloud": True, "threshold": None} | call
                decided = router.route_chat(
                    asked["messages"],
                    tools=[{}] * asked["tools"],
                    allow_cloud=asked["allow_cloud"],
                    threshold=asked["threshold"],
                    fallback=Target.DEVICE,
                )
                lines.write(json.dumps(asked | {"expected": fields(decided)}) + "\n")
                count += 1
    return count


def main() -> None:
    """Write the lines, and say how many."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    sys.stdout.write(f"{write_chats(options.bundle, options.output)} chats\n")


if __name__ == "__main__":
    main()
