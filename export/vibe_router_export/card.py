"""The README.md of a bundle: a model card that says what was measured and what was not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from vibe_router.bundle.manifest import EngineFile, Labels, Manifest
from vibe_router_export.checkpoint.router_config import UNSTATED_LABELS
from vibe_router_export.choices import Target
from vibe_router_tools.card import scores_section

if TYPE_CHECKING:
    from vibe_router_export.proof.coreml_gate import CoreMLParity
    from vibe_router_export.recipes.recipe import KeptMatrix


def bundle_card(
    manifest: Manifest, *, kept: Iterable[tuple[str, KeptMatrix]], training_card: str | None, license: str | None
) -> str:
    """Return the card of a new bundle as Markdown, which says nothing that neither checkpoint nor caller have said.

    `kept` pairs a file with a matrix that it holds in a higher precision; `training_card` is the checkpoint's own
    account of its training, if it has one; `license` is an identifier.
    """
    stated = "" if license is None else f"license: {license}\n"
    return f"""---
{stated}library_name: vibe-router
pipeline_tag: text-classification
tags: [llm-routing, modernbert, onnx]
---

# {manifest.name}

{_sides(manifest.labels)}
Exported from the checkpoint `{manifest.provenance.checkpoint}` by vibe-router.

```python
from vibe_router import Router

router = Router.load("path/to/this/folder")
print(router.route("what is 2+2?").target)
```

{scores_section(manifest)}
## Parity with PyTorch

{parity_table(manifest.engines)}
{kept_matrices(kept)}
`golden.jsonl` holds edge prompts with their ids and the reference's logits; `vibe-router verify` replays them on any
machine without torch.
{_training(training_card)}"""


def _sides(labels: Labels) -> str:
    device, cloud = (
        "" if name == unstated else f" ({name})"
        for name, unstated in ((labels.device, UNSTATED_LABELS.device), (labels.cloud, UNSTATED_LABELS.cloud))
    )
    return f"Decides whether a chat request is answered on the device{device} or in the cloud{cloud}."


def native_section(entry: EngineFile, kept: Iterable[KeptMatrix]) -> str:
    """Return the section as Markdown."""
    return f"""## Native engine: {entry.file}

For vibe-router's own engine, on processors with products of bytes (AVX-VNNI, AVX-512 VNNI, AMX, NEON). The encoder's
matrices are int8 with one scale an output, activations are rounded to int8 with one scale a token, embedding rows are
int8, everything else is fp32. A prompt's logit is the same, bit by bit, alone, in any batch and on every processor.

{parity_table([entry])}
{kept_matrices((entry.file, matrix) for matrix in kept)}"""


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
    return f"""## Core ML: {file}

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


def parity_table(engines: Sequence[EngineFile]) -> str:
    """Return a table of what was measured for each of the files, and against what."""
    rows = []
    for engine in engines:
        if engine.parity is None:
            rows.append(f"| {engine.file} | {engine.precision} | unproven | | | | |")
            continue
        parity = engine.parity
        percentile = parity.percentile_99_abs_probability_difference
        rows.append(
            f"| {engine.file} | {engine.precision} | {parity.prompts} | {parity.max_abs_logit_difference:.1e} | "
            f"{parity.max_abs_probability_difference:.1e} | {'' if percentile is None else f'{percentile:.1e}'} | "
            f"{parity.flips} ({parity.flips_outside_band} outside the band of {parity.band:g}) |"
        )
    header = (
        "| file | precision | prompts | max \\|dlogit\\| | max \\|dp\\| | 99th percentile \\|dp\\| | decision flips |\n"
        "|---|---|---|---|---|---|---|\n"
    )
    references = [f"{engine.precision}: {engine.parity.reference}" for engine in engines if engine.parity is not None]
    against = f"\n\nReference for {'; '.join(references)}." if references else ""
    return header + "\n".join(rows) + against


def kept_matrices(kept: Iterable[tuple[str, KeptMatrix]]) -> str:
    """Return a list of (file, matrix that it holds in a higher precision), or nothing."""
    lines = [f"- `{file}` keeps `{one.name}` in {one.precision.value}: {one.reason}.\n" for file, one in kept]
    return "\n" + "".join(lines) if lines else ""


def _training(card: str | None) -> str:
    return "" if card is None else f"\n## Training\n\n{card.strip()}\n"
