"""`router_config.json`, next to a checkpoint's weights: temperature, profiles and names that its training decided."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vibe_router.bundle.manifest import MAX_TEMPERATURE, MIN_TEMPERATURE, Labels, is_plain_name
from vibe_router.bundle.strict_json import shown
from vibe_router.errors import CheckpointError
from vibe_router_export.checkpoint.files import parse_object

# Where nobody says what the two sides are, they are called by what they do.
UNSTATED_LABELS = Labels(device="device", cloud="cloud")
# Without a chosen threshold, the cloud is asked if its answer is more likely the better one.
UNSTATED_PROFILES: Mapping[str, float] = {"balanced": 0.5}
_LICENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,63}")
_LONGEST_MODEL_NAME = 128
_TEXTS, _NUMBERS = ("name", "version", "license", "default_profile"), ("temperature", "ece_before", "ece_after")
_KEYS = {*_TEXTS, *_NUMBERS, "labels", "profiles"}


@dataclass(frozen=True, kw_only=True)
class RouterConfig:
    """What `router_config.json` may say; absent keys keep these defaults.

    `temperature` is None where the checkpoint states none. `profiles` maps a name to a threshold on sigmoid(z).
    `license` is an identifier such as apache-2.0, for the model card; `labels` name the models of the two sides.
    """

    name: str | None = None
    version: str = "0"
    license: str | None = None
    labels: Labels = UNSTATED_LABELS
    temperature: float | None = None
    ece_before: float | None = None
    ece_after: float | None = None
    default_profile: str = "balanced"
    profiles: Mapping[str, float] = field(default_factory=lambda: dict(UNSTATED_PROFILES))


def parse_router_config(text: str, *, where: str) -> RouterConfig:
    """Return the configuration that `text` holds; `where` names it in errors.

    Raises:
        CheckpointError: not JSON, an unknown key, or a value out of range.
    """
    raw = {key: value for key, value in parse_object(text, where).items() if value is not None}
    unknown = sorted(set(raw) - _KEYS)
    if unknown:
        raise _bad(where, f"has unknown keys {unknown}")
    labels = raw.get("labels")
    values: dict[str, Any] = {key: value for key, value in raw.items() if key not in ("labels", "profiles")}
    for key in _TEXTS:
        if key in values and not isinstance(values[key], str):
            raise _bad(where, f"{key} must be text")
    if not is_plain_name(values.get("name", "unnamed")):
        raise _bad(where, f"has a name that is no plain name, {shown(values['name'])}")
    if not is_licence(values.get("license", "none")):
        raise _bad(where, f"has a license that is no identifier, {shown(values['license'])}")
    for key in _NUMBERS:
        if values.get(key) is not None:
            values[key] = _number(values[key], f"{where}: {key}", positive=key == "temperature")
    if labels is not None:
        names = _object(labels, f"{where}: labels")
        if set(names) != {"device", "cloud"} or not all(is_model_name(name) for name in names.values()):
            raise _bad(where, "labels must name device and cloud, each in one short line")
        values["labels"] = Labels(device=names["device"], cloud=names["cloud"])
    if "profiles" in raw:
        values["profiles"] = _profiles(raw["profiles"], f"{where}: profiles")
    if not MIN_TEMPERATURE <= values.get("temperature", 1.0) <= MAX_TEMPERATURE:
        raise _bad(where, f"has the temperature {values['temperature']}, outside {MIN_TEMPERATURE}..{MAX_TEMPERATURE}")
    config = RouterConfig(**values)
    if config.default_profile not in config.profiles:
        raise _bad(where, f"default_profile {config.default_profile!r} is not among the profiles")
    return config


def parse_profiles(text: str, *, where: str) -> dict[str, float]:
    """Return the profiles of a JSON object {name: raw threshold}.

    Raises:
        CheckpointError: not such an object, no profile in it, a name that is no plain name, or a threshold outside
            0..1.
    """
    return _profiles(parse_object(text, where), where)


def is_licence(text: str) -> bool:
    """Return whether a model card may name this as its licence: an identifier without white space."""
    return _LICENCE.fullmatch(text) is not None


def is_model_name(text: Any) -> bool:
    """Return whether a model card may use this name of a model: one short line of printable text."""
    return isinstance(text, str) and 0 < len(text) <= _LONGEST_MODEL_NAME and text.isprintable()


def _profiles(value: Any, where: str) -> dict[str, float]:
    profiles = {
        name: _number(threshold, f"{where}: {shown(name)}") for name, threshold in _object(value, where).items()
    }
    if not profiles or any(not 0 <= threshold <= 1 for threshold in profiles.values()):
        raise _bad(where, "needs at least one profile, each with a threshold from 0 to 1 on the raw scale")
    for name in profiles:
        if not is_plain_name(name):
            raise _bad(where, f"has a profile whose name is no plain name, {shown(name)}")
    return profiles


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _bad(where, "must be a JSON object")
    return value


def _number(value: Any, where: str, *, positive: bool = False) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= sys.float_info.max:
        raise _bad(where, f"is {shown(value)}, not a number")
    if positive and value <= 0:
        raise _bad(where, f"is {shown(value)}, not positive")
    return float(value)


def _bad(where: str, problem: str) -> CheckpointError:
    return CheckpointError(f"{where} {problem}", hint="correct the file or export without it")
