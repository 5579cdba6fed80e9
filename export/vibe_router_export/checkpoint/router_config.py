"""`router_config.json`, beside a checkpoint's weights: temperature, profiles and names that its training decided."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vibe_router.bundle.manifest import Labels
from vibe_router.errors import CheckpointError

# The published model card's profiles, thresholds on the raw scale sigmoid(z).
CARD_PROFILES: Mapping[str, float] = {
    "max-quality": 0.526,
    "conservative": 0.90,
    "balanced": 0.95,
    "cost-saving": 0.97,
    "aggressive": 0.99,
}
_KEYS = {"name", "version", "labels", "temperature", "ece_before", "ece_after", "default_profile", "profiles"}


@dataclass(frozen=True, kw_only=True)
class RouterConfig:
    """What `router_config.json` may say; absent keys keep these defaults.

    `temperature` is None where the checkpoint states none. `profiles` maps a name to a threshold on sigmoid(z).
    """

    name: str | None = None
    version: str = "0"
    labels: Labels = field(default_factory=lambda: Labels(device="LFM2.5-1.2B-Instruct", cloud="GPT-5.2"))
    temperature: float | None = None
    ece_before: float | None = None
    ece_after: float | None = None
    default_profile: str = "balanced"
    profiles: Mapping[str, float] = field(default_factory=lambda: dict(CARD_PROFILES))


def parse_router_config(text: str, *, where: str) -> RouterConfig:
    """Return the configuration that `text` holds; `where` names it in errors.

    Raises:
        CheckpointError: not JSON, an unknown key, or a value out of range.
    """
    raw = _object(_parse(text, where), where)
    unknown = sorted(set(raw) - _KEYS)
    if unknown:
        raise _bad(where, f"has unknown keys {unknown}")
    labels = raw.get("labels")
    values: dict[str, Any] = {key: value for key, value in raw.items() if key not in ("labels", "profiles")}
    for key in ("name", "version", "default_profile"):
        if key in values and not isinstance(values[key], str):
            raise _bad(where, f"{key} must be text")
    for key in ("temperature", "ece_before", "ece_after"):
        if values.get(key) is not None:
            values[key] = _number(values[key], f"{where}: {key}", positive=key == "temperature")
    if labels is not None:
        names = _object(labels, f"{where}: labels")
        if set(names) != {"device", "cloud"} or not all(isinstance(name, str) for name in names.values()):
            raise _bad(where, "labels must name device and cloud")
        values["labels"] = Labels(device=names["device"], cloud=names["cloud"])
    if "profiles" in raw:
        values["profiles"] = _profiles(raw["profiles"], f"{where}: profiles")
    config = RouterConfig(**values)
    if config.default_profile not in config.profiles:
        raise _bad(where, f"default_profile {config.default_profile!r} is not among the profiles")
    return config


def parse_profiles(text: str, *, where: str) -> dict[str, float]:
    """Return the profiles of a JSON object {name: raw threshold}.

    Raises:
        CheckpointError: not such an object, no profile in it, or a threshold outside 0..1.
    """
    return _profiles(_parse(text, where), where)


def _profiles(value: Any, where: str) -> dict[str, float]:
    profiles = {name: _number(threshold, f"{where}: {name}") for name, threshold in _object(value, where).items()}
    if not profiles or any(not 0 <= threshold <= 1 for threshold in profiles.values()):
        raise _bad(where, "needs at least one profile, each with a threshold from 0 to 1 on the raw scale")
    return profiles


def _parse(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _bad(where, f"is not valid JSON: {error}") from error


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _bad(where, "must be a JSON object")
    return value


def _number(value: Any, where: str, *, positive: bool = False) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= sys.float_info.max:
        raise _bad(where, f"is {value!r}, not a number")
    if positive and value <= 0:
        raise _bad(where, f"is {value!r}, not positive")
    return float(value)


def _bad(where: str, problem: str) -> CheckpointError:
    return CheckpointError(f"{where} {problem}", hint="correct the file or export without it")
