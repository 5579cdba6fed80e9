"""What ONNX Runtime never gets to see."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

import onnx
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper

from tests.support.bundles import tiny_graph
from tests.support.onnx_exports import KINDS, emitted
from vibe_router.bundle.bundle import bundled_folder
from vibe_router.engines.onnx.graph_check import WeightsFile, check_onnx_graph
from vibe_router.engines.onnx.operators import OPERATORS
from vibe_router.errors import BundleCorruptError

NAME = "onnx/model.onnx"
WEIGHTS = WeightsFile("model.onnx_data", 4096)


def check(model: ModelProto | bytes, weights: WeightsFile | None = WEIGHTS) -> None:
    check_onnx_graph(model if isinstance(model, bytes) else model.SerializeToString(), name=NAME, weights=weights)


def graphs_of(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
                yield from graphs_of(inner)


def operators_of(model: ModelProto) -> set[tuple[str, str]]:
    return {(node.domain, node.op_type) for graph in graphs_of(model.graph) for node in graph.node}


def test_the_allowed_operators_and_attributes_are_those_that_the_exporter_emits() -> None:
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for precision, portable in KINDS:
        for pooling in ("mean", "cls"):
            for biases in (False, True):
                changes = dict.fromkeys(("attention_bias", "mlp_bias", "norm_bias"), biases)
                content = emitted(precision, portable, classifier_pooling=pooling, **changes)
                check(content, None)
                for graph in graphs_of(onnx.load_from_string(content).graph):
                    for node in graph.node:
                        found[node.domain, node.op_type] |= {attribute.name for attribute in node.attribute}
    # Graphs written by hand for tests drop the axis that a sum leaves.
    allowed = {key: set(operator.attributes) - {"keepdims"} for key, operator in OPERATORS.items()}
    assert {key: names - {"keepdims"} for key, names in found.items()} == allowed


def external(model: ModelProto, **entries: str) -> ModelProto:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    return model


def test_weights_in_the_one_file_beside_the_graph_are_allowed() -> None:
    check(external(tiny_graph(8, temperature=1.0), location="model.onnx_data", offset="3840", length="256"))


def test_small_constants_may_be_lists_of_numbers() -> None:
    model = tiny_graph(8, temperature=1.0)
    for place, tensor in enumerate(model.graph.initializer):
        values = onnx.numpy_helper.to_array(tensor)
        listed = helper.make_tensor(tensor.name, tensor.data_type, values.shape, values.ravel().tolist())
        assert not listed.raw_data
        model.graph.initializer[place].CopyFrom(listed)
    check(model)


def changed(change: Callable[[ModelProto], object]) -> ModelProto:
    model = tiny_graph(8, temperature=1.0)
    change(model)
    return model


def nested(kind: str, depth: int) -> ModelProto:
    graph = helper.make_graph([helper.make_node(kind, ["x"], ["y"])], "inner", [], [])
    for _ in range(depth):
        graph = helper.make_graph([helper.make_node("Add", ["x"], ["y"], body=graph)], "inner", [], [])
    return changed(lambda model: model.graph.node[0].attribute.append(helper.make_attribute("body", graph)))


def with_attribute(value: object, kind: int | None = None) -> ModelProto:
    attribute = helper.make_attribute("value", value, attr_type=kind)
    return changed(lambda model: model.graph.node[0].attribute.append(attribute))


SPARSE = helper.make_sparse_tensor(
    helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0]), helper.make_tensor("i", TensorProto.INT64, [1], [0]), [4]
)
TEXTS = helper.make_tensor("texts", TensorProto.STRING, [1], [b"x"])
PLACE = {"location": "model.onnx_data", "offset": "0", "length": "256"}
HOSTILE = {
    "another operator": changed(lambda model: setattr(model.graph.node[0], "op_type", "ConstantOfShape")),
    "no operator": changed(lambda model: model.graph.node[0].ClearField("op_type")),
    "an operator in another domain": changed(lambda model: setattr(model.graph.node[0], "domain", "ai.onnx.ml")),
    "an operator of Python's": changed(lambda model: setattr(model.graph.node[0], "domain", "ai.onnx.contrib")),
    "an imported domain": changed(lambda model: model.opset_import.append(helper.make_opsetid("evil", 1))),
    "an overload": changed(lambda model: setattr(model.graph.node[0], "overload", "x")),
    "a function": changed(
        lambda model: model.functions.append(helper.make_function("", "Add", ["x"], ["y"], [], model.opset_import))
    ),
    "training": changed(lambda model: model.training_info.add()),
    "a sparse initializer": changed(lambda model: model.graph.sparse_initializer.append(SPARSE)),
    "a sparse attribute": with_attribute(SPARSE),
    "text in a tensor": changed(lambda model: model.graph.initializer.append(TEXTS)),
    "several graphs in one attribute": with_attribute([helper.make_graph([], "a", [], [])], onnx.AttributeProto.GRAPHS),
    "another operator in a graph of a node": nested("Loop", 0),
    "another operator deep inside": nested("Loop", 3),
    "graphs too deep": nested("Add", 30),
    "no graph": ModelProto(ir_version=9),
    "data in another file": external(tiny_graph(8, temperature=1), **PLACE | {"location": "other"}),
    "data above the folder": external(tiny_graph(8, temperature=1), **PLACE | {"location": "../model.onnx_data"}),
    "data at an absolute path": external(tiny_graph(8, temperature=1), **PLACE | {"location": "/etc/passwd"}),
    "data in memory": external(tiny_graph(8, temperature=1), **PLACE | {"location": "*/_ORT_MEM_ADDR_/*"}),
    "data behind the end": external(tiny_graph(8, temperature=1), **PLACE | {"offset": "4089"}),
    "data shorter than its shape": external(tiny_graph(8, temperature=1), **PLACE | {"length": "252"}),
    "data longer than its shape": external(tiny_graph(8, temperature=1), **PLACE | {"length": "260"}),
    "a shape larger than its data": changed(lambda model: model.graph.initializer[0].dims.append(2)),
    "a negative side": changed(lambda model: model.graph.initializer[0].dims.append(-1)),
    "a constant of another kind": changed(lambda model: setattr(model.graph.initializer[0], "data_type", 11)),
    "two constants of one name": changed(lambda model: model.graph.initializer.append(model.graph.initializer[0])),
    "two nodes with one output": changed(lambda model: model.graph.node.append(model.graph.node[0])),
    "an unknown name": changed(lambda model: model.graph.node[0].input.__setitem__(0, "x")),
    "a name from behind": changed(lambda model: model.graph.node[0].input.__setitem__(0, "logits")),
    "another input": changed(lambda model: setattr(model.graph.input[0], "name", "ids")),
    "a declared shape of what is inside": changed(lambda model: model.graph.value_info.append(model.graph.output[0])),
    "an attribute of another kind": changed(lambda model: setattr(model.graph.node[1].attribute[0], "type", 1)),
    "an attribute twice": changed(lambda model: model.graph.node[1].attribute.append(model.graph.node[1].attribute[0])),
    "an attribute that no export has": with_attribute(1.0),
    "a tensor with data twice": changed(lambda model: model.graph.initializer[0].float_data.extend([1.0] * 64)),
    "integers in a tensor of floats": changed(lambda model: model.graph.initializer[0].int64_data.append(1)),
    "a list of thousands of integers": changed(
        lambda model: model.graph.initializer.append(helper.make_tensor("x", TensorProto.INT64, [5000], [1] * 5000))
    ),
    "a node with thousands of inputs": changed(lambda model: model.graph.node[8].input.extend(["bias"] * 5000)),
    "a negative offset": external(tiny_graph(8, temperature=1), **PLACE | {"offset": "-8"}),
    "a huge length": external(tiny_graph(8, temperature=1), **PLACE | {"length": "9" * 40}),
    "no length": external(tiny_graph(8, temperature=1), location="model.onnx_data", offset="0"),
    "a checksum": external(tiny_graph(8, temperature=1), **PLACE, checksum="0"),
    "places without a location": changed(
        lambda model: model.graph.initializer[0].external_data.add(key="location", value="model.onnx_data")
    ),
    "an attribute with data outside": changed(
        lambda model: model.graph.node[0].attribute.append(
            helper.make_attribute("value", external(tiny_graph(8, temperature=1), **PLACE).graph.initializer[0])
        )
    ),
}


@pytest.mark.parametrize("model", HOSTILE.values(), ids=HOSTILE)
def test_what_no_router_has_is_refused(model: ModelProto) -> None:
    with pytest.raises(BundleCorruptError, match=r"onnx/model\.onnx") as caught:
        check(model)
    assert len(caught.value.message) < 300


def test_data_outside_is_refused_where_the_bundle_lists_none() -> None:
    with pytest.raises(BundleCorruptError, match="external data"):
        check(external(tiny_graph(8, temperature=1.0), **PLACE), None)


def test_a_location_given_twice_is_refused() -> None:
    model = external(tiny_graph(8, temperature=1.0), **PLACE)
    model.graph.initializer[0].external_data.add(key="location", value="other")
    with pytest.raises(BundleCorruptError):
        check(model)


def test_long_names_are_not_repeated_at_length() -> None:
    with pytest.raises(BundleCorruptError) as caught:
        check(changed(lambda model: setattr(model.graph.node[0], "op_type", "x" * 100_000)))
    assert len(caught.value.message) < 300


@pytest.mark.parametrize("content", [b"", b"\x00", b"\xff" * 100, b"<html>", b"\x3a\xff\xff\xff\xff\x7f", b"\x0b\x0c"])
def test_what_is_no_onnx_file_is_refused(content: bytes) -> None:
    with pytest.raises(BundleCorruptError):
        check(content)


def test_every_beginning_of_a_graph_is_refused_or_harmless() -> None:
    content = tiny_graph(8, temperature=1.0).SerializeToString()
    for end in range(len(content)):
        agrees_with_protobuf(content[:end])


@settings(max_examples=1000, deadline=None)
@given(st.data())
def test_altered_bytes_are_refused_or_harmless(data: st.DataObject) -> None:
    content = bytearray(external(tiny_graph(8, temperature=1.0), **PLACE).SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    agrees_with_protobuf(bytes(content))


def agrees_with_protobuf(content: bytes) -> None:
    """What passes here must hold nothing forbidden when protobuf's own reader reads it."""
    try:
        check(content)
    except BundleCorruptError:
        return
    try:
        model = onnx.load_from_string(content)
    except DecodeError:
        return
    assert all(key in OPERATORS for key in operators_of(model))
    assert not model.functions
    assert not model.training_info
    for graph in graphs_of(model.graph):
        assert not graph.sparse_initializer
        for tensor in graph.initializer:
            places = {entry.key: entry.value for entry in tensor.external_data}
            assert places.get("location", WEIGHTS.name) == WEIGHTS.name
            assert int(places.get("offset", 0)) + int(places.get("length", 0)) <= WEIGHTS.bytes
        for node in graph.node:
            assert not any(attribute.t.external_data for attribute in node.attribute)


def test_the_bundled_router_passes() -> None:
    folder = bundled_folder() / "onnx"
    data = folder / "model.onnx_data"
    graphs = sorted(folder.glob("*.onnx"))
    assert graphs
    for path in graphs:
        check(path.read_bytes(), WeightsFile(data.name, data.stat().st_size))


def _field(number: int, content: bytes) -> bytes:
    """Return a field of wire type 2 of less than 128 bytes."""
    return bytes([number << 3 | 2, len(content)]) + content


def test_a_file_that_onnx_runtime_takes_for_its_own_format_is_refused() -> None:
    """Byte 4 to 7 decide which reader ONNX Runtime takes; here they are a text of a sound ONNX file."""
    content = b"\x28\x01\x12\x04ORTM" + _tiny().SerializeToString()
    onnx.load_from_string(content)
    with pytest.raises(BundleCorruptError, match="own format"):
        check(content)


@pytest.mark.parametrize(
    ("twice", "message"),
    [
        (b"\x08\x08\x08\x09", "the model has its field 1 twice"),
        (_field(7, _field(2, b"a") + _field(2, b"b")), "a graph has its field 2 twice"),
        (_field(7, _field(1, _field(4, b"Add") + _field(4, b"Loop"))), "a node has its field 4 twice"),
        (_field(7, _field(1, _field(7, b"") + _field(7, b"x") + _field(4, b"Add"))), "a node has its field 7 twice"),
        (_field(7, _field(5, b"\x70\x01\x70\x00")), "a tensor has its field 14 twice"),
        (_field(7, _field(5, _field(9, b"") + _field(9, b""))), "a tensor has its field 9 twice"),
        (_field(8, _field(1, b"") + _field(1, b"x")), "an opset import has its field 1 twice"),
    ],
)
def test_a_field_that_two_readers_could_read_otherwise_is_refused(twice: bytes, message: str) -> None:
    with pytest.raises(BundleCorruptError, match=message):
        check(twice)


def test_a_graph_without_end_is_refused() -> None:
    node = _field(1, _field(4, b"Add"))
    graph = node * (2**14 + 1)
    length = bytes([len(graph) & 127 | 128, len(graph) >> 7 & 127 | 128, len(graph) >> 14])
    with pytest.raises(BundleCorruptError, match="more than 16384 nodes"):
        check(bytes([7 << 3 | 2]) + length + graph)


def _tiny() -> ModelProto:
    return tiny_graph(16, temperature=1.0)
