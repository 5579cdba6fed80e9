"""The part of a bundle's README.md that speaks of its Core ML packages."""

from __future__ import annotations

from collections.abc import Sequence

from vibe_router_export.proof.coreml_gate import CoreMLParity
from vibe_router_export.recipes.coreml_options import Target

_HEADING = "## Core ML: "


def coreml_section(file: str, lengths: Sequence[int], parity: CoreMLParity, *, target: Target) -> str:
    """Return the section as Markdown."""
    numbers, rough = parity.half.numbers, parity.pessimistic.numbers
    functions = ", ".join(f"`tokens_{length}`" for length in lengths)
    inside = (
        f"One package for macOS 15 and iOS 18 with the functions {functions}, which share one set of weights; the "
        "longest is the default."
        if target is Target.MACOS15
        else f"Packages for macOS 14 and iOS 17, one for each of {', '.join(map(str, lengths))} tokens."
    )
    return f"""{_HEADING}{file}

{inside}
Input: `input_ids`, int32 (1, tokens): the ids, filled up to the function's length with the padding id.
Outputs, fp32: `logit` and `p_cloud`, on the scale of the thresholds above. Take the shortest length that fits.

Checked without a Mac, by interpreting the saved packages with every tensor rounded to fp16:

| against | prompts | max \\|dlogit\\| | max \\|dp\\| | decision flips | max \\|dp\\| with sums in fp16 too |
|---|---|---|---|---|---|
| {numbers.reference} | {numbers.prompts} | {numbers.max_abs_logit_difference:.1e} | \
{numbers.max_abs_probability_difference:.1e} | \
{numbers.flips} ({numbers.flips_outside_band} outside the band of {numbers.band:g}) | \
{rough.max_abs_probability_difference:.1e} on {rough.prompts} prompts |

Speed and placement on Apple hardware have not been measured.
"""
