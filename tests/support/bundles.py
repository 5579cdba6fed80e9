"""A tiny bundle made from nothing: embedding, masked mean, linear layer, temperature."""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.support.tokenizers import reference_ids, train_tokenizer
from vibe_router.bundle.manifest import (
    MANIFEST_NAME,
    SCHEMA,
    Calibration,
    EngineFile,
    FileEntry,
    Labels,
    Manifest,
    ParityNumbers,
    Provenance,
    Threshold,
    dump_manifest,
    parse_manifest,
)
from vibe_router.policy import calibrate_threshold

RAW_THRESHOLDS = {
    "max-quality": 0.526,
    "conservative": 0.90,
    "balanced": 0.95,
    "cost-saving": 0.97,
    "aggressive": 0.99,
}
TEMPERATURE = 1.083
WIDTH = 8

GOLDEN_PROMPTS = (
    "",
    "x",
    "hi",
    "   ",
    "[SEP] [MASK] [PAD]",
    "e\u0301 é",
    "🙂" * 40,
    "word " * 300,
    "日本語" * 50,
)

PARITY = ParityNumbers(
    reference="numpy",
    prompts=len(GOLDEN_PROMPTS),
    max_abs_logit_difference=1e-6,
    max_abs_probability_difference=1e-7,
    flips=0,
    flips_outside_band=0,
    band=0.02,
)


@functools.cache
def tiny_tokenizer_json() -> bytes:
    return train_tokenizer().to_str().encode()


@functools.cache
def tiny_weights(vocabulary: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Return embedding [vocabulary, width], classifier [width, 1], bias; scores surround the thresholds."""
    random = np.random.default_rng(7)
    embedding = random.normal(0, 4, (vocabulary, WIDTH)).astype(np.float32)
    classifier = random.normal(0, 1, (WIDTH, 1)).astype(np.float32)
    return embedding, classifier, 2.5


def tiny_logit(ids: list[int]) -> float:
    """Return z of the tiny model, computed with numpy in float64."""
    vocabulary = len(_vocabulary())
    embedding, classifier, bias = tiny_weights(vocabulary)
    return float(embedding[ids].astype(np.float64).mean(0) @ classifier[:, 0].astype(np.float64) + bias)


def tiny_graph(vocabulary: int, *, temperature: float) -> onnx.ModelProto:
    embedding, classifier, bias = tiny_weights(vocabulary)
    constants = {
        "embedding": embedding,
        "classifier": (classifier / temperature).astype(np.float32),
        "bias": np.array(bias / temperature, np.float32),
        "last": np.array([-1], np.int64),
        "middle": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Gather", ["embedding", "input_ids"], ["embedded"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["mask3"]),
        helper.make_node("Mul", ["embedded", "mask3"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "middle"], ["sum"], keepdims=0),
        helper.make_node("ReduceSum", ["mask", "middle"], ["count"], keepdims=1),
        helper.make_node("Div", ["sum", "count"], ["mean"]),
        helper.make_node("MatMul", ["mean", "classifier"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["p_cloud"]),
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
        for name in ("input_ids", "attention_mask")
    ]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 1]) for name in ("logits", "p_cloud")]
    graph = helper.make_graph(
        nodes,
        "tiny",
        inputs,
        outputs,
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model


@functools.cache
def _graph_content(vocabulary: int, temperature: float) -> bytes:
    return tiny_graph(vocabulary, temperature=temperature).SerializeToString()


def write_bundle(
    folder: Path,
    *,
    max_tokens: int = 64,
    folded: bool = True,
    temperature: float = TEMPERATURE,
    engines: tuple[EngineFile, ...] = (
        EngineFile(kind="onnx", file="onnx/model.onnx", precision="fp32", parity=PARITY),
    ),
) -> Path:
    """Write a whole bundle into `folder`, every engine file being the tiny graph, and return the folder."""
    vocabulary = _vocabulary()
    graph = _graph_content(len(vocabulary), temperature if folded else 1.0)
    files = {
        "tokenizer.json": tiny_tokenizer_json(),
        "config.json": b"{}\n",
        "golden.jsonl": _golden(max_tokens),
    }
    files |= {engine.file: graph for engine in engines}
    manifest = Manifest(
        schema=SCHEMA,
        name="tiny",
        version="1",
        labels=Labels(device="small", cloud="large"),
        max_tokens=max_tokens,
        pad_token_id=vocabulary["[PAD]"],
        calibration=Calibration(temperature=temperature, folded=folded, source="test"),
        default_profile="balanced",
        thresholds={
            name: Threshold(raw=raw, calibrated=calibrate_threshold(raw, temperature))
            for name, raw in RAW_THRESHOLDS.items()
        },
        engines=engines,
        files={name: entry(content) for name, content in files.items()},
        provenance=Provenance(
            checkpoint="tiny",
            checkpoint_sha256="0" * 64,
            tool="test",
            versions={},
            created="2025-01-01T00:00:00Z",
        ),
    )
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / MANIFEST_NAME).write_text(dump_manifest(manifest), encoding="utf-8")
    return folder


def replace_file(folder: Path, name: str, content: bytes) -> None:
    """Replace a file and enter its new hash into the manifest, as an exporter would."""
    (folder / name).write_bytes(content)
    manifest = parse_manifest((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
    changed = replace(manifest, files={**manifest.files, name: entry(content)})
    (folder / MANIFEST_NAME).write_text(dump_manifest(changed), encoding="utf-8")


def entry(content: bytes) -> FileEntry:
    return FileEntry(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


@functools.cache
def _vocabulary() -> dict[str, int]:
    tokenizer = json.loads(tiny_tokenizer_json())
    vocabulary: dict[str, int] = dict(tokenizer["model"]["vocab"])
    return vocabulary | {token["content"]: token["id"] for token in tokenizer["added_tokens"]}


@functools.cache
def _golden(max_tokens: int) -> bytes:
    lines = []
    for prompt in GOLDEN_PROMPTS:
        ids, truncated = reference_ids(tiny_tokenizer_json(), prompt, max_tokens=max_tokens)
        logit = tiny_logit(ids) / TEMPERATURE
        lines.append(json.dumps({"prompt": prompt, "input_ids": ids, "truncated": truncated, "logit": logit}) + "\n")
    return "".join(lines).encode()
