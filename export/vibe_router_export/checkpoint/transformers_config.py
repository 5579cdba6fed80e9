"""config.json as transformers needs it to run the same model, whichever generation wrote the file and is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vibe_router.errors import CheckpointError
from vibe_router_export.checkpoint.config import GENERATION_5, ModernBertConfig


def transformers_config(transformers: Any, folder: Path, expected: ModernBertConfig) -> Any:
    """Return transformers' own reading of config.json, corrected where transformers 4 ignores transformers 5's keys.

    `expected` is this project's reading of the same file.

    Raises:
        CheckpointError: the installed transformers cannot express the layer pattern of `expected`.
    """
    config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    if int(transformers.__version__.split(".")[0]) >= 5 or not any(hasattr(config, key) for key in GENERATION_5):
        return config
    layers = expected.layers
    spacing = [index for index, layer in enumerate(layers) if layer.window is None]
    every = spacing[1] if len(spacing) > 1 else max(len(layers), 1)
    if any((layer.window is None) != (index % every == 0) for index, layer in enumerate(layers)):
        raise CheckpointError(
            f"transformers {transformers.__version__} cannot run this pattern of global and local layers",
            hint="pip install 'transformers>=5'",
        )
    config.global_attn_every_n_layers = every
    for layer in layers:
        key = "global_rope_theta" if layer.window is None else "local_rope_theta"
        setattr(config, key, layer.rope_theta)
    # Not written again by transformers 4, whose own keys say it all now.
    for key in GENERATION_5:
        if hasattr(config, key):
            delattr(config, key)
    return config
