"""An ONNX file read into nodes and constants, with everything refused that no exported file has.

ONNX Runtime has several ways to name files and code outside the graph. A router needs one: weights in the file next to
the graph. So the reader knows the fields a router's graph uses and refuses all others: local functions, sparse tensors,
training, text, tensors inside nodes, external data anywhere but in that file. A tensor has exactly the bytes that its
shape asks for.

Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from vibe_router.engines.onnx.sizes import Operand, fixed
from vibe_router.engines.onnx.wire import (
    BYTES,
    FIXED32,
    VARINT,
    Layout,
    RefusedError,
    numbers,
    read_fields,
    short,
    signed,
)

MOST_BYTES = 2**25
"""Bytes of a graph's file. Constants of more than a page are in the file next to it, or are less than 1 MiB in all."""
_MOST_PARTS = 2**14
_MOST_NAMES = 8
_MOST_NUMBERS = 8
_MOST_AXES = 4
_EXTERNAL = 1
_FLOAT, _INT64 = 1, 7
# A tensor's data: float_data, int64_data, raw_data.
_DATA = (4, 7, 9)
# Bytes of an element: FLOAT, UINT8, INT8, INT64, BOOL, FLOAT16.
_ELEMENT_BYTES = {1: 4, 2: 1, 3: 1, _INT64: 8, 9: 1, 10: 2}
# By AttributeProto.type the field that the value is in: FLOAT, INT, GRAPH, INTS.
_INTS = 7
_FIELD_OF_KIND = {1: 2, 2: 3, 5: 6, _INTS: 8}
_INPUTS = frozenset({"input_ids", "attention_mask"})
_PACKED = (VARINT, BYTES)

_MODEL = Layout("the model", {1: (VARINT,), 5: (VARINT,), **dict.fromkeys((2, 3, 4, 6, 7, 8), (BYTES,))}, repeated=(8,))
_OPSET = Layout("an opset import", {1: (BYTES,), 2: (VARINT,)})
_GRAPH = Layout(
    "a graph", dict.fromkeys((1, 2, 5, 10, 11, 12), (BYTES,)), repeated=(1, 5, 11, 12), most=3 * _MOST_PARTS
)
_NODE = Layout("a node", dict.fromkeys((1, 2, 3, 4, 5, 6, 7), (BYTES,)), repeated=(1, 2, 5))
_ATTRIBUTE = Layout(
    "an attribute", {1: (BYTES,), 2: (FIXED32,), 3: (VARINT,), 6: (BYTES,), 8: _PACKED, 20: (VARINT,)}, repeated=(8,)
)
_TENSOR = Layout(
    "a tensor",
    {1: _PACKED, 2: (VARINT,), 14: (VARINT,), **dict.fromkeys((4, 7, 8, 9, 12, 13), (BYTES,))},
    repeated=(1, 13),
)
_ENTRY = Layout("external data", {1: (BYTES,), 2: (BYTES,)})
_VALUE = Layout("an input or output", {1: (BYTES,), 2: (BYTES,), 3: (BYTES,)})


class WeightsFile(NamedTuple):
    """The one file that a graph may take weights from: its name next to the graph, and its size in bytes."""

    name: str
    bytes: int


class Node(NamedTuple):
    """One node. `attributes` are the bytes of each, which name, kind and value follow from."""

    domain: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: tuple[bytes, ...]


class Graph(NamedTuple):
    """Nodes in order, constants by name, and the names of what goes in and comes out."""

    nodes: tuple[Node, ...]
    constants: dict[str, Operand]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class GraphFile:
    """Reads one file: all of its graphs together have at most `_MOST_PARTS` nodes and as many constants.

    `weights_bytes` are those of the file next to the graph and of the constants that were read.
    """

    def __init__(self, weights: WeightsFile | None) -> None:
        self._weights = weights
        self._nodes = self._constants = 0
        self.weights_bytes = weights.bytes if weights else 0

    def model(self, data: bytes) -> tuple[Graph, frozenset[str]]:
        """Return the graph of a file, and the domains that it imports.

        Raises:
            RefusedError: anything is in it that no exported file has.
        """
        graphs: list[Graph] = []
        domains: list[str] = []
        for field, value in read_fields(data, _MODEL):
            if field == 7:
                graphs.append(self.graph(value))
            elif field == 8:
                entries = dict(read_fields(value, _OPSET))
                domains.append(entries.get(1, b"").decode())
        if len(graphs) != 1:
            raise RefusedError(f"it has {len(graphs)} graphs instead of one")
        if len(set(domains)) != len(domains):
            raise RefusedError("it imports an operator domain twice")
        if set(graphs[0].inputs) != _INPUTS:
            raise RefusedError("its inputs are not input_ids and attention_mask")
        return graphs[0], frozenset(domains)

    def graph(self, data: bytes) -> Graph:
        """Return one graph, which may be inside a node.

        Raises:
            RefusedError: as `model`.
        """
        nodes: list[Node] = []
        constants: dict[str, Operand] = {}
        ends: dict[int, list[str]] = {11: [], 12: []}
        for field, value in read_fields(data, _GRAPH):
            if field == 1:
                nodes.append(self._node(value))
            elif field == 5:
                name, operand = self._tensor(value)
                if name in constants:
                    raise RefusedError(f"two constants are called {short(name)}")
                constants[name] = operand
            elif field in ends:
                ends[field].append(dict(read_fields(value, _VALUE)).get(1, b"").decode())
                if len(ends[field]) > _MOST_NAMES:
                    raise RefusedError(f"a graph has more than {_MOST_NAMES} inputs or outputs")
        return Graph(tuple(nodes), constants, tuple(ends[11]), tuple(ends[12]))

    def _node(self, data: bytes) -> Node:
        self._nodes += 1
        if self._nodes > _MOST_PARTS:
            raise RefusedError(f"it has more than {_MOST_PARTS} nodes")
        inputs: list[str] = []
        outputs: list[str] = []
        attributes: list[bytes] = []
        kind = domain = ""
        for field, value in read_fields(data, _NODE):
            if field == 1:
                inputs.append(value.decode())
            elif field == 2:
                outputs.append(value.decode())
            elif field == 4:
                kind = value.decode()
            elif field == 5:
                attributes.append(value)
            elif field == 7:
                domain = value.decode()
        if max(len(inputs), len(outputs), len(attributes)) > _MOST_NAMES:
            raise RefusedError(f"a node {short(kind)} has more than {_MOST_NAMES} inputs, outputs or attributes")
        return Node(domain, kind, tuple(inputs), tuple(outputs), tuple(attributes))

    def _tensor(self, data: bytes) -> tuple[str, Operand]:
        self._constants += 1
        if self._constants > _MOST_PARTS:
            raise RefusedError(f"it has more than {_MOST_PARTS} constants")
        sides: list[int] = []
        entries: dict[str, str] = {}
        location = kind = 0
        name, raw, data_fields = "", b"", []
        for field, value in read_fields(data, _TENSOR):
            if field == 1:
                sides += numbers(value)
                if len(sides) > _MOST_AXES:
                    raise RefusedError(f"a constant has more than {_MOST_AXES} axes")
            elif field == 2:
                kind = value
            elif field == 8:
                name = value.decode()
            elif field in _DATA:
                data_fields.append(field)
                raw = value if field != 7 else struct.pack(f"<{len(numbers(value))}Q", *numbers(value))
            elif field == 13:
                self._entry(value, entries)
            elif field == 14:
                location = value
        if len(data_fields) > 1 or data_fields not in ([], [9], [{_FLOAT: 4, _INT64: 7}.get(kind)]):
            raise RefusedError("a tensor has data twice, or of another kind")
        width = _ELEMENT_BYTES.get(kind)
        if width is None:
            raise RefusedError(f"a constant has elements of kind {kind}, which a router's has not")
        count = 1
        for side in sides:
            count *= side
        self._check_place(count * width, raw, entries, location)
        shape = tuple(fixed(side) for side in sides)
        if kind != _INT64 or len(sides) > 1 or count > _MOST_NUMBERS or entries:
            return name, Operand(shape)
        return name, Operand(shape, struct.unpack(f"<{count}q", raw))

    def _entry(self, data: bytes, entries: dict[str, str]) -> None:
        pair = dict(read_fields(data, _ENTRY))
        if len(pair) != 2 or pair[1].decode() in entries:
            raise RefusedError("a tensor's external data is no list of keys and values")
        entries[pair[1].decode()] = pair[2].decode()

    def _check_place(self, needed: int, raw: bytes, entries: dict[str, str], location: int) -> None:
        """Refuse a tensor whose data is elsewhere than it may be, or not as long as its shape needs."""
        if not entries and location == 0:
            if len(raw) != needed:
                raise RefusedError(f"a tensor has {len(raw)} bytes; its shape needs {needed}")
            self.weights_bytes += needed
            return
        external = self._weights
        if external is None or location != _EXTERNAL or set(entries) != {"location", "offset", "length"} or raw:
            raise RefusedError("a tensor has external data where it may have none, or without saying where")
        offset, length = _size(entries["offset"]), _size(entries["length"])
        if entries["location"] != external.name:
            raise RefusedError(f"a tensor's data is in {short(entries['location'])} instead of {external.name!r}")
        if offset + length > external.bytes:
            raise RefusedError(f"a tensor's data ends at {offset + length}, past the end of {external.name}")
        if length != needed:
            raise RefusedError(f"a tensor has {length} bytes outside; its shape needs {needed}")


def read_attributes(attributes: tuple[bytes, ...]) -> dict[str, int | tuple[int, ...] | bytes]:
    """Return attributes by name: an integer, integers, the bytes of a graph, or those of a number with a fraction.

    Raises:
        RefusedError: one has another kind of value, or stands twice.
    """
    found: dict[str, int | tuple[int, ...] | bytes] = {}
    for attribute in attributes:
        name, kind = "", 0
        values: list[tuple[int, int | bytes]] = []
        for field, value in read_fields(attribute, _ATTRIBUTE):
            if field == 1:
                name = value.decode()
            elif field == 20:
                kind = value
            else:
                values.append((field, value))
        if not name or name in found or any(field != _FIELD_OF_KIND.get(kind) for field, _ in values):
            raise RefusedError(f"the attribute {short(name)} stands twice or has a value of another kind")
        if kind == _INTS:
            found[name] = tuple(signed(one) for _, value in values for one in numbers(value))
        elif len(values) != 1:
            raise RefusedError(f"the attribute {short(name)} has no value")
        else:
            (_, value) = values[0]
            found[name] = signed(value) if isinstance(value, int) else value
    return found


def _size(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 18):
        raise RefusedError(f"{short(value)} is no size")
    return int(value)
