"""The manifest of a new bundle before it has any engine: names, calibration, thresholds, provenance."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
from collections.abc import Mapping
from pathlib import Path

from vibe_router.bundle.manifest import SCHEMA, Calibration, Manifest, Provenance, Threshold
from vibe_router.policy import calibrate_threshold
from vibe_router.version import __version__
from vibe_router_export.checkpoint.checkpoint import Checkpoint

_LIBRARIES = ("numpy", "onnx", "onnxruntime", "tokenizers", "torch", "transformers")


def first_manifest(
    checkpoint: Checkpoint,
    *,
    name: str | None,
    temperature: float | None,
    profiles: Mapping[str, float] | None,
    max_tokens: int,
) -> Manifest:
    """Return a manifest without engines and files.

    Where an argument is None, the checkpoint decides; `profiles` maps names to raw thresholds.
    """
    calibration = _calibration(checkpoint, temperature)
    thresholds = calibrated_thresholds(profiles or checkpoint.router.profiles, calibration.temperature)
    default = checkpoint.router.default_profile
    return Manifest(
        schema=SCHEMA,
        name=name or checkpoint.router.name or Path(checkpoint.source).name,
        version=checkpoint.router.version,
        labels=checkpoint.router.labels,
        max_tokens=max_tokens,
        pad_token_id=checkpoint.config.pad_token_id,
        calibration=calibration,
        default_profile=default if default in thresholds else next(iter(thresholds)),
        thresholds=thresholds,
        engines=(),
        files={},
        provenance=Provenance(
            checkpoint=checkpoint.source,
            checkpoint_sha256=checkpoint.sha256,
            tool=f"vibe-router {__version__}",
            versions=_versions(),
            created=_now().isoformat(timespec="seconds"),
        ),
    )


def calibrated_thresholds(profiles: Mapping[str, float], temperature: float) -> dict[str, Threshold]:
    """Return each profile's threshold on both scales; `profiles` maps names to raw thresholds."""
    return {
        name: Threshold(raw=raw, calibrated=calibrate_threshold(raw, temperature)) for name, raw in profiles.items()
    }


def _calibration(checkpoint: Checkpoint, temperature: float | None) -> Calibration:
    router = checkpoint.router
    if temperature is not None:
        return Calibration(temperature=temperature, folded=True, source="given at export")
    if router.temperature is not None:
        return Calibration(
            temperature=router.temperature,
            folded=True,
            source="router_config.json of the checkpoint",
            ece_before=router.ece_before,
            ece_after=router.ece_after,
        )
    return Calibration(temperature=1.0, folded=True, source="not calibrated, the checkpoint states none")


def _versions() -> dict[str, str]:
    versions = {}
    for library in _LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _now() -> datetime.datetime:
    """Return the time in UTC, or SOURCE_DATE_EPOCH where a reproducible build sets it."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is not None:
        return datetime.datetime.fromtimestamp(int(epoch), datetime.timezone.utc)
    return datetime.datetime.now(datetime.timezone.utc)
