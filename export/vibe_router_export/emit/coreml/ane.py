"""The layout that the Neural Engine runs well (Apple 2022, "Deploying Transformers on the Apple Neural Engine")."""

from __future__ import annotations

from collections.abc import Sequence

from coremltools.converters.mil import Builder as mb  # noqa: N813, as everybody calls it

from vibe_router_export.checkpoint.config import Pooling
from vibe_router_export.checkpoint.weights import Linear, Parameter
from vibe_router_export.emit.coreml.operations import MilOperations, Var


class AneOperations(MilOperations):
    """Activations (1, channels, 1, tokens); scores (1, keys, 1, queries), a head at a time."""

    channel_axis = 1
    key_axis = 1

    def embed(self, table: Parameter) -> Var:
        channels_first = mb.transpose(x=self.gather(table), perm=[0, 2, 1])
        return mb.expand_dims(x=channels_first, axes=[2])

    def linear(self, x: Var, layer: Linear) -> Var:
        shape = (*layer.weight.value.shape, 1, 1)
        weight = self.constant(layer.weight.name, layer.weight.value, shape)
        if layer.bias is None:
            return mb.conv(x=x, weight=weight)
        return mb.conv(x=x, weight=weight, bias=self.constant(layer.bias.name, layer.bias.value))

    def rotate(self, x: Var, theta: float) -> Var:
        by_head = mb.reshape(x=x, shape=[1, self.config.heads, self.config.head_size, self.tokens])
        rotated = self.rotate_halves(by_head, theta, axis=2, transposed=True)
        return mb.reshape(x=rotated, shape=[1, self.config.hidden_size, 1, self.tokens])

    def attention(self, query: Var, key: Var, value: Var, *, window: int | None, scale: float) -> Var:
        mask = self.mask(window)
        keys_first = mb.transpose(x=key, perm=[0, 3, 2, 1])
        queries, keys, values = (self._heads(x, axis=axis) for x, axis in ((query, 1), (keys_first, 3), (value, 1)))
        attended = []
        for one_query, one_key, one_value in zip(queries, keys, values, strict=True):
            scores = mb.einsum(values=[one_key, one_query], equation="nchw,nwhu->nchu")
            if scale != 1.0:
                scores = mb.mul(x=scores, y=self.scalar(scale))
            probabilities = mb.softmax(x=mb.add(x=scores, y=mask), axis=1)
            attended.append(mb.einsum(values=[one_value, probabilities], equation="nchw,nwhu->nchu"))
        return attended[0] if len(attended) == 1 else mb.concat(values=attended, axis=1)

    def pool(self, x: Var, pooling: Pooling) -> Var:
        if pooling is Pooling.CLS:
            return mb.slice_by_index(x=x, begin=[0, 0, 0, 0], end=[1, self.config.hidden_size, 1, 1])
        return self.mean(x, [1, 1, 1, self.tokens], axis=3)

    def _heads(self, x: Var, *, axis: int) -> Sequence[Var]:
        heads = self.config.heads
        return [x] if heads == 1 else mb.split(x=x, num_splits=heads, axis=axis)
