"""Temperature and thresholds of a checkpoint, from prompts that it was not fitted to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from vibe_router.errors import CheckpointError
from vibe_router_export.checkpoint.router_config import RouterConfig
from vibe_router_tools.atomic.write import write_file
from vibe_router_tools.evaluation.dataset import LabelledPrompts
from vibe_router_tools.evaluation.logistic import FloatArray, sigmoid
from vibe_router_tools.evaluation.plots import png_bytes, reliability_figure, require_matplotlib, svg_bytes
from vibe_router_tools.evaluation.reliability import reliability_bins
from vibe_router_tools.evaluation.temperature import TemperatureFit, fit_temperature
from vibe_router_training.model import load_model
from vibe_router_training.router_config import (
    CONFIG_NAME,
    choose_thresholds,
    dump_router_config,
    read_router_config,
)
from vibe_router_training.scoring import score_logits
from vibe_router_training.tokenizer import load_tokenizer

DIAGRAM_NAMES = ("reliability.png", "reliability.svg")


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """A checkpoint's new configuration, the fit behind it, and the reliability diagram as PNG and SVG."""

    config: RouterConfig
    fit: TemperatureFit
    diagrams: tuple[bytes, bytes]

    def files(self) -> dict[str, bytes]:
        """Return everything as files of the checkpoint, by name."""
        text = dump_router_config(self.config).encode("utf-8")
        return {**dict(zip(DIAGRAM_NAMES, self.diagrams, strict=True)), CONFIG_NAME: text}


def calibrate(logits: FloatArray, preference: FloatArray, *, config: RouterConfig, choose_profiles: bool) -> Calibrated:
    """Return `config` with T fitted to logits and soft labels, both float [n], of a validation split.

    T minimises the negative log-likelihood (`vibe_router_tools.evaluation.temperature`); ECE is over 15 equal-count
    bins. With `choose_profiles` the thresholds are chosen for `CLOUD_RATES`, else those of `config` stay.

    Raises:
        DataError: no temperature fits. MissingExtraError: scipy or matplotlib is not installed.
    """
    require_matplotlib()
    fitted = fit_temperature(logits, preference)
    raw, calibrated = sigmoid(logits), sigmoid(logits / fitted.temperature)
    figure = reliability_figure(
        {"raw": reliability_bins(raw, preference), "calibrated": reliability_bins(calibrated, preference)}
    )
    result = replace(
        config,
        temperature=fitted.temperature,
        ece_before=fitted.ece_before,
        ece_after=fitted.ece_after,
        profiles=choose_thresholds(raw) if choose_profiles else config.profiles,
    )
    return Calibrated(config=result, fit=fitted, diagrams=(png_bytes(figure), svg_bytes(figure)))


def calibrate_checkpoint(
    checkpoint: Path, data: LabelledPrompts, *, diagrams: Path | None = None, choose_profiles: bool = False
) -> Calibrated:
    """Calibrate the checkpoint folder on `data` and write its `router_config.json` and reliability diagram.

    Thresholds that the checkpoint states are kept unless `choose_profiles`; where it states none they are
    chosen, for other models' thresholds mean nothing on its scale. The diagram goes to the folder `diagrams`,
    by default into the checkpoint. Nothing is written before everything is computed.

    Raises:
        CheckpointError: the checkpoint cannot be read. DataError, MissingExtraError: as calibrate.
    """
    require_matplotlib()
    # What a hub has is read, but cannot be written to.
    if not checkpoint.is_dir():
        raise CheckpointError(f"no checkpoint at {checkpoint}", hint="give a folder; download what a hub has first")
    tokenizer = load_tokenizer(checkpoint)
    known = read_router_config(checkpoint)
    result = calibrate(
        score_logits(load_model(str(checkpoint), fresh_head=False), tokenizer, data.prompts),
        data.preference,
        config=known or RouterConfig(),
        choose_profiles=choose_profiles or known is None,
    )
    (diagrams or checkpoint).mkdir(parents=True, exist_ok=True)
    for name, content in result.files().items():
        write_file((checkpoint if name == CONFIG_NAME else diagrams or checkpoint) / name, content)
    return result
