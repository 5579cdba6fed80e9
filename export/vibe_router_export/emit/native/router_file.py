"""The native file made a whole router: with it a reader in C needs no other file of the bundle."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vibe_router.bundle.manifest import Manifest
from vibe_router.engines.native.engine import NativeEngine
from vibe_router.engines.native.format import (
    GROUP,
    NativeArchitecture,
    TensorShape,
    TensorType,
    expected_tensors,
    rope_name,
)
from vibe_router.engines.native.model import NativeModel
from vibe_router.text.tokenizer import PromptTokenizer
from vibe_router_export.emit.native.file import open_native
from vibe_router_export.emit.native.text_tables import text_tables
from vibe_router_tools.router_file import settings_sections, write_sections

_NONE = -1
_GOLDEN = 24
_GOLDEN_TOKENS = 64


def complete_router_file(path: Path, *, manifest: Manifest, tokenizer_json: bytes, prompts: Sequence[str]) -> None:
    """Add to the native file at `path` what a router needs besides its engine: tokenizer, settings, golden sample.

    The sample is at most 24 short ones of `prompts`, with the logits that the file's own engine gives them.

    Raises:
        BundleCorruptError: `tokenizer_json` is none that the runtime takes.
        CheckpointError: the C tokenizer cannot do what it asks for.
    """
    tables = text_tables(tokenizer_json, max_tokens=manifest.max_tokens)
    text = {f"router.text.{name}": value for name, value in vars(tables).items()}
    with path.open("rb") as file:
        model = _model_words(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), file=path.name)
    engine = open_native(path, file=path.name, threads=1)
    try:
        golden = _golden_sections(engine, PromptTokenizer(tokenizer_json, max_tokens=manifest.max_tokens), prompts)
    finally:
        engine.close()
    write_sections(path, {"router.model": model, **text, **golden, **settings_sections(manifest)})


def _model_words(mapping: mmap.mmap, *, file: str) -> NDArray[np.int64]:
    """Return `router.model`: the model's sizes, then where its tensors begin; native/router/model.c reads it."""
    model = NativeModel(mapping, file=file)
    architecture, epsilon, bias = model.architecture, model.structure.norm_epsilon, model.structure.classifier_bias
    return np.array([*_Words(architecture).words(epsilon, bias)], np.int64)


class _Words:
    """Offsets of an architecture's tensors, -1 for those that it does not have."""

    def __init__(self, architecture: NativeArchitecture) -> None:
        self._architecture = architecture
        self._shapes: dict[str, TensorShape] = expected_tensors(architecture)
        self._offsets: dict[str, int] = {}
        end = 0
        for name, tensor in self._shapes.items():
            self._offsets[name] = end
            end += tensor.bytes

    def words(self, epsilon: float, classifier_bias: float) -> Iterator[int]:
        """Yield all words; float32 numbers bit by bit."""
        one = self._architecture
        yield from (one.vocabulary_size, one.hidden_size, one.intermediate_size, one.heads, len(one.layers))
        yield from (one.max_tokens, int(one.mean_pooling), _bits(epsilon), _bits(classifier_bias))
        table = "model.embeddings.tok_embeddings.weight"
        yield from (self._at(table), self._at(f"{table}.scales"))
        for name in ("model.embeddings.norm", "model.final_norm", "head.norm"):
            yield from self._norm(name)
        yield self._at("classifier.weight")
        yield from self._matrix("head.dense")
        for index, layer in enumerate(one.layers):
            prefix = f"model.layers.{index}"
            yield from self._norm(f"{prefix}.attn_norm")
            yield from self._norm(f"{prefix}.mlp_norm")
            for name in ("attn.Wqkv", "attn.Wo", "mlp.Wi", "mlp.Wo"):
                yield from self._matrix(f"{prefix}.{name}")
            yield from (self._at(rope_name(layer.rope_theta, part)) for part in ("cosine", "sine"))
            yield from (_bits(layer.attention_scale), _NONE if layer.window is None else layer.window)

    def _at(self, name: str) -> int:
        return self._offsets.get(name, _NONE)

    def _norm(self, name: str) -> tuple[int, int]:
        return self._at(f"{name}.weight"), self._at(f"{name}.bias")

    def _matrix(self, name: str) -> tuple[int, ...]:
        weight = f"{name}.weight"
        shape = self._shapes[weight]
        inputs = shape.shape[1] * (GROUP if shape.type is TensorType.INT8 else 1)
        tensors = (weight, f"{weight}.scales", f"{weight}.offsets", f"{name}.bias")
        return (*map(self._at, tensors), inputs, shape.shape[0])


def _bits(number: float) -> int:
    return int.from_bytes(struct.pack("<f", number), "little")


def _golden_sections(
    engine: NativeEngine, tokenizer: PromptTokenizer, prompts: Sequence[str]
) -> dict[str, NDArray[np.generic]]:
    """Return the sample of prompts, their ids and the logits that the engine gives them, evenly of the short ones."""
    encoded = [(prompt, tokenizer.encode(prompt)) for prompt in prompts]
    short = [pair for pair in encoded if len(pair[1].ids) <= _GOLDEN_TOKENS and not pair[1].truncated]
    chosen = short[:: -(-len(short) // _GOLDEN) or 1]
    texts = [prompt.encode("utf-8", "surrogatepass") for prompt, _ in chosen]
    ids = [one.ids for _, one in chosen]
    logits = [engine.logits([one])[0] for one in ids]
    return {
        "router.golden.text": np.frombuffer(b"".join(texts), np.uint8),
        "router.golden.text_starts": np.cumsum([0, *map(len, texts)]),
        "router.golden.ids": np.concatenate(ids) if ids else np.zeros(0, np.int32),
        "router.golden.id_starts": np.cumsum([0, *map(len, ids)]),
        "router.golden.logits": np.array(logits, np.float32),
    }
