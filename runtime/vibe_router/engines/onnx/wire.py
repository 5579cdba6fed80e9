"""Protobuf's wire format, read strictly: fields that are known, once where they stand once, within their message.

https://protobuf.dev/programming-guides/encoding/. Nothing is allocated by the file's word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

VARINT, BYTES, FIXED32 = 0, 2, 5
# Characters of a name that an error message repeats.
_SHOWN = 64
_LONGEST_NUMBER = 10
# Bytes of a list of numbers; large constants are bytes as they are.
_LONGEST_LIST = 4096


class RefusedError(Exception):
    """What is wrong with a graph, for the message."""


class Layout:
    """The fields that a message may have: by number its wire types; of `repeated` ones there may be several.

    Of other fields that stand twice protobuf merges or takes the last, and two readers need not agree on which. A
    message has at most `most` fields in all.
    """

    def __init__(
        self, name: str, fields: Mapping[int, tuple[int, ...]], *, repeated: tuple[int, ...] = (), most: int = 64
    ) -> None:
        self.name, self.most = name, most
        self.keys = {field << 3 | kind: field in repeated for field, kinds in fields.items() for kind in kinds}


def read_fields(data: bytes, layout: Layout) -> list[tuple[int, Any]]:
    """Return a message's fields as (number, value): an integer where `layout` says `VARINT`, otherwise bytes.

    Raises:
        RefusedError: the bytes are no such message, or have a field that `layout` does not know or that stands twice.
    """
    found: list[tuple[int, Any]] = []
    keys, place, end, seen = layout.keys, 0, len(data), 0
    while place < end:
        if len(found) == layout.most:
            raise RefusedError(f"{layout.name} has more than {layout.most} fields")
        key = data[place]
        place += 1
        if key >= 0x80:
            key, place = _number(data, place - 1)
        field, kind = key >> 3, key & 7
        repeated = keys.get(key)
        if repeated is None:
            raise RefusedError(f"{layout.name} has a field {field} of wire type {kind}, which a router's has not")
        if not repeated:
            if seen >> field & 1:
                raise RefusedError(f"{layout.name} has its field {field} twice")
            seen |= 1 << field
        if kind == FIXED32:
            length = 4
        elif place >= end:
            raise RefusedError(f"{layout.name} is cut off")
        else:
            # A number, or the length of what follows; most have one byte.
            length = data[place]
            place += 1
            if length >= 0x80:
                length, place = _number(data, place - 1)
            if kind == VARINT:
                found.append((field, length))
                continue
        if length > end - place:
            raise RefusedError(f"{layout.name} is cut off")
        found.append((field, data[place : place + length]))
        place += length
    return found


def numbers(value: int | bytes) -> list[int]:
    """Return the integers of one field that may be packed, as the file has them: unsigned, of 64 bits.

    Raises:
        RefusedError: it is cut off, or is a list of thousands.
    """
    if isinstance(value, int):
        return [value]
    if len(value) > _LONGEST_LIST:
        raise RefusedError(f"a list of numbers has more than {_LONGEST_LIST} bytes")
    found = []
    place = 0
    while place < len(value):
        one, place = _number(value, place)
        found.append(one)
    return found


def signed(value: int) -> int:
    """Return a 64-bit number with its sign."""
    return value - (1 << 64) if value >> 63 else value


def short(value: str) -> str:
    """Return a name from the file as a message may show it."""
    return repr(value[:_SHOWN])


def _number(data: bytes, place: int) -> tuple[int, int]:
    """Return the number at a place, and the place behind it."""
    value = 0
    for step in range(_LONGEST_NUMBER):
        if place >= len(data):
            raise RefusedError("it is cut off")
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << 7 * step
        if byte < 0x80:
            if value >> 64:
                break
            return value, place
    raise RefusedError("it has a number that is too long")
