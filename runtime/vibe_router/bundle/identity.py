"""The identity of a bundle's scores: one hash for what two bundles must share to give the same ones."""

from __future__ import annotations

import hashlib
import json

from vibe_router.bundle.manifest import Manifest

_CARD = "README.md"


def model_identity(manifest: Manifest) -> str:
    """Return a SHA-256 that two bundles share only if they give the same scores on the same scale.

    It covers the files of the bundle (graphs, tokenizer; not the card), the length limit and the temperature;
    not names or profiles, so that a copy with another profile keeps its identity.
    """
    content = {
        "files": {name: entry.sha256 for name, entry in manifest.files.items() if name != _CARD},
        "max_tokens": manifest.max_tokens,
        "temperature": manifest.calibration.temperature,
        "folded": manifest.calibration.folded,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()
