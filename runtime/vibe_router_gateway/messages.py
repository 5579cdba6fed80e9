"""What the responses API and the first form of tools call otherwise, in the words of today's chat API."""

from __future__ import annotations

from typing import Any


def message_of_item(item: object) -> dict[str, Any] | None:
    """Return an item of the responses API as a message; None for items without words, such as reasoning.

    A call that the client is to carry out has a `call_id`, whatever its tool: a function, a shell, a computer.
    """
    if not isinstance(item, dict):
        return None
    kind, call = item.get("type"), item.get("call_id")
    if isinstance(kind, str) and (call is not None or kind.startswith("function_call")):
        if kind.endswith("_call"):
            function = {"name": item.get("name"), "arguments": item.get("arguments", item.get("input"))}
            called = {"id": call, "type": "function", "function": function}
            return {"role": "assistant", "content": None, "tool_calls": [called]}
        if kind.endswith("_call_output"):
            output = item.get("output")
            # A computer's is a single part, its screenshot.
            return {"role": "tool", "tool_call_id": call, "content": [output] if isinstance(output, dict) else output}
    return item if "role" in item else None


def with_tools(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message with a `function_call`, or of the role "function", as one with tools."""
    if message.get("role") == "function":
        return {**message, "role": "tool"}
    call = message.get("function_call") if message.get("role") == "assistant" else None
    if isinstance(call, dict) and message.get("tool_calls") is None:
        return {**message, "tool_calls": [{"type": "function", "function": call}]}
    return message
