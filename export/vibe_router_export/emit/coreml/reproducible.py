"""The same weights give the same bytes: coremltools draws random identifiers and writes maps in any order."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

_MANIFEST = "Manifest.json"
_PROGRAM = "Data/com.apple.CoreML/model.mlmodel"


def make_reproducible(package: Path) -> None:
    """Rewrite a saved .mlpackage with identifiers that follow from its items' paths, and with maps in order."""
    from coremltools.proto import Model_pb2

    path = package / _MANIFEST
    manifest = json.loads(path.read_text("utf-8"))
    items = manifest["itemInfoEntries"]
    names = {old: str(uuid.uuid5(uuid.NAMESPACE_URL, item["path"])).upper() for old, item in items.items()}
    manifest["itemInfoEntries"] = {names[old]: item for old, item in items.items()}
    manifest["rootModelIdentifier"] = names[manifest["rootModelIdentifier"]]
    path.write_text(json.dumps(manifest, indent=4, sort_keys=True) + "\n", encoding="utf-8")

    program = package / _PROGRAM
    model = Model_pb2.Model.FromString(program.read_bytes())
    program.write_bytes(model.SerializeToString(deterministic=True))
