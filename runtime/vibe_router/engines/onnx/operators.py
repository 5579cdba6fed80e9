"""The operators of a router's ONNX graphs: of each the attributes that it may have, and the rule for its shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from vibe_router.engines.onnx import shapes
from vibe_router.engines.onnx.shapes import Call, Made

BRANCH = "If"
"""The operator whose attributes are graphs. They are followed instead of asking its rule."""
_MICROSOFT = "com.microsoft"


class Operator(NamedTuple):
    """The rule, and the names of the attributes that an exported node has."""

    rule: Callable[[Call], Made]
    attributes: tuple[str, ...] = ()


_ELEMENTWISE, _LIKE_FIRST = Operator(shapes.elementwise), Operator(shapes.like_first)
_REDUCE = Operator(shapes.reduce, ("keepdims",))

OPERATORS: Mapping[tuple[str, str], Operator] = MappingProxyType(
    {
        ("", "Abs"): _LIKE_FIRST,
        ("", "Add"): _ELEMENTWISE,
        ("", "And"): _ELEMENTWISE,
        ("", "Attention"): Operator(shapes.attention, ("kv_num_heads", "q_num_heads", "scale")),
        ("", "Cast"): Operator(shapes.like_first, ("to",)),
        ("", "Concat"): Operator(shapes.concat, ("axis",)),
        ("", "CumSum"): _LIKE_FIRST,
        ("", "Div"): _ELEMENTWISE,
        ("", "DynamicQuantizeLinear"): Operator(shapes.rounded),
        ("", "Equal"): _ELEMENTWISE,
        ("", "Erf"): _LIKE_FIRST,
        ("", "Expand"): Operator(shapes.expand),
        ("", "Gather"): Operator(shapes.gather, ("axis",)),
        ("", "Greater"): _ELEMENTWISE,
        ("", "GreaterOrEqual"): _ELEMENTWISE,
        ("", "Identity"): _LIKE_FIRST,
        ("", BRANCH): Operator(shapes.like_first, ("else_branch", "then_branch")),
        ("", "LayerNormalization"): Operator(shapes.like_first, ("axis", "epsilon")),
        ("", "MatMul"): Operator(shapes.matrix_product),
        ("", "MatMulInteger"): Operator(shapes.matrix_product),
        ("", "Max"): _ELEMENTWISE,
        ("", "Min"): _ELEMENTWISE,
        ("", "Mul"): _ELEMENTWISE,
        ("", "Not"): _LIKE_FIRST,
        ("", "Or"): _ELEMENTWISE,
        ("", "Range"): Operator(shapes.count),
        ("", "ReduceMean"): Operator(shapes.reduce, ("axes", "keepdims")),
        ("", "ReduceMin"): _REDUCE,
        ("", "ReduceSum"): _REDUCE,
        ("", "Reshape"): Operator(shapes.reshape),
        ("", "Shape"): Operator(shapes.shape_of, ("end", "start")),
        ("", "Sigmoid"): _LIKE_FIRST,
        ("", "Slice"): Operator(shapes.cut),
        ("", "Softmax"): Operator(shapes.like_first, ("axis",)),
        ("", "Split"): Operator(shapes.split, ("axis", "num_outputs")),
        ("", "Squeeze"): Operator(shapes.drop_axes),
        ("", "Sub"): _ELEMENTWISE,
        ("", "Transpose"): Operator(shapes.transpose, ("perm",)),
        ("", "Unsqueeze"): Operator(shapes.add_axes),
        ("", "Where"): _ELEMENTWISE,
        (_MICROSOFT, "DynamicQuantizeMatMul"): Operator(shapes.matrix_product),
        (_MICROSOFT, "Gelu"): _LIKE_FIRST,
        (_MICROSOFT, "MatMulNBits"): Operator(
            shapes.product_in_blocks, ("K", "N", "accuracy_level", "bits", "block_size")
        ),
        (_MICROSOFT, "MultiHeadAttention"): Operator(shapes.attention, ("num_heads", "scale")),
        (_MICROSOFT, "RotaryEmbedding"): Operator(shapes.like_first, ("num_heads",)),
        (_MICROSOFT, "SkipSimplifiedLayerNormalization"): Operator(shapes.like_first, ("epsilon",)),
    }
)
"""By domain and name, every operator that the exporter emits, in any precision, and no other."""
DOMAINS = frozenset(domain for domain, _ in OPERATORS)
"""The domains that a graph may import."""
