"""The card of a bundle, README.md: sections that are written again where what they say changes."""

from __future__ import annotations

import re
from pathlib import Path

from vibe_router.bundle.manifest import Manifest
from vibe_router_tools.markdown import table

CARD = "README.md"
SCORES = "## Scores"
_NEXT = "\n## "


def read_card(folder: Path) -> str:
    """Return the card of the bundle in `folder`, empty where it has none. What is no UTF-8 stays as it is."""
    try:
        return (folder / CARD).read_text("utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return ""


def write_card(folder: Path, card: str) -> None:
    """Write the card of the bundle in `folder`."""
    (folder / CARD).write_text(card, encoding="utf-8", errors="surrogateescape")


def scores_section(manifest: Manifest) -> str:
    """Return what the manifest says of scores and thresholds as a section in Markdown."""
    calibration = manifest.calibration
    ece = (
        f" Expected calibration error on validation data: {calibration.ece_before:.4f} before, "
        f"{calibration.ece_after:.4f} after."
        if calibration.ece_before is not None and calibration.ece_after is not None
        else ""
    )
    temperature = f"{calibration.temperature:g}"
    outputs = (
        f"The graphs return `logits` = z / {temperature} and `p_cloud` = sigmoid(logits), z being the checkpoint's\n"
        f"own logit. Source of the temperature: {calibration.source}.{ece}\n"
        "A request goes to the cloud if p_cloud is above the threshold of the profile:\n"
        if calibration.folded
        else f"The graphs return `logits` = z, the checkpoint's own logit, and `p_cloud` = sigmoid(z). The calibrated\n"
        f"probability is sigmoid(z / {temperature}). Source of the temperature: {calibration.source}.{ece}\n"
        "A request goes to the cloud if sigmoid(z) is above the raw threshold of the profile:\n"
    )
    profiles = [
        (f"{name}{' (default)' if name == manifest.default_profile else ''}", f"{one.raw:.4f}", f"{one.calibrated:.4f}")
        for name, one in manifest.thresholds.items()
    ]
    columns = ("profile", "raw threshold, sigmoid(z)", "calibrated threshold, p_cloud")
    return (
        f"{SCORES}\n\n{outputs}\n{table(columns, profiles)}\n"
        "A score is a hint about quality. It is not a privacy or a safety boundary.\n"
    )


def with_scores(card: str, manifest: Manifest) -> str:
    """Return the card with the section on scores as the manifest has it; other sections stay in their places."""
    section = scores_section(manifest)
    start = _start(card, re.escape(SCORES))
    if start is None:
        return with_section(card, section)
    end = card.find(_NEXT, start)
    return card[:start] + section + (card[end:] if end >= 0 else "")


def with_section(card: str, section: str, *, instead_of: str | None = None) -> str:
    """Return the card with the section at its end, in place of one of the same heading.

    `instead_of` is an expression for the headings that it replaces, where they are others.
    """
    pattern = re.escape(section.splitlines()[0]) if instead_of is None else instead_of
    while (start := _start(card, pattern)) is not None:
        end = card.find(_NEXT, start)
        card = card[:start] + (card[end + 1 :] if end >= 0 else "")
    return f"{card.rstrip()}\n\n{section}"


def _start(card: str, heading: str) -> int | None:
    found = re.search(rf"^{heading}$", card, re.MULTILINE)
    return None if found is None else found.start()
