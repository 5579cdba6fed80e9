"""Temperature and thresholds of a checkpoint, from prompts that it was not fitted to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vibe_router.evaluation.dataset import LabelledPrompts
from vibe_router.evaluation.logistic import FloatArray, sigmoid
from vibe_router.evaluation.plots import png_bytes, reliability_figure, require_matplotlib, svg_bytes
from vibe_router.evaluation.reliability import reliability_bins
from vibe_router.evaluation.temperature import TemperatureFit, fit_temperature
from vibe_router_training.model import load_model
from vibe_router_training.router_config import (
    CLOUD_RATES,
    CONFIG_NAME,
    CalibrationRecord,
    RouterConfig,
    dump_router_config,
    read_profiles,
    replace_file,
)
from vibe_router_training.scoring import score_logits
from vibe_router_training.tokenizer import load_tokenizer


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """A checkpoint's new `router_config.json`, the fit behind it and the reliability diagram."""

    config: RouterConfig
    fit: TemperatureFit
    diagram_png: bytes
    diagram_svg: bytes


def calibrate(
    logits: FloatArray,
    preference: FloatArray,
    *,
    name: str,
    profiles: Mapping[str, float] | None = None,
) -> Calibrated:
    """Fit T to validation logits and soft labels, both float [n], and choose thresholds unless given.

    T minimises the negative log-likelihood (`vibe_router.evaluation.temperature`); ECE is over 15 equal-count
    bins. `profiles` are raw thresholds to keep.

    Raises:
        DataError: no temperature fits. MissingExtraError: scipy or matplotlib is not installed.
    """
    require_matplotlib()
    fitted = fit_temperature(logits, preference)
    raw, calibrated = sigmoid(logits), sigmoid(logits / fitted.temperature)
    figure = reliability_figure(
        {"raw": reliability_bins(raw, preference), "calibrated": reliability_bins(calibrated, preference)}
    )
    config = RouterConfig(
        name=name,
        temperature=fitted.temperature,
        profiles=dict(profiles) if profiles else choose_thresholds(raw, CLOUD_RATES),
        calibration=CalibrationRecord(
            ece_before=fitted.ece_before,
            ece_after=fitted.ece_after,
            rows=fitted.rows,
            bins=fitted.bins,
            binning=fitted.binning.value,
        ),
    )
    return Calibrated(
        config=config, fit=fitted, diagram_png=png_bytes(figure), diagram_svg=svg_bytes(figure)
    )


def choose_thresholds(raw: FloatArray, cloud_rates: Mapping[str, float]) -> dict[str, float]:
    """Return for each rate the threshold that sends that share of the scores `raw` (float [n]) to the cloud.

    The threshold lies halfway between the lowest score above it and the highest at or below it, so that the
    rounding of other engines moves no decision; a rate of 1 puts it halfway between 0 and the lowest score.
    """
    ordered = np.concatenate([[0.0], np.sort(raw)])
    thresholds = {}
    for name, rate in cloud_rates.items():
        kept = round((1.0 - rate) * len(raw))
        upper = float(ordered[kept + 1]) if kept < len(raw) else 1.0
        thresholds[name] = (float(ordered[kept]) + upper) / 2
    return thresholds


def calibrate_checkpoint(
    checkpoint: Path,
    data: LabelledPrompts,
    *,
    diagrams: Path | None = None,
    choose_profiles: bool = False,
) -> Calibrated:
    """Calibrate the checkpoint folder on `data` and write its `router_config.json` and reliability diagram.

    Thresholds that the checkpoint has already are kept unless `choose_profiles`. The diagram goes to
    `diagrams` as `reliability.png` and `reliability.svg`, by default into the checkpoint. Nothing is written
    before everything is computed.

    Raises:
        CheckpointError: the checkpoint cannot be read. DataError, MissingExtraError: as calibrate.
    """
    known = read_profiles(checkpoint)
    tokenizer = load_tokenizer(checkpoint)
    model = load_model(str(checkpoint))
    result = calibrate(
        score_logits(model, tokenizer, data.prompts),
        data.preference,
        name=str(known.get("name", checkpoint.resolve().name)),
        profiles=None if choose_profiles else known.get("profiles"),
    )
    folder = diagrams or checkpoint
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(folder / "reliability.png", result.diagram_png)
    replace_file(folder / "reliability.svg", result.diagram_svg)
    replace_file(checkpoint / CONFIG_NAME, dump_router_config(result.config).encode("utf-8"))
    return result
