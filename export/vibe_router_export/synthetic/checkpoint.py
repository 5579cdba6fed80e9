"""Random-weight checkpoints of the real architecture, with or without the massive activations of trained models."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vibe_router_export.checkpoint.config import ARCHITECTURE, ModernBertConfig, Pooling, parse_config
from vibe_router_export.checkpoint.weights import Array, arrange, expected_shapes
from vibe_router_export.choices import Size
from vibe_router_export.emit.numpy.values import evaluate
from vibe_router_export.observe.activations import linear_inputs
from vibe_router_export.synthetic.tokenizer import SpecialTokens, resized_tokenizer
from vibe_router_tools.atomic.write import staged_folder

Tensors = dict[str, Array]


@dataclass(frozen=True, kw_only=True)
class Outliers:
    """A spike of `peak` that layer `layer`'s MLP writes into `channels` residual channels at the first token."""

    peak: float = 25_000.0
    layer: int = 2
    channels: int = 3
    neurons: int = 2


# Wide enough to fall on both sides of every profile of the published card.
_LOGIT_MEAN, _LOGIT_DEVIATION = 2.5, 2.0


def write_random_checkpoint(
    folder: Path,
    *,
    size: Size,
    seed: int,
    outliers: Outliers | None,
    tokenizer: Path,
    pooling: Pooling = Pooling.MEAN,
    overwrite: bool = False,
) -> int:
    """Write a checkpoint that transformers loads, and return its number of parameters.

    `tokenizer` is a tokenizer.json; its vocabulary is filled up to the size's with tokens that no text reaches. The
    same seed gives the same bytes. Logits scatter around the published thresholds (mean 2.5, standard deviation 2),
    because a random model whose scores all lie together would hide errors.

    Raises:
        UsageError: `folder` exists and `overwrite` is not set or it is no checkpoint, or the tokenizer has too
            many tokens.
    """
    from safetensors.numpy import save_file

    tokenizer_json, special = resized_tokenizer(tokenizer, 50_368 if size is Size.BASE else None)
    raw_config = _config_json(size, special, pooling)
    config = parse_config(json.dumps(raw_config))
    tensors = random_tensors(config, seed=seed, outliers=outliers)
    with staged_folder(folder, replace="config.json" if overwrite else None) as staged:
        (staged / "config.json").write_text(json.dumps(raw_config, indent=2) + "\n")
        (staged / "tokenizer.json").write_text(tokenizer_json, encoding="utf-8")
        (staged / "tokenizer_config.json").write_text(json.dumps(special.tokenizer_config(), indent=2) + "\n")
        save_file(tensors, staged / "model.safetensors", metadata={"format": "pt"})
    return sum(tensor.size for tensor in tensors.values())


def random_tensors(config: ModernBertConfig, *, seed: int, outliers: Outliers | None = None) -> Tensors:
    """Return float32 tensors by name for any configuration; see `write_random_checkpoint` for how they are scaled."""
    random = np.random.default_rng(seed)
    tensors = _scaled_tensors(config, random)
    if outliers is not None:
        _plant(tensors, config, outliers, random)
    _spread_logits(tensors, config, random)
    return tensors


def _config_json(size: Size, special: SpecialTokens, pooling: Pooling) -> dict[str, Any]:
    base = size is Size.BASE
    return {
        "architectures": [ARCHITECTURE],
        "model_type": "modernbert",
        "vocab_size": special.vocabulary_size,
        "hidden_size": 768 if base else 192,
        "intermediate_size": 1152 if base else 288,
        "num_hidden_layers": 22 if base else 4,
        "num_attention_heads": 12 if base else 3,
        "max_position_embeddings": 8192 if base else 512,
        "hidden_activation": "gelu",
        "classifier_activation": "gelu",
        "classifier_pooling": pooling.value,
        "norm_eps": 1e-5,
        "norm_bias": False,
        "attention_bias": False,
        "mlp_bias": False,
        "classifier_bias": False,
        "global_attn_every_n_layers": 3,
        "global_rope_theta": 160000.0,
        "local_attention": 128,
        "local_rope_theta": 10000.0,
        "pad_token_id": special.pad,
        "cls_token_id": special.cls,
        "bos_token_id": special.cls,
        "sep_token_id": special.sep,
        "eos_token_id": special.sep,
        "id2label": {"0": "cloud"},
        "label2id": {"cloud": 0},
        "problem_type": "multi_label_classification",
    }


def _scaled_tensors(config: ModernBertConfig, random: np.random.Generator) -> Tensors:
    """Unit-variance projections in, small writes to the residual, norm gains around one.

    What is written shrinks with the square root of the number of writes, as in transformers' own initialisation of
    ModernBERT. Without that, a deep random network passes every rounding error on to its logit undiminished.
    """
    size = 0.3 / (2 * len(config.layers)) ** 0.5
    # GeGLU of two unit normals has a root mean square near 0.6; attention averages values down to about 0.5.
    written = {"attn.Wo": size / 0.5, "mlp.Wo": size / 0.6}
    tensors = {}
    for name, shape in expected_shapes(config).items():
        values = random.standard_normal(shape, dtype=np.float32)
        if len(shape) == 2 and "tok_embeddings" not in name:
            gain = next((gain for part, gain in written.items() if part in name), 1.0)
            values *= np.float32(gain / shape[1] ** 0.5)
        elif name.endswith("norm.weight"):
            values = np.float32(1) + np.float32(0.1) * values
        elif len(shape) == 1:
            values *= np.float32(0.1)
        tensors[name] = values
    return tensors


def _plant(tensors: Tensors, config: ModernBertConfig, outliers: Outliers, random: np.random.Generator) -> None:
    """Make spiking neurons answer a direction that only the first token has, and write the peak.

    The direction is kept out of every other token's embedding and out of everything written before, so that the
    neurons are silent elsewhere and the rest of the function stays as it was.
    """
    direction = random.standard_normal(config.hidden_size)
    direction -= direction.mean()
    direction /= np.linalg.norm(direction)
    _mark_first_token(tensors, config, direction)
    for index in range(outliers.layer + 1):
        for part in ("attn.Wo", "mlp.Wo")[: 2 if index < outliers.layer else 1]:
            name = f"model.layers.{index}.{part}.weight"
            tensors[name] -= np.outer(direction, direction @ tensors[name]).astype(np.float32)
    prefix = f"model.layers.{outliers.layer}"
    detector = (direction / tensors[f"{prefix}.mlp_norm.weight"]).astype(np.float32)
    neurons = random.choice(config.intermediate_size, outliers.neurons, replace=False)
    channels = random.choice(config.hidden_size, outliers.channels, replace=False)
    for neuron in neurons:
        tensors[f"{prefix}.mlp.Wi.weight"][[neuron, neuron + config.intermediate_size]] = detector
    output = f"{prefix}.mlp.Wo.weight"
    tensors[output][:, neurons] = 0
    inputs = linear_inputs(arrange(config, tensors), *_random_sequences(config, random, count=8))
    hidden = np.median(inputs[output][:, 0, neurons], axis=0)
    signs = np.where(np.arange(outliers.channels) % 2, -1.0, 1.0)
    tensors[output][np.ix_(channels, neurons)] = np.outer(signs, outliers.peak / len(neurons) / hidden)


def _mark_first_token(tensors: Tensors, config: ModernBertConfig, direction: NDArray[np.float64]) -> None:
    """Give [CLS] a strong component along `direction` after the embedding norm, and every other token none."""
    gain = tensors["model.embeddings.norm.weight"].astype(np.float64)
    seen_through_norm = gain * direction - (gain * direction).mean()
    seen_through_norm /= np.linalg.norm(seen_through_norm)
    table = tensors["model.embeddings.tok_embeddings.weight"]
    table -= np.outer(table @ seen_through_norm, seen_through_norm).astype(np.float32)
    table[config.cls_token_id] += (config.hidden_size**0.5 * seen_through_norm).astype(np.float32)


def _spread_logits(tensors: Tensors, config: ModernBertConfig, random: np.random.Generator) -> None:
    logits = evaluate(arrange(config, tensors), *_random_sequences(config, random, count=48))
    scale = np.float32(_LOGIT_DEVIATION / logits.std())
    tensors["classifier.weight"] *= scale
    bias = tensors["classifier.bias"]
    bias[:] = _LOGIT_MEAN - (logits.mean() - bias[0]) * scale


def _random_sequences(
    config: ModernBertConfig, random: np.random.Generator, *, count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return ids and mask, int64 [count, longest], of sequences of 4 to 39 random tokens between [CLS] and [SEP]."""
    lengths = random.integers(4, 40, count)
    ids = random.integers(0, config.vocabulary_size, (count, int(lengths.max())))
    mask = (np.arange(ids.shape[1]) < lengths[:, None]).astype(np.int64)
    ids[:, 0] = config.cls_token_id
    ids[np.arange(count), lengths - 1] = config.sep_token_id
    return ids, mask
