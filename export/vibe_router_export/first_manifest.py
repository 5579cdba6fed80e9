"""The manifest of a new bundle before it has any engine: names, calibration, thresholds, provenance."""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vibe_router.bundle.manifest import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    SCHEMA,
    Calibration,
    Labels,
    Manifest,
    Provenance,
    Threshold,
    is_plain_name,
)
from vibe_router.bundle.strict_json import shown
from vibe_router.errors import UsageError
from vibe_router.policy import calibrate_threshold
from vibe_router.version import __version__
from vibe_router_export.checkpoint.checkpoint import Checkpoint
from vibe_router_export.checkpoint.router_config import is_licence, is_model_name
from vibe_router_tools.measurement.machine import installed_versions

_LIBRARIES = ("numpy", "onnx", "onnxruntime", "tokenizers", "torch", "transformers")


@dataclass(frozen=True, kw_only=True)
class Claims:
    """What a caller says about a bundle. None means: as the checkpoint says, else nothing is said.

    `profiles` map names to raw thresholds. `device_model` and `cloud_model` name the models of the two sides,
    `license` is an identifier such as apache-2.0.
    """

    name: str | None = None
    temperature: float | None = None
    profiles: Mapping[str, float] | None = None
    device_model: str | None = None
    cloud_model: str | None = None
    license: str | None = None


NO_CLAIMS = Claims()


def first_manifest(checkpoint: Checkpoint, claims: Claims, *, max_tokens: int) -> Manifest:
    """Return a manifest without engines and files.

    Raises:
        UsageError: a claim is nothing that a manifest or a model card may say.
    """
    check_claims(claims)
    calibration = _calibration(checkpoint, claims.temperature)
    thresholds = calibrated_thresholds(claims.profiles or checkpoint.router.profiles, calibration.temperature)
    default, labels = checkpoint.router.default_profile, checkpoint.router.labels
    return Manifest(
        schema=SCHEMA,
        name=claims.name or checkpoint.router.name or _plain(Path(checkpoint.source).name),
        version=checkpoint.router.version,
        labels=Labels(device=claims.device_model or labels.device, cloud=claims.cloud_model or labels.cloud),
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
            versions=installed_versions(_LIBRARIES),
            created=_now().isoformat(timespec="seconds"),
        ),
    )


def check_claims(claims: Claims) -> None:
    """Check what a caller says before anything is computed.

    Raises:
        UsageError: it is nothing that a manifest or a model card may say.
    """
    if claims.name is not None and not is_plain_name(claims.name):
        raise UsageError(
            f"{shown(claims.name)} cannot be a bundle's name", hint="letters, digits, '.', '_' and '-', 64 at most"
        )
    for name in claims.profiles or ():
        if not is_plain_name(name):
            raise UsageError(f"{shown(name)} cannot be a profile's name", hint="letters, digits, '.', '_' and '-'")
    temperature = 1.0 if claims.temperature is None else claims.temperature
    if not MIN_TEMPERATURE <= temperature <= MAX_TEMPERATURE:
        raise UsageError(f"the temperature {temperature} is out of range or not positive", hint="1.0: no calibration")
    for model in (claims.device_model, claims.cloud_model):
        if model is not None and not is_model_name(model):
            raise UsageError(f"{shown(model)} cannot be a model's name", hint="give one short line")
    if claims.license is not None and not is_licence(claims.license):
        raise UsageError(f"{shown(claims.license)} is no licence's identifier", hint="for example apache-2.0")


def calibrated_thresholds(profiles: Mapping[str, float], temperature: float) -> dict[str, Threshold]:
    """Return each profile's threshold on both scales; `profiles` maps names to raw thresholds."""
    return {
        name: Threshold(raw=raw, calibrated=calibrate_threshold(raw, temperature)) for name, raw in profiles.items()
    }


def _plain(folder: str) -> str:
    """Return a name for a bundle from the name of a folder, which may have any characters."""
    plain = re.sub("[^A-Za-z0-9._-]+", "-", folder).lstrip("._-")[:64]
    return plain or "router"


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


def _now() -> datetime.datetime:
    """Return the time in UTC, or SOURCE_DATE_EPOCH where a reproducible build sets it.

    Raises:
        UsageError: that is set to what is no time.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is None:
        return datetime.datetime.now(datetime.timezone.utc)
    try:
        return datetime.datetime.fromtimestamp(int(epoch), datetime.timezone.utc)
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(f"SOURCE_DATE_EPOCH is {shown(epoch)}", hint="give seconds since 1970, or unset it") from error
