"""What an ONNX file may hold before ONNX Runtime gets to see it: our operators, and weights in our one file.

ONNX Runtime has hundreds of operators and several ways to name files and code outside the graph. A router needs a few
dozen and one. So the file is read here first, with a reader of protobuf's wire format that knows the fields a router's
graph uses and refuses all others: local functions, sparse tensors, training, string tensors, external data anywhere but
in the file next to the graph. It allocates nothing by the file's word, and skips tensors' content.

Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3.
Wire format: https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from vibe_router.bundle.safe_open import corrupt
from vibe_router.engines.onnx.operators import OPERATORS
from vibe_router.errors import BundleCorruptError

_ORT_FORMAT = b"ORTM"
_MOST_NODES = 2**14
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MOST_NESTED_GRAPHS = 4
_EXTERNAL = 1
# Characters of a name that an error message repeats.
_SHOWN = 64

# Per message the wire types a field may have. Fields that are not here are refused.
_NUMBERS = frozenset({_VARINT, _BYTES})
_MODEL = {1: {_VARINT}, 2: {_BYTES}, 3: {_BYTES}, 4: {_BYTES}, 5: {_VARINT}, 6: {_BYTES}, 7: {_BYTES}, 8: {_BYTES}}
_OPSET = {1: {_BYTES}, 2: {_VARINT}}
_GRAPH = {field: {_BYTES} for field in (1, 2, 5, 10, 11, 12, 13)}
_NODE = {field: {_BYTES} for field in (1, 2, 3, 4, 5, 6, 7)}
_ATTRIBUTE = {
    **{field: {_BYTES} for field in (1, 4, 5, 6, 13)},
    2: {_FIXED32},
    3: {_VARINT},
    7: {_FIXED32, _BYTES},
    8: _NUMBERS,
    20: {_VARINT},
}
_TENSOR = {
    **{field: {_BYTES} for field in (8, 9, 12, 13)},
    1: _NUMBERS,
    2: {_VARINT},
    4: {_FIXED32, _BYTES},
    5: _NUMBERS,
    7: _NUMBERS,
    10: {_FIXED64, _BYTES},
    11: _NUMBERS,
    14: {_VARINT},
}
_ENTRY = {1: {_BYTES}, 2: {_BYTES}}
# Per message the fields that may appear more than once. Of others protobuf merges or takes the last, and two readers
# need not agree on which.
_REPEATED = {
    "the model": {8},
    "an opset import": set[int](),
    "a graph": {1, 5, 11, 12, 13},
    "a node": {1, 2, 5},
    "an attribute": {7, 8},
    "a tensor": {1, 4, 5, 7, 10, 11, 13},
    "external data": set[int](),
}


@dataclass(frozen=True)
class WeightsFile:
    """The one file that a graph may take weights from: its name next to the graph, and its size in bytes."""

    name: str
    bytes: int


def check_onnx_graph(content: bytes, *, name: str, weights: WeightsFile | None) -> None:
    """Check the bytes of an ONNX file; `name` is for errors.

    Raises:
        BundleCorruptError: no ONNX file, or one with anything in it that no router's graph has.
    """
    # ONNX Runtime takes a file with these bytes for one of its own format, and reads another graph than is read here.
    if content[4:8] == _ORT_FORMAT:
        raise _refused(name, "it has the mark of ONNX Runtime's own format")
    try:
        _Checker(weights).model(memoryview(content))
    except _RefusedError as error:
        raise _refused(name, str(error)) from error


def _refused(name: str, why: str) -> BundleCorruptError:
    return corrupt(f"{name}: {why}")


class _RefusedError(Exception):
    """What is wrong, for the message."""


class _Checker:
    def __init__(self, weights: WeightsFile | None) -> None:
        self._weights = weights
        self._nodes = 0

    def model(self, data: memoryview) -> None:
        graphs = 0
        for field, value in _fields(data, _MODEL, "the model"):
            if field == 7:
                graphs += 1
                self._graph(_bytes(value), depth=0)
            elif field == 8:
                for number, part in _fields(_bytes(value), _OPSET, "an opset import"):
                    if number == 1 and _text(part) not in OPERATORS:
                        raise _RefusedError(f"it imports the operator domain {_short(_text(part))}")
        if graphs != 1:
            raise _RefusedError(f"it has {graphs} graphs instead of one")

    def _graph(self, data: memoryview, *, depth: int) -> None:
        if depth > _MOST_NESTED_GRAPHS:
            raise _RefusedError("its graphs are nested too deep")
        for field, value in _fields(data, _GRAPH, "a graph"):
            if field == 1:
                self._node(_bytes(value), depth=depth)
            elif field == 5:
                self._tensor(_bytes(value), external=self._weights)

    def _node(self, data: memoryview, *, depth: int) -> None:
        self._nodes += 1
        if self._nodes > _MOST_NODES:
            raise _RefusedError(f"it has more than {_MOST_NODES} nodes")
        kinds: list[str] = []
        domains: list[str] = []
        for field, value in _fields(data, _NODE, "a node"):
            if field == 4:
                kinds.append(_text(value))
            elif field == 7:
                domains.append(_text(value))
            elif field == 5:
                self._attribute(_bytes(value), depth=depth)
        if len(kinds) != 1 or len(domains) > 1:
            raise _RefusedError("a node has not exactly one operator")
        domain = domains[0] if domains else ""
        if kinds[0] not in OPERATORS.get(domain, ()):
            raise _RefusedError(f"the operator {_short(kinds[0])} of the domain {_short(domain)} is none of a router's")

    def _attribute(self, data: memoryview, *, depth: int) -> None:
        for field, value in _fields(data, _ATTRIBUTE, "an attribute"):
            if field == 5:
                self._tensor(_bytes(value), external=None)
            elif field == 6:
                self._graph(_bytes(value), depth=depth + 1)

    def _tensor(self, data: memoryview, *, external: WeightsFile | None) -> None:
        entries: dict[str, str] = {}
        location = 0
        for field, value in _fields(data, _TENSOR, "a tensor"):
            if field == 13:
                pair = [_text(part) for _, part in sorted(_fields(_bytes(value), _ENTRY, "external data"), key=_number)]
                if len(pair) != 2 or pair[0] in entries:
                    raise _RefusedError("a tensor's external data is no list of keys and values")
                entries[pair[0]] = pair[1]
            elif field == 14:
                location = value if isinstance(value, int) else -1
        if not entries and location == 0:
            return
        if external is None or location != _EXTERNAL or set(entries) != {"location", "offset", "length"}:
            raise _RefusedError("a tensor has external data where it may have none, or without saying where")
        offset, length = _size(entries["offset"]), _size(entries["length"])
        if entries["location"] != external.name:
            raise _RefusedError(f"a tensor's data is in {_short(entries['location'])} instead of {external.name!r}")
        if offset + length > external.bytes:
            raise _RefusedError(f"a tensor's data ends at {offset + length}, past the end of {external.name}")


def _fields(
    data: memoryview, known: Mapping[int, AbstractSet[int]], where: str
) -> Iterator[tuple[int, int | memoryview]]:
    """Yield a message's fields as (number, value): an integer, or the bytes of anything longer."""
    place, end = 0, len(data)
    seen: set[int] = set()
    while place < end:
        key, place = _varint(data, place)
        field, kind = key >> 3, key & 7
        if field in seen and field not in _REPEATED[where]:
            raise _RefusedError(f"{where} has its field {field} twice")
        seen.add(field)
        if kind not in known.get(field, ()):
            raise _RefusedError(f"{where} has a field {field} of wire type {kind}, which a router's has not")
        if kind == _VARINT:
            value, place = _varint(data, place)
            yield field, value
            continue
        if kind == _BYTES:
            length, place = _varint(data, place)
        else:
            length = 8 if kind == _FIXED64 else 4
        if length > end - place:
            raise _RefusedError(f"{where} is cut off")
        yield field, data[place : place + length]
        place += length


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            raise _RefusedError("it is cut off")
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >= 1 << 64:
                break
            return value, place
    raise _RefusedError("it has a number that is too long")


def _bytes(value: int | memoryview) -> memoryview:
    assert isinstance(value, memoryview), "the wire type was checked"
    return value


def _number(field: tuple[int, int | memoryview]) -> int:
    return field[0]


def _text(value: int | memoryview) -> str:
    try:
        return str(_bytes(value), "utf-8")
    except UnicodeDecodeError as error:
        raise _RefusedError("a name is not UTF-8") from error


def _size(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise _RefusedError(f"{_short(text)} is no size")
    return int(text)


def _short(text: str) -> str:
    return repr(text[:_SHOWN])
