"""What an ONNX file may hold before ONNX Runtime gets to see it: our operators, in sizes that its weights justify.

ONNX Runtime has hundreds of operators, and some make terabytes of a few bytes. A router needs a few dozen, and what
they make grows with the prompt and with the widths of its matrices. So the file is read here first, and the shapes of
all that its nodes make are followed from the inputs [batch, tokens] to the end, as upper bounds. How wide an
architecture may be follows from its weights: a matrix as wide as it is high has as many numbers as the square of its
width. So what a token needs may grow with the square root of the weights' bytes, and a kilobyte cannot ask for a
gigabyte.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

from vibe_router.bundle.safe_open import corrupt
from vibe_router.engines.onnx.graph_file import MOST_BYTES, Graph, GraphFile, Node, WeightsFile, read_attributes
from vibe_router.engines.onnx.operators import BRANCH, DOMAINS, OPERATORS
from vibe_router.engines.onnx.shapes import Call, Made
from vibe_router.engines.onnx.sizes import BATCH, TOKENS, Operand, Shape, broadcast, product
from vibe_router.engines.onnx.wire import RefusedError, short
from vibe_router.errors import BundleCorruptError

__all__ = ["Amounts", "WeightsFile", "check_onnx_graph"]

_ORT_FORMAT = b"ORTM"
_MOST_AXES = 4
_MOST_COMBINATIONS = 16
# What all nodes together may make, in numbers: of the weights' bytes those without a prompt, of their square root those
# for each token and for each pair of tokens. tests/unit/test_onnx_graph_bounds.py compares them with exports.
_STILL, _PER_TOKEN, _PER_PAIR = 8, 256, 1
# Weights that a graph counts as where it has fewer, in bytes.
_FEWEST_BYTES = 2**14

_Alternatives = tuple[Operand, ...]
"""What a tensor may be: of one of the shapes, of different ranks, that the branches of an `If` give."""
_Scopes = list[dict[str, _Alternatives]]
"""Tensors by name: the inputs, those of the graph, and in a branch its own."""
_TOP = 2


class Amounts(NamedTuple):
    """How many numbers nodes make at most: whatever the prompt, for each token, and for each pair of a prompt's tokens.

    A prompt of fewer than `sizes.SHORTEST` tokens counts as one of so many, and all as long as the batch's longest.
    """

    still: float
    per_token: float
    per_pair: float


def check_onnx_graph(content: bytes, *, name: str, weights: WeightsFile | None) -> Amounts:
    """Check the bytes of an ONNX file and return what its nodes may make; `name` is for errors.

    Raises:
        BundleCorruptError: no ONNX file, or one with anything in it that no router's graph has, or whose nodes may
            make more than the size of its weights justifies.
    """
    # ONNX Runtime takes a file with these bytes for one of its own format, and reads another graph than is read here.
    if content[4:8] == _ORT_FORMAT:
        raise _refused(name, "it has the mark of ONNX Runtime's own format")
    if len(content) > MOST_BYTES:
        raise _refused(name, f"it has {len(content)} bytes; a graph has at most {MOST_BYTES}")
    try:
        return _Check(GraphFile(weights)).model(content)
    except RefusedError as error:
        raise _refused(name, str(error)) from error
    except UnicodeDecodeError as error:
        raise _refused(name, "a name is not UTF-8") from error


def _refused(name: str, why: str) -> BundleCorruptError:
    return corrupt(f"{name}: {why}")


class _Check:
    """Follows the shapes through one file, and adds up what its nodes make."""

    def __init__(self, file: GraphFile) -> None:
        self._most = (0, 0, 0)
        self._made = [0.0, 0.0, 0.0]
        self._file = file
        # Layers are alike: what a node makes of such inputs is known from the first of them.
        self._known: dict[object, tuple[tuple[_Alternatives, ...], Amounts]] = {}

    def model(self, content: bytes) -> Amounts:
        graph, domains = self._file.model(content)
        if not domains <= DOMAINS:
            raise RefusedError(f"it imports the operator domain {short(sorted(domains - DOMAINS)[0])}")
        weights = max(self._file.weights_bytes, _FEWEST_BYTES)
        root = math.isqrt(weights)
        self._most = (_STILL * weights, _PER_TOKEN * root, _PER_PAIR * root)
        inputs = Operand((BATCH, TOKENS), is_input=True)
        self._graph(graph, [dict.fromkeys(graph.inputs, (inputs,))])
        return Amounts(*self._made)

    def _graph(self, graph: Graph, outside: _Scopes) -> list[_Alternatives]:
        """Return what the outputs of a graph may be; its nodes may name the tensors `outside`."""
        tensors: dict[str, _Alternatives] = {}
        scopes = [*outside, tensors]
        for name, operand in graph.constants.items():
            _define(name, (operand,), scopes)
        for node in graph.nodes:
            for name, made in zip(node.outputs, self._node(node, scopes), strict=True):
                if name:
                    _define(name, made, scopes)
        return [_named(name, scopes) for name in graph.outputs]

    def _node(self, node: Node, scopes: _Scopes) -> tuple[_Alternatives, ...]:
        inputs = tuple([_named(name, scopes) if name else None for name in node.inputs])
        if node.kind == BRANCH and node.domain == "":
            return self._branches(node, scopes)
        key = (node.domain, node.kind, node.attributes, inputs, len(node.outputs))
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._rule(node, inputs)
        made, amounts = known
        for degree, amount in enumerate(amounts):
            self._made[degree] += amount
            if not self._made[degree] <= self._most[degree]:
                raise RefusedError(f"its nodes may make more than {_words(degree, self._most[degree])}: {node.kind}")
        return made

    def _branches(self, node: Node, scopes: _Scopes) -> tuple[_Alternatives, ...]:
        attributes = read_attributes(node.attributes)
        if len(scopes) > _TOP or set(attributes) != set(OPERATORS["", BRANCH].attributes):
            raise RefusedError("a branch is inside a branch, or is not one of two")
        sides = []
        for content in attributes.values():
            if not isinstance(content, bytes):
                raise RefusedError("a branch is no graph")
            branch = self._file.graph(content)
            if branch.constants or branch.inputs:
                raise RefusedError("a branch has constants or inputs of its own")
            sides.append(self._graph(branch, scopes))
        if {len(side) for side in sides} != {len(node.outputs)}:
            raise RefusedError("the branches have other outputs than their node")
        return tuple([_joined((*both[0], *both[1])) for both in zip(*sides, strict=True)])

    def _rule(self, node: Node, inputs: tuple[_Alternatives | None, ...]) -> tuple[tuple[_Alternatives, ...], Amounts]:
        """Return what the outputs of a node may be, and how many numbers it makes."""
        operator = OPERATORS.get((node.domain, node.kind))
        if operator is None:
            kind, domain = short(node.kind), short(node.domain)
            raise RefusedError(f"the operator {kind} of the domain {domain} is none of a router's")
        attributes = read_attributes(node.attributes)
        if not set(attributes) <= set(operator.attributes):
            raise RefusedError(f"a node {node.kind} has attributes {short(' '.join(sorted(attributes)))}")
        choices = [(None,) if one is None else one for one in inputs]
        if math.prod(len(one) for one in choices) > _MOST_COMBINATIONS:
            raise RefusedError("its branches give tensors of too many shapes")
        try:
            made = [
                operator.rule(Call(chosen, attributes, len(node.outputs))) for chosen in itertools.product(*choices)
            ]
        except RefusedError as error:
            raise RefusedError(f"a node {node.kind}: {error}") from error
        if any(len(one.outputs) != len(node.outputs) for one in made):
            raise RefusedError(f"a node {node.kind} has {len(node.outputs)} outputs")
        amounts = [_amounts(one) for one in made]
        outputs = tuple(_joined(both) for both in zip(*(one.outputs for one in made), strict=True))
        return outputs, Amounts(*(max(column) for column in zip(*amounts, strict=True)))


def _define(name: str, made: _Alternatives, scopes: _Scopes) -> None:
    for scope in scopes:
        if name in scope or not name:
            raise RefusedError(f"two tensors are called {short(name)}")
    scopes[-1][name] = made


def _named(name: str, scopes: _Scopes) -> _Alternatives:
    for scope in reversed(scopes):
        found = scope.get(name)
        if found is not None:
            return found
    raise RefusedError(f"nothing before it is called {short(name)}")


def _joined(operands: Sequence[Operand]) -> _Alternatives:
    """Return one operand for each rank; numbers stay where there is nothing to join."""
    if len(operands) == 1:
        return (operands[0],)
    by_rank: dict[int, Shape] = {}
    for operand in operands:
        rank = len(operand.shape)
        by_rank[rank] = broadcast([by_rank.get(rank, operand.shape), operand.shape])
    return tuple(Operand(shape) for _, shape in sorted(by_rank.items()))


def _amounts(made: Made) -> Amounts:
    amounts = [0.0, 0.0, 0.0]
    for shape in (*(output.shape for output in made.outputs), made.scratch):
        if len(shape) > _MOST_AXES:
            raise RefusedError(f"a tensor has more than {_MOST_AXES} axes")
        size = product(shape)
        if size.batch > 1 or size.tokens > 2:
            raise RefusedError("what it makes grows faster than the batch, or than the pairs of a prompt's tokens")
        amounts[max(size.tokens, size.batch)] += size.factor
    return Amounts(*amounts)


def _words(degree: int, most: float) -> str:
    return f"{most:.0f} numbers {('in all', 'for each token', 'for each pair of tokens')[degree]}"
