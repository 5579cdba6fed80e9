"""Write `router_config.json` and choose the thresholds in it; `vibe_router_export.checkpoint` reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from vibe_router_export.checkpoint.files import has_file, read_text
from vibe_router_export.checkpoint.router_config import RouterConfig, parse_router_config
from vibe_router_tools.evaluation.logistic import FloatArray

CONFIG_NAME = "router_config.json"

CLOUD_RATES: Mapping[str, float] = {
    "max-quality": 1.0,
    "conservative": 0.85,
    "balanced": 0.65,
    "cost-saving": 0.55,
    "aggressive": 0.25,
}
"""The share of prompts that each profile sends to the cloud; its threshold is chosen to come near it."""


def choose_thresholds(raw: FloatArray, cloud_rates: Mapping[str, float] = CLOUD_RATES) -> dict[str, float]:
    """Return for each rate the threshold that sends that share of the scores `raw` (float [n]) to the cloud.

    The threshold lies halfway between the lowest score above it and the highest at or below it, so that the
    rounding of other engines moves no decision; a rate of 1 puts it halfway between 0 and the lowest score.
    """
    ordered = np.concatenate([[0.0], np.sort(raw), [1.0]])
    thresholds = {}
    for name, rate in cloud_rates.items():
        kept = round((1.0 - rate) * len(raw))
        thresholds[name] = float(ordered[kept] + ordered[kept + 1]) / 2
    return thresholds


def read_router_config(checkpoint: Path) -> RouterConfig | None:
    """Return what the checkpoint's file says, None where it has none.

    Raises:
        CheckpointError: the file is not one that the exporter would read.
    """
    if not has_file(checkpoint, CONFIG_NAME):
        return None
    return parse_router_config(read_text(checkpoint, CONFIG_NAME), where=CONFIG_NAME)


def dump_router_config(config: RouterConfig) -> str:
    """Return the file's text."""
    return json.dumps(asdict(config), indent=2, allow_nan=False, ensure_ascii=False) + "\n"
