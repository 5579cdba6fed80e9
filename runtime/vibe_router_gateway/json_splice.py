"""Replace one top-level member of a JSON object in its bytes, so that everything else stays as the client wrote it."""

from __future__ import annotations

import json
import re

# A whole string, or one character that changes the depth or separates members.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],]', re.DOTALL)


def replace_member(body: bytes, name: str, value: str) -> bytes:
    """Return `body`, a valid JSON object in UTF-8, with the text `value` for each top-level member `name`.

    Where there is no such member it is added in front.
    """
    encoded = json.dumps(value).encode()
    pieces: list[bytes] = []
    copied = 0
    for start, end in _value_spans(body, name):
        pieces += (body[copied:start], encoded)
        copied = end
    if not pieces:
        opening = body.index(b"{") + 1
        comma = b"" if body[opening:].lstrip().startswith(b"}") else b", "
        return body[:opening] + json.dumps(name).encode() + b": " + encoded + comma + body[opening:]
    return b"".join((*pieces, body[copied:]))


def _value_spans(body: bytes, name: str) -> list[tuple[int, int]]:
    """Return start and end of the value of each top-level member `name`."""
    spans: list[tuple[int, int]] = []
    depth = 0
    expects_name = False
    start: int | None = None
    for match in _TOKEN.finditer(body):
        token = match.group()
        if token in (b"{", b"["):
            depth += 1
            expects_name = depth == 1
        elif token in (b"}", b"]"):
            depth -= 1
            if depth == 0 and start is not None:
                spans.append(_trimmed(body, start, match.start()))
                start = None
        elif token == b",":
            if depth == 1:
                if start is not None:
                    spans.append(_trimmed(body, start, match.start()))
                    start = None
                expects_name = True
        elif depth == 1 and expects_name:
            expects_name = False
            if json.loads(token) == name:
                start = body.index(b":", match.end()) + 1
    return spans


def _trimmed(body: bytes, start: int, end: int) -> tuple[int, int]:
    while body[start : start + 1].isspace():
        start += 1
    while body[end - 1 : end].isspace():
        end -= 1
    return start, end
