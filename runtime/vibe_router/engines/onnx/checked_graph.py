"""The bytes of a bundle's ONNX graph and what holds its weights, both checked."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vibe_router.bundle.bundle import Bundle
    from vibe_router.bundle.manifest import EngineFile
    from vibe_router.engines.onnx.external_weights import ExternalWeights


@dataclass(frozen=True)
class CheckedGraph:
    """The bytes of an ONNX file, and what holds its big weights; None where they are in the file."""

    content: bytes
    weights: ExternalWeights | None


@contextlib.contextmanager
def checked_graph(bundle: Bundle, file: EngineFile) -> Iterator[CheckedGraph]:
    """Yield a graph for a session that is made inside the block.

    The graph is checked before; the weights are, at the latest, when the block ends.

    Raises:
        BundleCorruptError: a file has been altered, or the graph holds what no router's graph has.
    """
    from vibe_router.engines.onnx.external_weights import WeightsFolder, WeightsMapping
    from vibe_router.engines.onnx.graph_check import WeightsFile, check_onnx_graph

    content = bundle.read(file.file)
    name = bundle.weights(file.file)
    if name not in bundle.manifest.files:
        check_onnx_graph(content, name=file.file, weights=None)
        yield CheckedGraph(content, None)
        return
    with bundle.checking(name) as (descriptor, parent):
        beside = PurePosixPath(name).name
        check_onnx_graph(content, name=file.file, weights=WeightsFile(beside, bundle.manifest.files[name].bytes))
        # ONNX Runtime follows no link out of the graph's folder, as the Hugging Face cache has them.
        folder = WeightsFolder.of(parent) if bundle.blobs is None else None
        yield CheckedGraph(content, folder or WeightsMapping(beside, descriptor))
