"""Nodes of an ONNX graph under construction; a tensor is the name of a node's output or of a constant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, TensorProto, helper

MICROSOFT = "com.microsoft"
"""The domain of the fused operators of ONNX Runtime."""


@dataclass
class Nodes:
    """Nodes in order, and the constants that they name. Constants stay arrays until the file is written."""

    nodes: list[NodeProto] = field(default_factory=list)
    constants: dict[str, NDArray[np.generic]] = field(default_factory=dict)
    _once: list[dict[str, str]] = field(default_factory=lambda: [{}])
    _made: int = 0

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        """Keep `value` under `name` unless there is one already, and return the name."""
        self.constants.setdefault(name, value)
        return name

    def add(
        self, kind: str, inputs: Sequence[str], *, domain: str = "", **attributes: int | float | Sequence[int]
    ) -> str:
        """Append a node with one output and return that."""
        (output,) = self.add_with_outputs(kind, inputs, 1, domain=domain, **attributes)
        return output

    def add_with_outputs(
        self,
        kind: str,
        inputs: Sequence[str],
        outputs: int,
        *,
        domain: str = "",
        **attributes: int | float | Sequence[int] | GraphProto,
    ) -> list[str]:
        """Append a node with several outputs and return them."""
        name = self._new_name(kind)
        names = [name if outputs == 1 else f"{name}.{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, name=name, domain=domain, **attributes))
        return names

    def widen_last(
        self, kind: str, output: str, inputs: Sequence[str], *, domain: str = "", **attributes: int | float
    ) -> str:
        """Replace the last node by one that computes more, and return its first output.

        Its inputs are those of the last node, which must be the one that made `output`, and then `inputs`; its fourth
        output goes on as `output`, as ONNX Runtime's norms that add first have it.
        """
        last = self.nodes.pop()
        if list(last.output) != [output]:
            raise ValueError(f"{output} is not what the last node made")
        name = self._new_name(kind)
        outputs = [name, "", "", output]
        self.nodes.append(
            helper.make_node(kind, [*last.input, *inputs], outputs, name=name, domain=domain, **attributes)
        )
        return name

    def once(self, key: str, make: Callable[[], str]) -> str:
        """Return what `make` returned for this key; inside a branch it may have been made there or outside."""
        for made in self._once:
            if key in made:
                return made[key]
        output = make()
        self._once[-1][key] = output
        return output

    def choose(
        self,
        condition: str,
        then: Callable[[], Sequence[str]],
        otherwise: Callable[[], Sequence[str]],
        *,
        kinds: Sequence[TensorProto.DataType] = (TensorProto.FLOAT,),
    ) -> list[str]:
        """Append an `If`: the outputs, of these element types, of the branch that the scalar `condition` decides for.

        A branch may name tensors made before it; what it makes is not known outside.
        """
        branches = {
            "then_branch": self._branch(then, kinds),
            "else_branch": self._branch(otherwise, kinds),
        }
        return self.add_with_outputs("If", [condition], len(kinds), **branches)

    def _new_name(self, kind: str) -> str:
        self._made += 1
        return f"{kind}.{self._made - 1}"

    def _branch(self, make: Callable[[], Sequence[str]], kinds: Sequence[TensorProto.DataType]) -> GraphProto:
        outside, self.nodes = self.nodes, []
        self._once.append({})
        try:
            outputs = make()
            infos = [helper.make_tensor_value_info(name, kind, None) for name, kind in zip(outputs, kinds, strict=True)]
            return helper.make_graph(self.nodes, f"branch.{self._made}", [], infos)
        finally:
            self._once.pop()
            self.nodes = outside
