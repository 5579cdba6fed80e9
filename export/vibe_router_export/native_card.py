"""The part of a bundle's README.md that speaks of the native engine's file."""

from __future__ import annotations

from collections.abc import Iterable

from vibe_router.bundle.manifest import EngineFile
from vibe_router_export.card import kept_matrices, parity_table
from vibe_router_export.recipes.low_precision import KeptMatrix


def native_section(entry: EngineFile, kept: Iterable[KeptMatrix]) -> str:
    """Return the section as Markdown."""
    return f"""## Native engine: {entry.file}

For vibe-router's own engine, on processors with products of bytes (AVX-VNNI, AVX-512 VNNI, AMX, NEON). The encoder's
matrices are int8 with one scale an output, activations are rounded to int8 with one scale a token, embedding rows are
int8, everything else is fp32. A prompt's logit is the same, bit by bit, alone, in any batch and on every processor.

{parity_table([entry])}
{kept_matrices((entry.file, matrix) for matrix in kept)}"""
