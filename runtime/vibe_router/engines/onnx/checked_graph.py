"""The bytes of a bundle's ONNX graph and what holds its weights, both checked."""

from __future__ import annotations

import contextlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vibe_router.bundle.bundle import Bundle
    from vibe_router.bundle.manifest import EngineFile
    from vibe_router.engines.onnx.external_weights import ExternalWeights

WEIGHTS_SUFFIX = "_data"
"""Big graphs keep their weights in a file of the graph's name and this suffix, as the Hugging Face hub names them."""


@contextlib.contextmanager
def checked_graph(bundle: Bundle, file: EngineFile) -> Iterator[tuple[bytes, ExternalWeights | None]]:
    """Yield the bytes of a graph and what holds its big weights, for a session that is made inside the block.

    The graph is checked before; the weights are, at the latest, when the block ends.

    Raises:
        BundleCorruptError: a file has been altered, or the graph holds what no router's graph has.
    """
    from vibe_router.engines.onnx.external_weights import WeightsFolder, WeightsMapping
    from vibe_router.engines.onnx.graph_check import WeightsFile, check_onnx_graph

    content = bundle.read(file.file)
    name = f"{file.file}{WEIGHTS_SUFFIX}"
    if name not in bundle.manifest.files:
        check_onnx_graph(content, name=file.file, weights=None)
        yield content, None
        return
    with bundle.checking(name) as descriptor:
        beside = PurePosixPath(name).name
        check_onnx_graph(content, name=file.file, weights=WeightsFile(beside, bundle.manifest.files[name].bytes))
        if bundle.blobs is None:
            yield content, WeightsFolder((bundle.folder / name).parent)
        else:
            # ONNX Runtime follows no link out of the graph's folder, as the Hugging Face cache has them.
            yield content, WeightsMapping(beside, descriptor)
