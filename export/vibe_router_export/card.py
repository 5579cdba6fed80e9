"""The README.md of a bundle: a model card that says what was measured and what was not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from vibe_router.bundle.manifest import EngineFile, Labels, Manifest, ParityNumbers
from vibe_router_export.checkpoint.router_config import UNSTATED_LABELS
from vibe_router_export.choices import Target
from vibe_router_tools.card import scores_section
from vibe_router_tools.markdown import table

if TYPE_CHECKING:
    from vibe_router_export.proof.coreml_gate import CoreMLParity
    from vibe_router_export.recipes.recipe import KeptMatrix


def bundle_card(
    manifest: Manifest, *, kept: Iterable[tuple[str, KeptMatrix]], training_card: str | None, license: str | None
) -> str:
    """Return the card of a new bundle as Markdown. It claims only what the checkpoint or the caller said.

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

For vibe-router's own engine, on processors with products of bytes (AVX2, AVX-VNNI, AVX-512 VNNI, AMX, NEON). The
encoder's matrices are int8 with one scale an output, activations are rounded to int8 with one scale a token, embedding
rows are int8, everything else is fp32. A prompt's logit is the same, bit by bit, alone, in any batch and on every
processor.

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
    columns = ("against", "prompts", "max |dlogit|", "max |dp|", "decision flips", "max |dp| with sums in fp16 too")
    row = (
        numbers.reference,
        str(numbers.prompts),
        f"{numbers.max_abs_logit_difference:.1e}",
        f"{numbers.max_abs_probability_difference:.1e}",
        _flips(numbers),
        f"{rough.max_abs_probability_difference:.1e} on {rough.prompts} prompts",
    )
    return f"""## Core ML: {file}

{inside}
Input: `input_ids`, int32 (1, tokens): the ids, filled up to the function's length with the padding id.
Outputs, fp32: `logit` and `p_cloud`, on the scale of the thresholds above. Take the shortest length that fits.

Checked without a Mac, by interpreting the saved packages with every tensor rounded to fp16:

{table(columns, [row])}
Speed and placement on Apple hardware have not been measured.
"""


def parity_table(engines: Sequence[EngineFile]) -> str:
    """Return a table of what was measured for each of the files, and against what."""
    columns = ("file", "precision", "prompts", "max |dlogit|", "max |dp|", "99th percentile |dp|", "decision flips")
    rows = [(engine.file, engine.precision, *_parity_cells(engine.parity)) for engine in engines]
    references = [f"{engine.precision}: {engine.parity.reference}" for engine in engines if engine.parity is not None]
    against = f"\n\nReference for {'; '.join(references)}." if references else ""
    return table(columns, rows).rstrip("\n") + against


def _parity_cells(parity: ParityNumbers | None) -> tuple[str, ...]:
    if parity is None:
        return ("unproven",)
    percentile = parity.percentile_99_abs_probability_difference
    return (
        str(parity.prompts),
        f"{parity.max_abs_logit_difference:.1e}",
        f"{parity.max_abs_probability_difference:.1e}",
        "" if percentile is None else f"{percentile:.1e}",
        _flips(parity),
    )


def _flips(parity: ParityNumbers) -> str:
    return f"{parity.flips} ({parity.flips_outside_band} outside the band of {parity.band:g})"


def kept_matrices(kept: Iterable[tuple[str, KeptMatrix]]) -> str:
    """Return a list of (file, matrix that it holds in a higher precision), or nothing."""
    lines = [f"- `{file}` keeps `{one.name}` in {one.precision.value}: {one.reason}.\n" for file, one in kept]
    return "\n" + "".join(lines) if lines else ""


def _training(card: str | None) -> str:
    return "" if card is None else f"\n## Training\n\n{card.strip()}\n"
