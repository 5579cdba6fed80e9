"""ModernBERT's parameters, in the shape of the model: which tensors there must be, and how they belong together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vibe_router.errors import CheckpointError
from vibe_router_export.checkpoint.config import AttentionPattern, ModernBertConfig

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Parameter:
    """One tensor under its checkpoint name, which is also its name in every graph."""

    name: str
    value: Array


@dataclass(frozen=True)
class Linear:
    """y = x Wᵀ + b, with `weight` of shape [out, in] as torch stores it."""

    weight: Parameter
    bias: Parameter | None = None


@dataclass(frozen=True)
class LayerNorm:
    """Normalisation over the last axis, with gain `weight` (None: 1) and `bias` (None: 0), both [hidden].

    `centred` says that the mean of what it normalises is 0 already.
    """

    weight: Parameter | None
    bias: Parameter | None
    epsilon: float
    centred: bool = False


@dataclass(frozen=True)
class Layer:
    """One encoder layer. `attention_norm` is None in layer 0, which follows the embedding norm directly.

    Attention weights are softmax(`attention_scale` · query · key); the scale is 1 once the query carries it.
    """

    pattern: AttentionPattern
    attention_scale: float
    attention_norm: LayerNorm | None
    query_key_value: Linear
    attention_output: Linear
    mlp_norm: LayerNorm
    mlp_input: Linear
    mlp_output: Linear


@dataclass(frozen=True)
class ModernBertWeights:
    """All parameters of a ModernBERT sequence classifier with one label.

    `embedding_norm` is None once the table holds normalised rows. `centred` says that the residual stream is to have no
    mean over channels: all that is written to it has none, and the embeddings lose theirs after layer 0's attention.
    """

    config: ModernBertConfig
    token_embedding: Parameter
    embedding_norm: LayerNorm | None
    layers: tuple[Layer, ...]
    final_norm: LayerNorm
    head_dense: Linear
    head_norm: LayerNorm
    classifier: Linear
    centred: bool = False


def expected_shapes(config: ModernBertConfig) -> dict[str, tuple[int, ...]]:
    """Return name and shape of every tensor that a checkpoint with this configuration must hold, and no other."""
    shapes: dict[str, tuple[int, ...]] = {}

    def note(name: str, shape: tuple[int, ...]) -> Parameter:
        shapes[name] = shape
        return Parameter(name, np.empty(0, np.float32))

    _arrange(config, note)
    return shapes


def arrange(config: ModernBertConfig, tensors: Mapping[str, Array]) -> ModernBertWeights:
    """Put a checkpoint's tensors (float32, by name) in their places in the model.

    Raises:
        CheckpointError: tensors are missing, surplus or of another shape; all of them are named.
    """
    expected = expected_shapes(config)
    problems = [f"missing {name} {list(shape)}" for name, shape in expected.items() if name not in tensors]
    problems += [f"unexpected {name} {list(tensor.shape)}" for name, tensor in tensors.items() if name not in expected]
    problems += [
        f"{name} has shape {list(tensors[name].shape)}, config.json asks for {list(shape)}"
        for name, shape in expected.items()
        if name in tensors and tensors[name].shape != shape
    ]
    if problems:
        shown = "; ".join(problems[:8]) + (f"; and {len(problems) - 8} more" if len(problems) > 8 else "")
        raise CheckpointError(
            f"the tensors do not fit config.json: {shown}",
            hint="check that config.json and model.safetensors come from the same checkpoint",
        )
    return _arrange(config, lambda name, _: Parameter(name, tensors[name]))


def _arrange(config: ModernBertConfig, take: Callable[[str, tuple[int, ...]], Parameter]) -> ModernBertWeights:
    """Build the tree, asking `take` for every tensor by name and shape: the one place that knows the names."""
    hidden, intermediate = config.hidden_size, config.intermediate_size

    def linear(name: str, outputs: int, inputs: int, *, bias: bool) -> Linear:
        weight = take(f"{name}.weight", (outputs, inputs))
        return Linear(weight, take(f"{name}.bias", (outputs,)) if bias else None)

    def norm(name: str) -> LayerNorm:
        weight = take(f"{name}.weight", (hidden,))
        return LayerNorm(weight, take(f"{name}.bias", (hidden,)) if config.norm_bias else None, config.norm_epsilon)

    def layer(index: int, pattern: AttentionPattern) -> Layer:
        prefix = f"model.layers.{index}"
        return Layer(
            pattern=pattern,
            attention_scale=config.head_size**-0.5,
            attention_norm=norm(f"{prefix}.attn_norm") if index > 0 else None,
            query_key_value=linear(f"{prefix}.attn.Wqkv", 3 * hidden, hidden, bias=config.attention_bias),
            attention_output=linear(f"{prefix}.attn.Wo", hidden, hidden, bias=config.attention_bias),
            mlp_norm=norm(f"{prefix}.mlp_norm"),
            mlp_input=linear(f"{prefix}.mlp.Wi", 2 * intermediate, hidden, bias=config.mlp_bias),
            mlp_output=linear(f"{prefix}.mlp.Wo", hidden, intermediate, bias=config.mlp_bias),
        )

    return ModernBertWeights(
        config=config,
        token_embedding=take("model.embeddings.tok_embeddings.weight", (config.vocabulary_size, hidden)),
        embedding_norm=norm("model.embeddings.norm"),
        layers=tuple(layer(index, pattern) for index, pattern in enumerate(config.layers)),
        final_norm=norm("model.final_norm"),
        head_dense=linear("head.dense", hidden, hidden, bias=config.classifier_bias),
        head_norm=norm("head.norm"),
        classifier=linear("classifier", 1, hidden, bias=True),
    )
