"""Replace one top-level member of a JSON object in its bytes, so that everything else stays as the client wrote it."""

from __future__ import annotations

import json
import re

_STARTS = re.compile(rb'["{}\[\],]')
# Inside of a member's value no comma separates members; lists of numbers have a million.
_STARTS_INSIDE = re.compile(rb'["{}\[\]]')
_BACKSLASH = ord("\\")


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
    depth = after = 0
    expects_name = False
    start: int | None = None
    while (match := (_STARTS if depth <= 1 else _STARTS_INSIDE).search(body, after)) is not None:
        (begin, after), token = match.span(), match.group()
        if token == b'"':
            after = _string_end(body, after)
        if token in (b"{", b"["):
            depth += 1
            expects_name = depth == 1
        elif token in (b"}", b"]"):
            depth -= 1
            if depth == 0 and start is not None:
                spans.append(_trimmed(body, start, begin))
                start = None
        elif token == b",":
            if depth == 1:
                if start is not None:
                    spans.append(_trimmed(body, start, begin))
                    start = None
                expects_name = True
        elif depth == 1 and expects_name:
            expects_name = False
            if json.loads(body[begin:after]) == name:
                start = body.index(b":", after) + 1
    return spans


def _string_end(body: bytes, place: int) -> int:
    """Return the place behind the quote that ends a string; a search for it skips a picture of megabytes at once."""
    while True:
        quote = body.index(b'"', place)
        first = quote
        while body[first - 1] == _BACKSLASH:
            first -= 1
        place = quote + 1
        if (quote - first) % 2 == 0:
            return place


def _trimmed(body: bytes, start: int, end: int) -> tuple[int, int]:
    while body[start : start + 1].isspace():
        start += 1
    while body[end - 1 : end].isspace():
        end -= 1
    return start, end
