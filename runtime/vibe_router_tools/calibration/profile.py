"""A manifest after calibration: a chosen threshold as a named profile, or a fitted temperature."""

from __future__ import annotations

from dataclasses import replace

from vibe_router.bundle.manifest import Calibration, Manifest, Threshold, is_plain_name
from vibe_router.errors import UsageError
from vibe_router_tools.calibration.choose import Goal, ThresholdChoice
from vibe_router_tools.evaluation.logistic import calibrated_from_raw, raw_from_calibrated
from vibe_router_tools.evaluation.percent import percent
from vibe_router_tools.evaluation.temperature import TemperatureFit


def threshold_on_both_scales(threshold: float, calibration: Calibration) -> Threshold:
    """Return a threshold on the scale of the bundle's scores as raw and calibrated.

    raw = sigmoid(T logit(calibrated)), calibrated = sigmoid(logit(raw) / T). The bundle's scores are the
    calibrated ones where its temperature is folded into the graph, else the raw ones; the figure on that
    scale is kept exactly.
    """
    temperature = calibration.temperature
    if calibration.folded:
        return Threshold(raw=float(raw_from_calibrated(threshold, temperature)), calibrated=threshold)
    return Threshold(raw=threshold, calibrated=float(calibrated_from_raw(threshold, temperature)))


def check_new_profile(manifest: Manifest, profile: str) -> None:
    """Check that `profile` can be added, before any work is done for it.

    Raises:
        UsageError: the bundle has it already, or it is not a plain name.
    """
    if profile in manifest.thresholds:
        known = ", ".join(manifest.thresholds)
        raise UsageError(f"the bundle has a profile {profile!r} already", hint=f"choose another name than {known}")
    if not is_plain_name(profile):
        raise UsageError(f"{profile!r} is not a plain name for a profile", hint="use letters, digits and -")


def add_profile(manifest: Manifest, profile: str, choice: ThresholdChoice, *, default: bool) -> Manifest:
    """Return the manifest with the chosen threshold as the new `profile`, and as the `default` one where asked for.

    Raises:
        UsageError: as check_new_profile.
    """
    check_new_profile(manifest, profile)
    threshold = threshold_on_both_scales(choice.threshold, manifest.calibration)
    return replace(
        manifest,
        thresholds={**manifest.thresholds, profile: threshold},
        default_profile=profile if default else manifest.default_profile,
    )


def check_temperature_fits_in(manifest: Manifest) -> None:
    """Check that the manifest of a copy can carry another temperature.

    Raises:
        UsageError: the bundle's temperature is folded into its graph.
    """
    if manifest.calibration.folded:
        raise UsageError(
            "the temperature is folded into the graph of this bundle and cannot be changed in a copy",
            hint="leave --output out; the report names the temperature to export the checkpoint with again",
        )


def with_temperature(manifest: Manifest, fit: TemperatureFit) -> Manifest:
    """Return the manifest of an unfolded bundle with its temperature multiplied by the fitted one.

    An unfolded bundle decides on raw scores, so raw thresholds stay and calibrated ones move with the
    temperature; no decision changes. A folded temperature is part of the graph, and a manifest that said
    otherwise would lie.

    Raises:
        UsageError: as check_temperature_fits_in.
    """
    check_temperature_fits_in(manifest)
    calibration = replace(
        manifest.calibration,
        temperature=manifest.calibration.temperature * fit.temperature,
        source="vibe-router calibrate --temperature",
        ece_before=fit.ece_before,
        ece_after=fit.ece_after,
    )
    thresholds = {
        name: threshold_on_both_scales(threshold.raw, calibration) for name, threshold in manifest.thresholds.items()
    }
    return replace(manifest, calibration=calibration, thresholds=thresholds)


def describe_profile(profile: str, threshold: Threshold, choice: ThresholdChoice) -> str:
    """Return the section in Markdown that a bundle's card gains for a chosen profile."""
    confidence = f"{percent(choice.confidence)} confidence"
    if choice.goal is Goal.CLOUD_RATE:
        shares, promise = "cloud rate", f"a cloud rate of {choice.target:.12g} within {choice.tolerance:.12g}"
    else:
        shares, promise = "catastrophic misses", f"at most {choice.target:.12g} catastrophic misses"
    figures = {
        f"{shares}, prompts chosen on": choice.chosen,
        f"{shares}, held-out prompts": choice.checked,
        "cloud rate, held-out prompts": choice.cloud_rate,
    }
    rows = "".join(
        f"- {label}: {share.value:.4f} [{share.low:.4f}, {share.high:.4f}] on {share.total} prompts\n"
        for label, share in figures.items()
    )
    return (
        f"## Profile `{profile}`\n\n"
        f"Threshold {threshold.calibrated:.6f} calibrated, {threshold.raw:.6f} raw; chosen with "
        f"`vibe-router calibrate` on the user's own prompts for {promise} at {confidence}.\n\n{rows}"
    )


TEMPERATURE_HEADING = r"## Temperature [0-9.e+-]+"


def describe_temperature(temperature: float, fit: TemperatureFit) -> str:
    """Return the section in Markdown that a bundle's card gains for a new temperature."""
    return (
        f"## Temperature {temperature:.6g}\n\nFitted with `vibe-router calibrate --temperature` on "
        f"{fit.rows} of the user's own labelled prompts. ECE over {fit.bins} "
        f"{fit.binning.value} bins on these prompts: {fit.ece_before:.4f} before, {fit.ece_after:.4f} after.\n"
    )
