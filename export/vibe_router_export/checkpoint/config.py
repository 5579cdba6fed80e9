"""`config.json` of a ModernBERT router, in both forms that transformers writes.

transformers 4 describes the attention pattern by `global_attn_every_n_layers` and two `*_rope_theta`; transformers 5
by `layer_types` and `rope_parameters`. Both are read into one `ModernBertConfig`, in which every layer states its
own window and RoPE theta, so that nothing downstream knows which library wrote the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from vibe_router.bundle.strict_json import shown
from vibe_router.engines.native.format import NORM_EPSILONS, ROPE_THETAS
from vibe_router.errors import CheckpointError
from vibe_router_export.checkpoint.code import refuse_code
from vibe_router_export.checkpoint.files import RESAVE, parse_object

ARCHITECTURE = "ModernBertForSequenceClassification"
GENERATION_5 = ("rope_parameters", "layer_types")
_FULL, _SLIDING = "full_attention", "sliding_attention"

T = TypeVar("T")


class Pooling(Enum):
    """How the sequence becomes one vector: the first token, or the mean over tokens that are not padding."""

    CLS = "cls"
    MEAN = "mean"


@dataclass(frozen=True, kw_only=True)
class AttentionPattern:
    """What one layer attends to: |i - j| <= `window` (None: every token), positions rotated with `rope_theta`."""

    window: int | None
    rope_theta: float


@dataclass(frozen=True, kw_only=True)
class ModernBertConfig:
    """The part of `config.json` that decides what the model computes. `layers` has one entry a layer."""

    vocabulary_size: int
    hidden_size: int
    intermediate_size: int
    heads: int
    layers: tuple[AttentionPattern, ...]
    max_positions: int
    norm_epsilon: float
    norm_bias: bool
    attention_bias: bool
    mlp_bias: bool
    classifier_bias: bool
    pooling: Pooling
    pad_token_id: int
    cls_token_id: int
    sep_token_id: int

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.hidden_size // self.heads


def parse_config(text: str) -> ModernBertConfig:
    """Return the configuration that the text of a router's `config.json` describes.

    Keys that are absent take the defaults of transformers' `ModernBertConfig`.

    Raises:
        CheckpointError: as `parse_backbone`, or another architecture than a sequence classifier.
    """
    raw = parse_object(text, "config.json")
    if raw.get("architectures") != [ARCHITECTURE]:
        raise CheckpointError(
            f"the checkpoint is {shown(raw.get('architectures'))} of type {shown(raw.get('model_type'))}; only "
            f"{ARCHITECTURE} is supported",
            hint="export a ModernBERT that was fine-tuned as a sequence classifier",
        )
    return parse_backbone(raw)


def parse_backbone(raw: Mapping[str, Any]) -> ModernBertConfig:
    """Return the configuration of any ModernBERT, with a classifier or without one yet, from a parsed `config.json`.

    Raises:
        CheckpointError: another kind of model, a value this project does not support, code to run, or a file that
            describes the attention pattern twice and differently.
    """
    refuse_code(raw, where="config.json")
    _check_kind(raw)
    config = ModernBertConfig(
        vocabulary_size=_positive(raw, "vocab_size", 50368),
        hidden_size=_positive(raw, "hidden_size", 768),
        intermediate_size=_positive(raw, "intermediate_size", 1152),
        heads=_positive(raw, "num_attention_heads", 12),
        layers=_layers(raw),
        max_positions=_positive(raw, "max_position_embeddings", 8192),
        norm_epsilon=_float_between(raw, "norm_eps", 1e-5, NORM_EPSILONS),
        norm_bias=_get(raw, "norm_bias", bool, False),
        attention_bias=_get(raw, "attention_bias", bool, False),
        mlp_bias=_get(raw, "mlp_bias", bool, False),
        classifier_bias=_get(raw, "classifier_bias", bool, False),
        pooling=_pooling(raw),
        pad_token_id=_token_id(raw, "pad_token_id", 50283),
        # No model reads these two. transformers leaves its defaults next to smaller vocabularies.
        cls_token_id=_get(raw, "cls_token_id", int, 50281),
        sep_token_id=_get(raw, "sep_token_id", int, 50282),
    )
    if config.hidden_size % config.heads or config.head_size % 2:
        raise CheckpointError(
            f"hidden_size {config.hidden_size} does not split into {config.heads} heads of even width",
            hint=RESAVE,
        )
    if config.max_positions < 3:
        raise CheckpointError(
            f"config.json: max_position_embeddings {config.max_positions} leaves no room for text",
            hint=RESAVE,
        )
    return config


# Far above any model, and small enough that nothing is built that does not fit into memory.
_MOST_LAYERS, _LARGEST_SIZE = 1024, 2**31 - 1


def _check_kind(raw: Mapping[str, Any]) -> None:
    if raw.get("model_type") != "modernbert":
        raise CheckpointError(
            f"the checkpoint is a {shown(raw.get('model_type'))}, not a 'modernbert'", hint="name a ModernBERT"
        )
    for key in ("hidden_activation", "classifier_activation"):
        if raw.get(key, "gelu") != "gelu":
            raise CheckpointError(f"{key} {shown(raw[key])} is not supported; only 'gelu' is", hint=RESAVE)
    for key in ("rope_scaling", "quantization_config"):
        if raw.get(key) is not None:
            raise CheckpointError(f"config.json sets {key}, which is not supported", hint=f"remove {key}")


def _layers(raw: Mapping[str, Any]) -> tuple[AttentionPattern, ...]:
    count = _positive(raw, "num_hidden_layers", 22)
    window = _positive(raw, "local_attention", 128) // 2
    every = _positive(raw, "global_attn_every_n_layers", 3)
    periodic = [_SLIDING if index % every else _FULL for index in range(count)]
    if not any(key in raw for key in GENERATION_5):
        thetas = {
            _FULL: _theta(raw, "global_rope_theta", 160_000.0),
            _SLIDING: _theta(raw, "local_rope_theta", 10_000.0, null_means="global_rope_theta"),
        }
        types = periodic
    else:
        both = [key for key in ("global_rope_theta", "local_rope_theta") if key in raw]
        if both:
            raise CheckpointError(
                f"config.json mixes two generations of keys: {both} beside {_present(raw, GENERATION_5)}",
                hint="keep either transformers 4's keys or transformers 5's",
            )
        thetas = _rope_parameters(_get(raw, "rope_parameters", dict, {}))
        types = _get(raw, "layer_types", list, periodic)
        if len(types) != count or any(kind not in thetas for kind in types):
            raise CheckpointError(
                f"layer_types must name {_FULL!r} or {_SLIDING!r} for each of the {count} layers",
                hint=RESAVE,
            )
        # transformers 5 leaves this older key in place when it saves a checkpoint that transformers 4 wrote.
        if "global_attn_every_n_layers" in raw and types != periodic:
            raise CheckpointError(
                f"config.json contradicts itself: layer_types is not global every {every} layers",
                hint="remove global_attn_every_n_layers or correct layer_types",
            )
    return tuple(AttentionPattern(window=None if kind == _FULL else window, rope_theta=thetas[kind]) for kind in types)


def _rope_parameters(raw: dict[str, Any]) -> dict[str, float]:
    unknown = set(raw) - {_FULL, _SLIDING}
    if unknown:
        raise CheckpointError(f"rope_parameters has unknown layer types {sorted(unknown)}", hint=RESAVE)
    thetas = {}
    for kind, default in ((_FULL, 160_000.0), (_SLIDING, 10_000.0)):
        parameters = raw.get(kind) or {}
        if not isinstance(parameters, dict) or parameters.get("rope_type", "default") != "default":
            raise CheckpointError(f"rope_parameters[{kind!r}] is not plain RoPE", hint=RESAVE)
        thetas[kind] = _theta(parameters, "rope_theta", default)
    return thetas


def _pooling(raw: Mapping[str, Any]) -> Pooling:
    value = raw.get("classifier_pooling", "cls")
    try:
        return Pooling(value)
    except ValueError:
        raise CheckpointError(f"classifier_pooling {value!r} is not supported", hint="use 'cls' or 'mean'") from None


def _present(raw: Mapping[str, Any], keys: tuple[str, ...]) -> list[str]:
    return [key for key in keys if key in raw]


def _get(raw: Mapping[str, Any], key: str, expected: type[T], default: T) -> T:
    value = raw.get(key, default)
    if value is None and key in GENERATION_5:
        return default
    if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
        raise CheckpointError(f"config.json: {key} is {value!r}, not of type {expected.__name__}", hint=RESAVE)
    return value


def _positive(raw: Mapping[str, Any], key: str, default: int) -> int:
    value = _get(raw, key, int, default)
    most = _MOST_LAYERS if key == "num_hidden_layers" else _LARGEST_SIZE
    if not 0 < value <= most:
        raise CheckpointError(f"config.json: {key} is not between 1 and {most}", hint=RESAVE)
    return value


def _theta(raw: Mapping[str, Any], key: str, default: float, *, null_means: str | None = None) -> float:
    if raw.get(key, default) is None and null_means is not None:
        return _theta(raw, null_means, 160_000.0)
    return _float_between(raw, key, default, ROPE_THETAS)


def _float_between(raw: Mapping[str, Any], key: str, default: float, bounds: tuple[float, float]) -> float:
    """Return a number that fp32 holds, and what is computed with it, without overflow."""
    value = raw.get(key, default)
    low, high = bounds
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise CheckpointError(
            f"config.json: {key} is {shown(value)}, not a number in {low:.2g}..{high:.2g}", hint=RESAVE
        )
    return float(value)


def _token_id(raw: Mapping[str, Any], key: str, default: int) -> int:
    value = _get(raw, key, int, default)
    if not 0 <= value < _positive(raw, "vocab_size", 50368):
        raise CheckpointError(f"config.json: {key} {value} is outside the vocabulary", hint=RESAVE)
    return value
