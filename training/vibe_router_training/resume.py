"""The work folder of a fit: whose run it is, and the outcome of one that is over.

The Trainer's snapshots of an unfinished run lie beside these files; it resumes from them by itself.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import load_model, save_model
from tokenizers import Tokenizer

from vibe_router.errors import UsageError
from vibe_router_tools.atomic.write import write_file
from vibe_router_training.data import Example
from vibe_router_training.fit_settings import FitResult, FitSettings

_FINGERPRINT, _RESULT, _WEIGHTS = "run.json", "result.json", "best.safetensors"


def fingerprint(
    model: Any, tokenizer: Tokenizer, train: Sequence[Example], validation: Sequence[Example], settings: FitSettings
) -> str:
    """Return JSON that is equal for two runs that would go the same way."""
    # Two tokenizers of one size give models of the same first weights. How they cut and pad changes with their use.
    plain = json.loads(tokenizer.to_str()) | {"truncation": None, "padding": None}
    digest = hashlib.sha256(json.dumps(plain).encode())
    for rows in (train, validation):
        for row in rows:
            digest.update(json.dumps(asdict(row), sort_keys=True).encode("utf-8", errors="surrogatepass"))
        digest.update(b"|")
    for name, tensor in model.state_dict().items():
        digest.update(name.encode() + tensor.detach().float().cpu().numpy().tobytes())
    return json.dumps({"settings": asdict(settings), "sha256": digest.hexdigest()}, indent=2) + "\n"


def claim(work: Path, fingerprint: str) -> None:
    """Make `work` the folder of the run with this fingerprint, or find that it is already.

    Raises:
        UsageError: it belongs to another run.
    """
    marker = work / _FINGERPRINT
    if marker.is_file() and marker.read_text(encoding="utf-8") != fingerprint:
        raise UsageError(
            f"{work} holds an interrupted run with other data or settings",
            hint="remove that folder to start anew, or repeat the command of the interrupted run",
        )
    work.mkdir(parents=True, exist_ok=True)
    write_file(marker, fingerprint.encode())


def finish(model: Any, result: FitResult, work: Path) -> None:
    """Keep the outcome of a fit, so that a longer run that is interrupted later need not repeat it."""
    save_model(model, str(work / _WEIGHTS))
    write_file(work / _RESULT, json.dumps(asdict(result)).encode())
    for snapshot in work.glob("checkpoint-*"):
        shutil.rmtree(snapshot)


def finished(model: Any, work: Path) -> FitResult | None:
    """Load the outcome of a finished fit into `model` and return what was told of it; None where it is not over."""
    if not (work / _RESULT).is_file():
        return None
    load_model(model, str(work / _WEIGHTS))
    model.eval()
    result = json.loads((work / _RESULT).read_text(encoding="utf-8"))
    return FitResult(**{**result, "validation_losses": tuple(result["validation_losses"])})


def release(work: Path) -> None:
    """Remove the snapshots of a finished run."""
    shutil.rmtree(work, ignore_errors=True)
