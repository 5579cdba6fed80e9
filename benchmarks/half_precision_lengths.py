"""How far fp16 moves the scores of a multifunction package, by length: each function interpreted, against PyTorch.

    python benchmarks/half_precision_lengths.py CHECKPOINT [CHECKPOINT ...]

Prints a Markdown table. A package has the lengths 64, 128 and 512, layout `ane`; three sequences of random tokens fill
each function by five tokens, by half, and wholly. Needs torch, transformers and coremltools.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vibe_router.policy import sigmoid
from vibe_router_export.activations import norm_inputs
from vibe_router_export.checkpoint import Checkpoint, read_checkpoint
from vibe_router_export.coreml_options import Layout, Target, quiet_coremltools
from vibe_router_export.half_precision import HalfPrecisionFolds, choose_residual_scale, fold_for_half_precision
from vibe_router_export.mil_interpreter.arithmetic import Rounding
from vibe_router_export.mil_interpreter.program import InterpretedProgram
from vibe_router_export.reference import Reference

LENGTHS = (64, 128, 512)


def main() -> None:
    """Run and print."""
    _print("| checkpoint | tokens | arithmetic | \\|dlogit\\| | \\|dp\\| |")
    _print("|---|---|---|---|---|")
    for source in sys.argv[1:]:
        checkpoint = read_checkpoint(source)
        with tempfile.TemporaryDirectory() as folder:
            packages = _write(checkpoint, Path(folder))
            for row in _rows(checkpoint, packages):
                _print(row)


def _write(checkpoint: Checkpoint, folder: Path) -> Sequence[Path]:
    with quiet_coremltools():
        from vibe_router_export.coreml_package import write_packages
    random = np.random.default_rng(1)
    ids = np.stack([_sequence(checkpoint, 48, random) for _ in range(8)])
    met = norm_inputs(fold_for_half_precision(checkpoint.weights, HalfPrecisionFolds()), ids, np.ones_like(ids))
    folds = HalfPrecisionFolds(residual_scale=choose_residual_scale(met.sum_of_squares))
    folded = fold_for_half_precision(checkpoint.weights, folds)
    return write_packages(folded, folder, lengths=list(LENGTHS), layout=Layout.ANE, target=Target.MACOS15)


def _rows(checkpoint: Checkpoint, packages: Sequence[Path]) -> Iterator[str]:
    random = np.random.default_rng(0)
    reference = Reference(checkpoint)
    sequences = {
        tokens: [_sequence(checkpoint, length, random) for length in (5, tokens // 2 + 1, tokens)] for tokens in LENGTHS
    }
    expected = {tokens: [reference.logit(ids.tolist()) for ids in rows] for tokens, rows in sequences.items()}
    for rounding in (Rounding.HALF, Rounding.PESSIMISTIC):
        program = InterpretedProgram(packages, rounding)
        for tokens in LENGTHS:
            padded = np.full((len(sequences[tokens]), tokens), checkpoint.config.pad_token_id, np.int32)
            for row, ids in enumerate(sequences[tokens]):
                padded[row, : len(ids)] = ids
            logits = [program.logit(row[None]) for row in padded]
            pairs = list(zip(logits, expected[tokens], strict=True))
            logit_difference = max(abs(got - want) for got, want in pairs)
            difference = max(abs(sigmoid(got) - sigmoid(want)) for got, want in pairs)
            yield f"| {checkpoint.source} | {tokens} | {rounding.value} | {logit_difference:.1e} | {difference:.1e} |"
        program.close()


def _sequence(checkpoint: Checkpoint, length: int, random: np.random.Generator) -> NDArray[np.int64]:
    config = checkpoint.config
    ids = random.integers(0, config.vocabulary_size, length)
    ids[ids == config.pad_token_id] = config.sep_token_id
    ids[0], ids[-1] = config.cls_token_id, config.sep_token_id
    return ids


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
