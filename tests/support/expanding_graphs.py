"""Graphs of a kilobyte or two that ask for gigabytes when they run, or for minutes when they are loaded."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from tests.support.bundles import tiny_graph

Change = Callable[[ModelProto], None]


def integers(model: ModelProto, name: str, *values: int) -> str:
    model.graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), name))
    return name


def floats(model: ModelProto, name: str, *shape: int) -> str:
    model.graph.initializer.append(numpy_helper.from_array(np.ones(shape, np.float32), name))
    return name


def before_the_sum(*nodes: NodeProto) -> Change:
    """Put nodes between the tiny graph's `masked` [batch, tokens, 8] and its sum; the last of them writes `more`."""

    def change(model: ModelProto) -> None:
        place = next(index for index, node in enumerate(model.graph.node) if node.op_type == "ReduceSum")
        model.graph.node[place].input[0] = "more"
        for offset, node in enumerate(nodes):
            model.graph.node.insert(place + offset, node)

    return change


def hostile(build: Callable[[ModelProto], list[NodeProto]]) -> ModelProto:
    model = tiny_graph(16, temperature=1.0)
    before_the_sum(*build(model))(model)
    return model


node = helper.make_node


def doubled(count: int, kind: str, **attributes: int) -> list[NodeProto]:
    names = ["masked", *(f"x{step}" for step in range(count - 1)), "more"]
    return [node(kind, [a, a], [b], **attributes) for a, b in pairwise(names)]


def chain(count: int) -> list[NodeProto]:
    names = ["masked", *(f"x{step}" for step in range(count - 1)), "more"]
    return [node("Abs", [a], [b]) for a, b in pairwise(names)]


def scalar(model: ModelProto, name: str, value: int) -> str:
    model.graph.initializer.append(numpy_helper.from_array(np.array(value, np.int64), name))
    return name


def counted(model: ModelProto, to: int) -> list[NodeProto]:
    inputs = [scalar(model, "from", 0), scalar(model, "to", to), scalar(model, "step", 1)]
    return [
        node("Range", inputs, ["numbers"]),
        node("Cast", ["numbers"], ["floats"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["floats", integers(model, "columns", 1, 2)], ["rows"]),
        node("Mul", ["masked", "rows"], ["more"]),
    ]


def branches(model: ModelProto) -> list[NodeProto]:
    """A harmless branch and one that expands; which is taken depends on the prompt."""
    integers(model, "shape", 2**30, 1, 1)
    graphs = {
        name: helper.make_graph(
            nodes, name, [], [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)]
        )
        for name, nodes in (
            ("then_branch", [node("Identity", ["masked"], ["same"])]),
            ("else_branch", [node("Expand", ["masked", "shape"], ["expanded"])]),
        )
    }
    return [
        node("ReduceMin", ["attention_mask"], ["least"], keepdims=0),
        node("Cast", ["least"], ["condition"], to=TensorProto.BOOL),
        node("If", ["condition"], ["more"], **graphs),
    ]


def computed_shape(model: ModelProto) -> list[NodeProto]:
    """A shape that is a product of what the file states."""
    return [
        node("Mul", [integers(model, "a", 2**20, 1, 1), integers(model, "b", 2**20, 1, 1)], ["shape"]),
        node("Expand", ["masked", "shape"], ["more"]),
    ]


def shape_of_tensor(_: ModelProto) -> list[NodeProto]:
    return [node("Shape", ["masked"], ["shape"]), node("Expand", ["masked", "shape"], ["more"])]


def shape_of_prompt(model: ModelProto) -> list[NodeProto]:
    """As long as an id of the prompt says."""
    return [
        node("ReduceSum", ["input_ids", "last"], ["length"], keepdims=0),
        node("Concat", ["length", integers(model, "rest", 1, 1)], ["shape"], axis=0),
        node("Expand", ["masked", "shape"], ["more"]),
    ]


def cube(model: ModelProto) -> list[NodeProto]:
    """A number for every three tokens of the prompt."""
    return [
        node("Unsqueeze", ["mask", integers(model, "a", 2)], ["x"]),
        node("Unsqueeze", ["mask", integers(model, "b", 1)], ["y"]),
        node("Mul", ["x", "y"], ["pairs"]),
        node("Unsqueeze", ["pairs", integers(model, "c", 3)], ["z"]),
        node("Unsqueeze", ["mask", integers(model, "d", 1, 2)], ["w"]),
        node("Mul", ["z", "w"], ["threes"]),
        node("ReduceSum", ["threes", integers(model, "e", 3)], ["twos"], keepdims=0),
        node("MatMul", ["twos", "masked"], ["more"]),
    ]


def pairs_of_prompts(model: ModelProto) -> list[NodeProto]:
    """Every prompt of a batch with every other."""
    return [
        node("Gather", ["masked", "input_ids"], ["looked"], axis=1),
        node("ReduceSum", ["looked", integers(model, "two", 2)], ["more"], keepdims=0),
    ]


def outer_product(model: ModelProto) -> list[NodeProto]:
    floats(model, "column", 8, 1)
    floats(model, "row", 1, 4096)
    nodes = [node("MatMul", ["masked", "column"], ["thin"])]
    for step in range(24):
        nodes.append(node("MatMul", ["thin", "row"], [f"wide{step}"]))
    sums = [f"wide{step}" for step in range(24)]
    nodes += [node("Max", sums[:8], ["m"]), node("ReduceSum", ["m", integers(model, "w", 2)], ["more"], keepdims=1)]
    return nodes


def many_heads(model: ModelProto) -> list[NodeProto]:
    floats(model, "widen", 8, 4096)
    return [
        node("MatMul", ["masked", "widen"], ["wide"]),
        node("MultiHeadAttention", ["wide", "wide", "wide"], ["more"], domain="com.microsoft", num_heads=4096),
    ]


def wide_blocks(model: ModelProto) -> list[NodeProto]:
    return [
        node("MatMulNBits", ["masked", floats(model, "b", 1), floats(model, "s", 1)], ["more"], domain="com.microsoft",
             K=8, N=2**30, bits=8, block_size=32, accuracy_level=4),
    ]  # fmt: skip


def still(model: ModelProto) -> list[NodeProto]:
    """A large matrix times itself, which ONNX Runtime could compute while it loads."""
    return [
        node("Expand", ["bias", integers(model, "shape", 3000, 3000)], ["square"]),
        *(node("MatMul", ["square" if step == 0 else f"s{step - 1}"] * 2, [f"s{step}"]) for step in range(20)),
        node("ReduceMin", ["s19"], ["one"], keepdims=0),
        node("Mul", ["masked", "one"], ["more"]),
    ]


def expand_to(*shape: int) -> Callable[[ModelProto], list[NodeProto]]:
    return lambda model: [node("Expand", ["masked", integers(model, "shape", *shape)], ["more"])]


def kind(name: str, *numbers: int) -> Callable[[ModelProto], list[NodeProto]]:
    return lambda model: [node(name, ["masked", integers(model, "shape", *numbers)], ["more"])]


def gathers(model: ModelProto) -> list[NodeProto]:
    """Rows of rows: four times as many with every node."""
    integers(model, "rows", *([0] * 64))
    names = ["masked", *(f"g{step}" for step in range(5)), "more"]
    model.graph.initializer[-1].dims[:] = [64]
    return [
        node("Gather", [a, "rows"], [b], axis=2) if step == 0 else node("Concat", [a] * 8, [b], axis=2)
        for step, (a, b) in enumerate(pairwise(names))
    ]


HOSTILE: dict[str, Callable[[ModelProto], list[NodeProto]]] = {
    "expand to a petabyte": expand_to(2**46, 1, 1),
    "expand to a gigabyte": expand_to(2**15, 1, 1),
    "expand to more than there are numbers": expand_to(2**62, 2**62, 2**62),
    "expand to a negative side": expand_to(-(2**40), 1, 1),
    "expand to five axes": expand_to(1, 1, 1, 1, 1),
    "expand the batch by its tokens": lambda model: [
        node("Shape", ["input_ids"], ["sides"]),
        node("Concat", ["sides", integers(model, "one", 1)], ["shape"], axis=0),
        node("Unsqueeze", ["masked", integers(model, "zero", 0)], ["four"]),
        node("Concat", ["sides", integers(model, "ones", 1, 1)], ["wide"], axis=0),
        node("Expand", ["four", "wide"], ["more"]),
    ],
    "a range to a billion": lambda model: counted(model, 10**9),
    "a range to 2^62": lambda model: counted(model, 2**62),
    "concat doubling": lambda _: doubled(30, "Concat", axis=2),
    "concat doubling rows": lambda _: doubled(30, "Concat", axis=0),
    "gathers and concats": gathers,
    "a chain of 100,000 nodes": lambda _: chain(100_000),
    "a chain of 12,000 nodes": lambda _: chain(12_000),
    "a branch that expands": branches,
    "a shape that is computed": computed_shape,
    "a shape of a tensor": shape_of_tensor,
    "a shape from the prompt": shape_of_prompt,
    "threes of tokens": cube,
    "pairs of prompts": pairs_of_prompts,
    "outer products": outer_product,
    "thousands of heads": many_heads,
    "a width that is an attribute": wide_blocks,
    "constants to compute at load": still,
    "tile": kind("Tile", 2**30, 1, 1),
    "pad": kind("Pad", 2**30, 0, 0, 0, 0, 0),
    "resize": kind("Resize", 2**30),
    "one hot": kind("OneHot", 2**30),
    "constant of shape": lambda model: [
        node("ConstantOfShape", [integers(model, "shape", 2**30, 1, 1)], ["ones"]),
        node("Add", ["masked", "ones"], ["more"]),
    ],
}
