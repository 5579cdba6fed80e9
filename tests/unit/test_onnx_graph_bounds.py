"""What a graph may ask for when it runs: as much as an export with such weights does, and no more."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, NodeProto

from tests.support.bundles import tiny_graph
from tests.support.expanding_graphs import HOSTILE, before_the_sum, doubled, hostile, integers, node
from tests.support.onnx_exports import KINDS, emitted, small_graph
from vibe_router.engines.onnx.graph_check import Amounts, WeightsFile, check_onnx_graph
from vibe_router.engines.onnx.sizes import SHORTEST
from vibe_router.errors import BundleCorruptError, CheckpointError
from vibe_router_export.choices import Precision
from vibe_router_export.emit.onnx.file import write_onnx

BATCHES = ((1, 1), (1, 7), (3, 63), (2, 64), (1, 65), (2, 200), (1, 700))


def check(model: ModelProto | bytes, weights: WeightsFile | None = None) -> Amounts:
    content = model if isinstance(model, bytes) else model.SerializeToString()
    return check_onnx_graph(content, name="onnx/model.onnx", weights=weights)


def made(model: ModelProto, batch: int, tokens: int) -> int | None:
    """Return how many numbers the nodes outside branches make, as ONNX Runtime counts; None where it refuses."""
    every = [name for node in model.graph.node for name in node.output if name]
    seen = onnx.ModelProto()
    seen.CopyFrom(model)
    seen.graph.output.extend(onnx.ValueInfoProto(name=name) for name in every if name not in ("logits", "p_cloud"))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    ids = np.random.default_rng(0).integers(0, 8, (batch, tokens))
    try:
        session = onnxruntime.InferenceSession(seen.SerializeToString(), options, providers=["CPUExecutionProvider"])
        outputs = session.run(every, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
    except Exception:  # noqa: BLE001 - every kind of complaint of ONNX Runtime's
        return None
    return sum(output.size for output in outputs)


def most(amounts: Amounts, batch: int, tokens: int) -> float:
    tokens = max(tokens, SHORTEST)
    return amounts.still + batch * tokens * (amounts.per_token + tokens * amounts.per_pair)


# Far from any that is in use: two numbers a head, or forty layers; windows of 2,048, an MLP of 128 times the width.
DEEP = {"num_hidden_layers": 40, "hidden_size": 32, "intermediate_size": 32}
EXTREMES: tuple[dict[str, Any], ...] = (
    {},
    {"hidden_size": 64, "num_attention_heads": 32},
    {"num_hidden_layers": 1},
    {**DEEP, "num_attention_heads": 4},
    {"num_hidden_layers": 1, "hidden_size": 32, "intermediate_size": 4096},
    {"local_attention": 4096},
    {"num_hidden_layers": 2, "hidden_size": 32, "intermediate_size": 32, "local_attention": 4096},
    {"num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 32, "intermediate_size": 16},
)


@pytest.mark.parametrize("changes", EXTREMES, ids=str)
def test_every_architecture_passes(changes: dict[str, Any]) -> None:
    for precision, portable in KINDS:
        assert check(emitted(precision, portable, 8192, **changes)).per_token > 0.0


def test_an_architecture_beyond_the_bounds_is_not_exported(tmp_path: Path) -> None:
    """Its graph would be refused by whoever loads it; so the exporter says so, with the error of a checkpoint."""
    graph = small_graph(Precision.INT8, portable=True, max_tokens=512, **DEEP, num_attention_heads=16)
    with pytest.raises(CheckpointError, match="would not take a graph of this architecture") as caught:
        write_onnx(graph, tmp_path / "model.onnx")
    assert "heads" in caught.value.hint


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize(("precision", "portable"), [(kind, portable) for kind, portable in KINDS])
def test_no_export_makes_more_than_is_computed(precision: Precision, portable: bool, pooling: str) -> None:
    content = emitted(precision, portable, classifier_pooling=pooling)
    amounts = check(content)
    for batch, tokens in BATCHES:
        count = made(onnx.load_from_string(content), batch, tokens)
        assert count is not None or precision is Precision.FP16, "the CPU has no attention in fp16"
        assert (count or 0) <= most(amounts, batch, tokens), (batch, tokens)


@pytest.mark.parametrize("build", HOSTILE.values(), ids=HOSTILE)
def test_graphs_that_expand_are_refused(build: Callable[[ModelProto], list[NodeProto]]) -> None:
    with pytest.raises(BundleCorruptError, match=r"onnx/model\.onnx: ") as caught:
        check(hostile(build))
    assert len(caught.value.message) < 300
    assert caught.value.hint


def test_what_is_refused_depends_on_the_weights() -> None:
    model = hostile(lambda _: doubled(10, "Concat", axis=2))
    check(model, WeightsFile("model.onnx_data", 2**30))
    with pytest.raises(BundleCorruptError, match=r"may make more than \d+ numbers for each token: Concat"):
        check(hostile(lambda _: doubled(13, "Concat", axis=2)))


def random_graph(chance: random.Random) -> ModelProto:
    """A few nodes of every kind that can enlarge or share out, with small numbers, in any order."""
    model = tiny_graph(16, temperature=1.0)
    names = ["masked", "mask3", "mask", "attention_mask"]
    nodes: list[NodeProto] = []
    for step in range(chance.randint(1, 8)):
        few = [chance.choice([-1, 0, 1, 2, 3, 8, 64]) for _ in range(chance.randint(1, 4))]
        numbers = integers(model, f"n{step}", *few)
        if chance.random() < 0.5:
            place = chance.randint(0, 1)
            nodes.append(node("Shape", ["input_ids"], [f"side{step}"], start=place, end=place + 1))
            nodes.append(node("Concat", chance.sample([f"side{step}", numbers], 2), [f"shape{step}"], axis=0))
            numbers = f"shape{step}"
        a, b = chance.choice(names), chance.choice(names)
        axis = chance.randint(-2, 3)
        made = f"r{step}"
        nodes.append(
            chance.choice(
                [
                    node("Expand", [a, numbers], [made]),
                    node("Reshape", [a, numbers], [made]),
                    node("Concat", [a] * chance.randint(1, 3), [made], axis=axis),
                    node("Gather", [a, "attention_mask"], [made], axis=axis),
                    node("MatMul", [a, b], [made]),
                    node("Mul", [a, b], [made]),
                    node("Unsqueeze", [a, numbers], [made]),
                    node("Transpose", [a], [made], perm=chance.choice([[0, 2, 1], [1, 0], [2, 0, 1]])),
                    node("Slice", [a, integers(model, f"z{step}", 0), integers(model, f"e{step}", 2),
                                   integers(model, f"a{step}", axis)], [made]),
                    node("ReduceSum", [a, integers(model, f"x{step}", axis)], [made], keepdims=chance.randint(0, 1)),
                ]
            )
        )  # fmt: skip
        names.append(made)
    nodes.append(node("Identity", ["masked"], ["more"]))
    before_the_sum(*nodes)(model)
    return model


def test_no_accepted_graph_makes_more_than_is_computed() -> None:
    ran = 0
    for seed in range(400):
        model = random_graph(random.Random(seed))
        try:
            amounts = check(model, WeightsFile("model.onnx_data", 2**20))
        except BundleCorruptError:
            continue
        for batch, tokens in ((1, 1), (3, 5), (1, 64), (2, 70)):
            count = made(model, batch, tokens)
            assert (count or 0) <= most(amounts, batch, tokens), (seed, batch, tokens)
            ran += count is not None
    assert ran > 100
