"""The layout that GPUs run well: all heads in one batched multiplication."""

from __future__ import annotations

from coremltools.converters.mil import Builder as mb  # noqa: N813, as everybody calls it

from vibe_router_export.checkpoint.config import Pooling
from vibe_router_export.checkpoint.weights import Linear, Parameter
from vibe_router_export.emit.coreml.operations import MilOperations, Var


class GpuOperations(MilOperations):
    """Activations (1, tokens, channels); queries, keys and values (1, heads, tokens, head size)."""

    channel_axis = -1
    key_axis = 3

    def embed(self, table: Parameter) -> Var:
        return self.gather(table)

    def linear(self, x: Var, layer: Linear) -> Var:
        weight = self.constant(layer.weight.name, layer.weight.value)
        if layer.bias is None:
            return mb.linear(x=x, weight=weight)
        return mb.linear(x=x, weight=weight, bias=self.constant(layer.bias.name, layer.bias.value))

    def rotate(self, x: Var, theta: float) -> Var:
        return self.rotate_halves(self._heads(x), theta, axis=3, transposed=False)

    def attention(self, query: Var, key: Var, value: Var, *, window: int | None, scale: float) -> Var:
        scores = mb.matmul(x=query, y=key, transpose_y=True)
        if scale != 1.0:
            scores = mb.mul(x=scores, y=self.scalar(scale))
        probabilities = mb.softmax(x=mb.add(x=scores, y=self.mask(window)), axis=3)
        attended = mb.transpose(x=mb.matmul(x=probabilities, y=self._heads(value)), perm=[0, 2, 1, 3])
        return mb.reshape(x=attended, shape=[1, self.tokens, self.config.hidden_size])

    def pool(self, x: Var, pooling: Pooling) -> Var:
        if pooling is Pooling.CLS:
            return mb.slice_by_index(x=x, begin=[0, 0, 0], end=[1, 1, self.config.hidden_size])
        return self.mean(x, [1, self.tokens, 1], axis=1)

    def _heads(self, x: Var) -> Var:
        by_head = mb.reshape(x=x, shape=[1, self.tokens, self.config.heads, self.config.head_size])
        return mb.transpose(x=by_head, perm=[0, 2, 1, 3])
