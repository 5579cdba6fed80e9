"""Can a package stay on the Neural Engine? Rules that are known, checked on the saved program, without a Mac.

The rules are Apple's (2022, "Deploying Transformers on the Apple Neural Engine") and what Core ML's users found:
tensors of rank 4 at most and of fixed shape, no dimension over 16,384, floats only. One operation that breaks a rule
sends part of the program to another processor and back. Only a Mac's MLComputePlan can say where it really runs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from vibe_router_export.proof.mil_interpreter.package import Function, Operation, Package, TensorType

LARGEST_DIMENSION = 16_384
LARGEST_RANK = 4
# A published throughput of the Neural Engine; what a Mac reaches has to be measured there.
ASSUMED_FLOPS_PER_SECOND = 3.0e12
_FLOATS = ("fp16", "fp32")
_EMBEDDING = "gather"
# Of integer ids, before and with the look-up in the table; Core ML runs these on the CPU whatever comes after.
_BEFORE = frozenset({"cast", "gather", "greater_equal", "not_equal", "add", "select", "slice_by_index"})
_KNOWN = frozenset(
    {
        "add",
        "cast",
        "concat",
        "conv",
        "einsum",
        "expand_dims",
        "gelu",
        "layer_norm",
        "mul",
        "real_div",
        "reduce_sum",
        "reshape",
        "sigmoid",
        "slice_by_index",
        "softmax",
        "split",
        "squeeze",
        "sub",
        "transpose",
    }
)


class Rule(Enum):
    """What a package must keep to, with the reason."""

    RANK = "tensors of more than four dimensions do not fit the Neural Engine's memory layout"
    DYNAMIC = "a shape that is not fixed cannot be compiled for the Neural Engine"
    LARGE = f"no dimension but the embedding table's may be over {LARGEST_DIMENSION:,}"
    INTEGER = "integers after the embedding look-up leave the Neural Engine"
    UNKNOWN = "the operation is not among those known to run on the Neural Engine"


@dataclass(frozen=True)
class Violation:
    """One operation that breaks a rule; `operation` is the name of its first output."""

    function: str
    operation: str
    kind: str
    rule: Rule
    detail: str


@dataclass(frozen=True)
class FunctionFacts:
    """One function: how many operations of each kind, and floating-point operations of one run.

    `estimated_seconds` divides them by a published 3.0 TFLOP/s: an estimate, nothing that was measured.
    """

    name: str
    operations: dict[str, int]
    flops: int

    @property
    def estimated_seconds(self) -> float:
        """Seconds a run would take at `ASSUMED_FLOPS_PER_SECOND`."""
        return self.flops / ASSUMED_FLOPS_PER_SECOND


@dataclass(frozen=True)
class LintReport:
    """Violations, and what the package consists of; `bytes` counts all its files."""

    violations: tuple[Violation, ...]
    functions: tuple[FunctionFacts, ...]
    bytes: int


def lint(package: Package) -> LintReport:
    """Check every function of a package."""
    functions = sorted(package.functions.values(), key=lambda function: (len(function.name), function.name))
    return LintReport(
        violations=tuple(violation for function in functions for violation in _check(function)),
        functions=tuple(_facts(function) for function in functions),
        bytes=package.bytes,
    )


def _facts(function: Function) -> FunctionFacts:
    types = _types(function)
    counts = Counter(operation.kind for operation in function.operations if not _is_constant(operation))
    flops = sum(_flops(operation, types) for operation in function.operations)
    return FunctionFacts(function.name, dict(counts.most_common()), flops)


def _check(function: Function) -> Iterator[Violation]:
    types = _types(function)
    constants = {op.outputs[0][0] for op in function.operations if _is_constant(op)}
    tables = {
        source
        for op in function.operations
        if op.kind == _EMBEDDING
        for source in op.arguments["x"]
        if isinstance(source, str)
    }
    # What a compressed table is made of is as long as the table.
    tables |= {
        source
        for op in function.operations
        if op.outputs[0][0] in tables and _is_constant(op)
        for arguments in op.arguments.values()
        for source in arguments
        if isinstance(source, str)
    }
    embedded: set[str] = set()

    def violation(operation: Operation, rule: Rule, detail: str) -> Violation:
        return Violation(function.name, operation.outputs[0][0], operation.kind, rule, detail)

    for name, kind in function.inputs.items():
        if None in kind.shape:
            yield Violation(function.name, name, "input", Rule.DYNAMIC, _show(kind))
    for operation in function.operations:
        sources = {s for arguments in operation.arguments.values() for s in arguments if isinstance(s, str)}
        runtime = sources - constants
        after = bool(runtime & embedded)
        if after or operation.kind == _EMBEDDING:
            embedded.update(name for name, _ in operation.outputs)
        for name, kind in operation.outputs:
            if len(kind.shape) > LARGEST_RANK:
                yield violation(operation, Rule.RANK, _show(kind))
            if None in kind.shape:
                yield violation(operation, Rule.DYNAMIC, _show(kind))
            if name not in tables and any(size is not None and size > LARGEST_DIMENSION for size in kind.shape):
                yield violation(operation, Rule.LARGE, _show(kind))
        if _is_constant(operation):
            continue
        involved = [types[name] for name in runtime] + [kind for _, kind in operation.outputs]
        integers = [kind for kind in involved if kind.dtype not in _FLOATS]
        if after and integers:
            yield violation(operation, Rule.INTEGER, _show(integers[0]))
        if operation.kind not in (_KNOWN if after or not integers else _BEFORE):
            yield violation(operation, Rule.UNKNOWN, operation.kind)


def _is_constant(operation: Operation) -> bool:
    return operation.kind == "const" or operation.kind.startswith("constexpr_")


def _types(function: Function) -> dict[str, TensorType]:
    return function.inputs | {name: kind for op in function.operations for name, kind in op.outputs}


def _flops(operation: Operation, types: dict[str, TensorType]) -> int:
    """Multiplications and additions of matrix products; everything else is small in comparison."""
    terms = {"conv": ("weight", 1), "linear": ("weight", -1), "einsum": ("values", -1), "matmul": ("x", -1)}
    if operation.kind not in terms:
        return 0
    argument, axis = terms[operation.kind]
    source = operation.arguments[argument][0]
    shape = types[source].shape if isinstance(source, str) else source.type.shape
    return 2 * (shape[axis] or 0) * math.prod(size or 0 for size in operation.outputs[0][1].shape)


def _show(kind: TensorType) -> str:
    return f"{kind.dtype} [{', '.join('?' if size is None else str(size) for size in kind.shape)}]"
