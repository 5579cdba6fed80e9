"""Write a chosen threshold as a named profile into a copy of a bundle, never into the bundle itself."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from vibe_router.bundle import Bundle, open_bundle
from vibe_router.calibration.choose import Goal, ThresholdChoice
from vibe_router.errors import UsageError
from vibe_router.evaluation.logistic import calibrated_from_raw, raw_from_calibrated
from vibe_router.manifest import MANIFEST_NAME, FileEntry, Manifest, Threshold, dump_manifest, parse_manifest

_CARD = "README.md"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def model_identity(manifest: Manifest) -> str:
    """Return a SHA-256 that two bundles share if and only if they give the same scores on the same scale.

    It covers the files of the bundle (graphs, tokenizer; not the card), the length limit and the
    calibration's temperature; not names or profiles, so that a copy with another profile keeps its
    identity.
    """
    content = {
        "files": {name: entry.sha256 for name, entry in manifest.files.items() if name != _CARD},
        "max_tokens": manifest.max_tokens,
        "temperature": manifest.calibration.temperature,
        "folded": manifest.calibration.folded,
    }
    text = json.dumps(content, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def both_scales(threshold: float, manifest: Manifest) -> Threshold:
    """Return a threshold on the scale of the bundle's scores as raw and calibrated.

    raw = sigmoid(T logit(calibrated)), calibrated = sigmoid(logit(raw) / T). The bundle's scores are
    calibrated where its temperature is folded into the graph, else raw; the figure on that scale is kept
    bit for bit.
    """
    temperature = manifest.calibration.temperature
    if manifest.calibration.folded:
        return Threshold(raw=float(raw_from_calibrated(threshold, temperature)), calibrated=threshold)
    return Threshold(raw=threshold, calibrated=float(calibrated_from_raw(threshold, temperature)))


def check_new_profile(bundle: Bundle, profile: str, folder: Path) -> None:
    """Raise what write_profile would raise about its arguments, before any work is done.

    Raises:
        UsageError: the profile exists or is not a plain name, the folder exists, or its parent does not.
    """
    known = bundle.manifest.thresholds
    if profile in known:
        raise UsageError(
            f"the bundle has a profile {profile!r} already",
            hint=f"choose another name than {', '.join(known)}",
        )
    if not _NAME.fullmatch(profile):
        raise UsageError(f"{profile!r} is not a plain name for a profile", hint="use letters, digits and -")
    if folder.exists() or folder.is_symlink():
        raise UsageError(f"{folder} exists", hint="name a folder that does not exist; nothing is overwritten")
    if not folder.absolute().parent.is_dir():
        raise UsageError(f"{folder.parent} is not a folder", hint="create it first")


def write_profile(bundle: Bundle, profile: str, choice: ThresholdChoice, folder: Path) -> None:
    """Write a copy of `bundle` with the new `profile` to `folder`.

    The copy is made in a temporary folder beside it, its files are checked against the manifest, and only
    then is it renamed. The default profile stays what it was. The bundle's card, where it has one, gains a
    section that says how the threshold was chosen.

    Raises:
        UsageError: as check_new_profile, or the copy cannot be written.
        BundleCorruptError: the bundle's files are not what its manifest says.
    """
    check_new_profile(bundle, profile, folder)
    threshold = both_scales(choice.threshold, bundle.manifest)
    thresholds = {**bundle.manifest.thresholds, profile: threshold}
    manifest = replace(bundle.manifest, thresholds=thresholds)
    target = folder.absolute()
    try:
        temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
        try:
            for name in manifest.files:
                copied = temporary / name
                copied.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(bundle.path(name), copied)
            Bundle(temporary, manifest).check()
            if _CARD in manifest.files:
                manifest = _extend_card(temporary, manifest, describe(profile, threshold, choice))
            text = dump_manifest(manifest)
            parse_manifest(text)
            (temporary / MANIFEST_NAME).write_text(text, encoding="utf-8")
            open_bundle(temporary).check()
            temporary.chmod(bundle.folder.stat().st_mode & 0o777)
            temporary.rename(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise UsageError(f"cannot write {folder}: {error.strerror}", hint="name a writable folder") from error


def describe(profile: str, threshold: Threshold, choice: ThresholdChoice) -> str:
    """Return the paragraph in Markdown that a bundle's card gains for a chosen profile."""
    confidence = f"{choice.confidence:.0%}"
    if choice.goal is Goal.CLOUD_RATE:
        promise = f"a cloud rate of {choice.target:.3g} within {choice.tolerance:.3g} at {confidence} confidence"
        shares = "cloud rate"
    else:
        promise = f"at most {choice.target:.3g} catastrophic misses at {confidence} confidence"
        shares = "catastrophic misses"
    rows = "".join(
        f"- {label}: {share.value:.4f} [{share.low:.4f}, {share.high:.4f}] on {share.total} prompts\n"
        for label, share in {
            f"{shares}, prompts chosen on": choice.chosen,
            f"{shares}, held-out prompts": choice.checked,
            "cloud rate, held-out prompts": choice.cloud_rate,
        }.items()
    )
    return (
        f"\n## Profile `{profile}`\n\n"
        f"Threshold {threshold.calibrated:.6f} calibrated, {threshold.raw:.6f} raw; chosen with "
        f"`vibe-router calibrate` on the user's own prompts for {promise}.\n\n{rows}"
    )


def _extend_card(folder: Path, manifest: Manifest, section: str) -> Manifest:
    card = folder / _CARD
    content = card.read_bytes() + section.encode()
    card.write_bytes(content)
    entry = FileEntry(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    return replace(manifest, files={**manifest.files, _CARD: entry})
