"""`vibe-router calibrate --temperature`: fit the temperature of a bundle's scores to a user's labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vibe_router_tools.evaluation.defaults import Binning

if TYPE_CHECKING:
    from vibe_router.bundle.bundle import Bundle
    from vibe_router_tools.commands.loading import Loading
    from vibe_router_tools.evaluation.temperature import TemperatureFit


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """How rows become labels, the bins of the calibration error, and what is written next to the report."""

    tau: float
    bins: int
    binning: Binning
    output: Path | None
    plots: Path | None


def calibrate_temperature(prompts: Path, loading: Loading, fitting: Fitting, *, as_json: bool) -> None:
    """Fit the temperature on labelled prompts, report it, and write a copy of the bundle where that can be.

    The fit is a factor on top of the bundle's own temperature. A bundle that was exported unfolded takes the
    product into its manifest. In a folded one the temperature is part of the graph, so the product is
    printed for the exporter and `output` is refused.

    Raises:
        UsageError: `output` with a folded bundle, or it exists.
        DataError: a bad row, a row without label, one class only, or no temperature fits.
        MissingExtraError: scipy is not installed; or matplotlib, where `plots` is given.
    """
    from vibe_router_tools.bundle_edit import CardSection, check_free, write_copy
    from vibe_router_tools.calibration.profile import (
        TEMPERATURE_HEADING,
        check_temperature_fits_in,
        describe_temperature,
        with_temperature,
    )
    from vibe_router_tools.console.output import progress_bar
    from vibe_router_tools.evaluation.dataset import collect_labelled, read_rows
    from vibe_router_tools.evaluation.logistic import logit, sigmoid
    from vibe_router_tools.evaluation.plots import reliability_figure, require_matplotlib, save_figures
    from vibe_router_tools.evaluation.reliability import reliability_bins
    from vibe_router_tools.evaluation.scoring import score_all
    from vibe_router_tools.evaluation.temperature import fit_temperature, require_scipy

    require_scipy()
    output, bins, binning = fitting.output, fitting.bins, fitting.binning
    if fitting.plots is not None:
        require_matplotlib()
    with loading.load() as router:
        bundle, manifest = router.bundle, router.bundle.manifest
        if output is not None:
            check_free(output)
            check_temperature_fits_in(manifest)
        rows = list(read_rows(prompts, tau=fitting.tau))
        labelled = collect_labelled(rows, str(prompts))
        with progress_bar("scoring", total=len(rows)) as progress:
            scored = score_all(router, rows, str(prompts), progress=progress)
    logits = logit(scored.calibrated)
    fit = fit_temperature(logits, labelled.preference, bins=bins, binning=binning)
    if output is not None:
        text = describe_temperature(manifest.calibration.temperature * fit.temperature, fit)
        section = CardSection(text, instead_of=TEMPERATURE_HEADING)
        write_copy(bundle, output, with_temperature(manifest, fit), card_section=section)
    if fitting.plots is not None:
        series = {
            name: reliability_bins(scores, labelled.preference, bins=bins, binning=binning)
            for name, scores in (("before", scored.calibrated), ("after", sigmoid(logits / fit.temperature)))
        }
        save_figures({"reliability": reliability_figure(series)}, fitting.plots)
    _report(bundle, fit, bins=bins, binning=binning, output=output, as_json=as_json)


def _report(
    bundle: Bundle, fit: TemperatureFit, *, bins: int, binning: Binning, output: Path | None, as_json: bool
) -> None:
    from vibe_router_tools.console.output import print_json, print_line, print_table
    from vibe_router_tools.evaluation.jsonable import jsonable

    manifest = bundle.manifest
    temperature = manifest.calibration.temperature * fit.temperature
    if as_json:
        facts = {
            "bundle": {"name": manifest.name, "version": manifest.version},
            "bundle_temperature": manifest.calibration.temperature,
            "new_temperature": temperature,
            "fit": fit,
            "output": None if output is None else str(output),
        }
        print_json(jsonable(facts))
        return
    print_table(
        f"Temperature of {manifest.name} on {fit.rows} labelled prompts",
        ("what", "value"),
        [
            ("the bundle's", f"{manifest.calibration.temperature:.6g}"),
            ("fitted on top of it", f"{fit.temperature:.6g}"),
            ("new temperature", f"{temperature:.6g}"),
            (f"ECE, {bins} {binning.value} bins", f"{fit.ece_before:.4f} -> {fit.ece_after:.4f}"),
            ("negative log-likelihood", f"{fit.nll_before:.5f} -> {fit.nll_after:.5f}"),
        ],
    )
    if output is not None:
        print_line(f"wrote {output}")
    elif manifest.calibration.folded:
        print_line(f"to use it, export again: router-export onnx CHECKPOINT --temperature {temperature:.6g}")
