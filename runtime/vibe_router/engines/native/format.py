"""The file of the native engine: what its tensors are called, and which shapes a model's must have.

It is a safetensors file (https://huggingface.co/docs/safetensors). Its metadata say what the model is; its tensors lie
as the engine reads them, so that the file is mapped and nothing is copied or converted. Matrices are cut into panels of
64 outputs, filled up with zeros where they do not divide:

    int8    [panels, inputs / 4, 64, 4], the inputs filled up to a multiple of 64; `.scales` float32 [64 panels], one an
            output; `.offsets` int32 [64 panels], -128 times the sum of an output's weights
    float   [panels, inputs, 64], float32, for the matrices named in `exact` and for the head

In `mlp.Wi` 16 outputs that GELU activates lie before the 16 that gate them, and so on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

FORMAT = "vibe-router-native/1"
PANEL = 64
"""Outputs of a panel."""
GROUP = 4
"""Inputs of one output that are adjacent."""
GATED = 16
"""Outputs of `mlp.Wi` that are adjacent, before those that gate them."""
MOST_LAYERS = 256
"""Layers of a model; ModernBERT-large has 28."""
ROPE_THETAS = (2.0**-20, 2.0**100)
NORM_EPSILONS = (2.0**-60, 2.0**20)
"""The range of each. Both are float32 in every engine; those of models are far inside."""
MOST_BYTES = 2**34
"""Bytes of all tensors: an engine's sums of sizes stay far below 2^63."""


class TensorType(Enum):
    """The types of safetensors that there are; a value is its name there."""

    INT8 = "I8"
    INT32 = "I32"
    FLOAT32 = "F32"

    @property
    def bytes(self) -> int:
        """Bytes of a number."""
        return 1 if self is TensorType.INT8 else 4


@dataclass(frozen=True, kw_only=True)
class NativeLayer:
    """What a layer attends to: |i - j| <= `window` (None: every token), positions rotated with `rope_theta`."""

    window: int | None
    rope_theta: float
    attention_scale: float


@dataclass(frozen=True, kw_only=True)
class NativeArchitecture:
    """What the engine must know besides the tensors. `exact` names the encoder's matrices that are float."""

    vocabulary_size: int
    hidden_size: int
    intermediate_size: int
    heads: int
    max_tokens: int
    norm_epsilon: float
    mean_pooling: bool
    norm_bias: bool
    attention_bias: bool
    mlp_bias: bool
    classifier_bias: bool
    layers: tuple[NativeLayer, ...]
    exact: tuple[str, ...]

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.hidden_size // self.heads


@dataclass(frozen=True)
class TensorShape:
    """Type and shape of one tensor."""

    type: TensorType
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Bytes of the tensor."""
        count = self.type.bytes
        for size in self.shape:
            count *= size
        return count


def problem(architecture: NativeArchitecture) -> str | None:
    """Return why the engine cannot run such a model, or None."""
    one = architecture
    sizes = (one.vocabulary_size, one.hidden_size, one.intermediate_size, one.heads, one.max_tokens, len(one.layers))
    if min(sizes) < 1 or max(sizes) > 2**20 or len(one.layers) > MOST_LAYERS:
        return "a size is out of range"
    if one.hidden_size % PANEL:
        return f"hidden_size {one.hidden_size} is not a multiple of {PANEL}"
    if one.intermediate_size % (PANEL // 2):
        return f"intermediate_size {one.intermediate_size} is not a multiple of {PANEL // 2}"
    if one.hidden_size % one.heads or one.head_size > PANEL or one.head_size % 16:
        return f"{one.heads} heads of hidden_size {one.hidden_size} are not of a width of 16, 32, 48 or 64"
    for layer in one.layers:
        if layer.window is not None and not 0 <= layer.window <= 2**20:
            return "a window is out of range"
        # Both are float32 in the engine; a theta of 0.0 and one of -0.0 would be equal, and have two tables.
        if not ROPE_THETAS[0] <= layer.rope_theta <= ROPE_THETAS[1] or not 2.0**-20 <= layer.attention_scale <= 2.0**20:
            return "a layer's rope_theta or attention_scale is out of range"
    if not NORM_EPSILONS[0] <= one.norm_epsilon <= NORM_EPSILONS[1]:
        return "norm_epsilon is out of range"
    names = encoder_matrices(len(one.layers))
    if len(set(one.exact)) != len(one.exact) or not names.issuperset(one.exact):
        return "exact names a matrix twice, or one that the encoder does not have"
    if sum(tensor.bytes for tensor in expected_tensors(one).values()) > MOST_BYTES:
        return f"its tensors have more than {MOST_BYTES} bytes"
    return None


def encoder_matrices(layers: int) -> frozenset[str]:
    """Return the names of the encoder's matrices, those that may be float."""
    parts = ("attn.Wqkv", "attn.Wo", "mlp.Wi", "mlp.Wo")
    return frozenset(f"model.layers.{index}.{part}.weight" for index in range(layers) for part in parts)


def padded(number: int, multiple: int) -> int:
    """Return the next multiple."""
    return -(-number // multiple) * multiple


def rope_name(theta: float, part: str) -> str:
    """Return the name of a table of rotary position embeddings; `part` is "cosine" or "sine"."""
    return f"rope.{part}.{theta!r}"


def expected_tensors(architecture: NativeArchitecture) -> dict[str, TensorShape]:
    """Return name, type and shape of every tensor of a file, in the order of the file.

    int8 tensors come first: each of them, and of the rest all but the last, has a multiple of 64 bytes, so that with a
    header of such a length every tensor begins at one.
    """
    one = architecture
    exact_names = frozenset(one.exact)
    low: dict[str, TensorShape] = {}
    rest: dict[str, TensorShape] = {}

    def vector(name: str, size: int) -> None:
        rest[name] = TensorShape(TensorType.FLOAT32, (size,))

    def matrix(name: str, outputs: int, inputs: int, *, bias: bool, exact: bool = False) -> None:
        panels = padded(outputs, PANEL) // PANEL
        if exact or f"{name}.weight" in exact_names:
            rest[f"{name}.weight"] = TensorShape(TensorType.FLOAT32, (panels, inputs, PANEL))
        else:
            groups = padded(inputs, PANEL) // GROUP
            low[f"{name}.weight"] = TensorShape(TensorType.INT8, (panels, groups, PANEL, GROUP))
            vector(f"{name}.weight.scales", panels * PANEL)
            rest[f"{name}.weight.offsets"] = TensorShape(TensorType.INT32, (panels * PANEL,))
        if bias:
            vector(f"{name}.bias", panels * PANEL)

    def norm(name: str) -> None:
        vector(f"{name}.weight", one.hidden_size)
        if one.norm_bias:
            vector(f"{name}.bias", one.hidden_size)

    table = "model.embeddings.tok_embeddings.weight"
    low[table] = TensorShape(TensorType.INT8, (padded(one.vocabulary_size, PANEL), one.hidden_size))
    vector(f"{table}.scales", padded(one.vocabulary_size, PANEL))
    norm("model.embeddings.norm")
    for index in range(len(one.layers)):
        prefix = f"model.layers.{index}"
        if index > 0:
            norm(f"{prefix}.attn_norm")
        matrix(f"{prefix}.attn.Wqkv", 3 * one.hidden_size, one.hidden_size, bias=one.attention_bias)
        matrix(f"{prefix}.attn.Wo", one.hidden_size, one.hidden_size, bias=one.attention_bias)
        norm(f"{prefix}.mlp_norm")
        matrix(f"{prefix}.mlp.Wi", 2 * one.intermediate_size, one.hidden_size, bias=one.mlp_bias)
        matrix(f"{prefix}.mlp.Wo", one.hidden_size, one.intermediate_size, bias=one.mlp_bias)
    norm("model.final_norm")
    matrix("head.dense", one.hidden_size, one.hidden_size, bias=one.classifier_bias, exact=True)
    norm("head.norm")
    positions = padded(one.max_tokens, PANEL)
    for theta in sorted({layer.rope_theta for layer in one.layers}):
        for part in ("cosine", "sine"):
            rest[rope_name(theta, part)] = TensorShape(TensorType.FLOAT32, (positions, one.head_size // 2))
    vector("classifier.weight", one.hidden_size)
    vector("classifier.bias", 1)
    return {**low, **rest}
