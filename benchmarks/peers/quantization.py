"""Movement of one checkpoint's logits by int8 and int4, by this project's graphs and by other tools.

Everything is compared with the fp32 graph, prompts alone. The unit of errors is the standard deviation of the fp32
logits over the prompts: an error of 1 leaves nothing of the score.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.quantization_ways import MAX_TOKENS, Way, ways_to_run
from vibe_router.policy import LOW_PRECISION_BAND, above, sigmoid
from vibe_router.progress import Progress, ProgressCallback
from vibe_router.text.tokenizer import PromptTokenizer
from vibe_router_export.checkpoint.checkpoint import read_checkpoint
from vibe_router_export.proof.golden import EXAMPLES, mixed_prompts
from vibe_router_tools.evenly import evenly

COLUMNS = ("way", "MB", "error rms", "error max", "max |dp|", "flips", "outside the band", "kept in fp32")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One way to run the checkpoint; errors in standard deviations of the logit, `megabytes` null where no file is."""

    way: str
    megabytes: float | None
    rms_error: float
    max_error: float
    max_abs_probability_difference: float
    flips: int
    flips_outside_band: int
    kept: tuple[str, ...] = ()

    def cells(self) -> tuple[str, ...]:
        """Return the row as text, in the order of `COLUMNS`."""
        size = "" if self.megabytes is None else f"{self.megabytes:.1f}"
        errors = (f"{self.rms_error:.4f}", f"{self.max_error:.4f}", f"{self.max_abs_probability_difference:.4f}")
        kept = ", ".join(name.removeprefix("model.layers.").removesuffix(".weight") for name in self.kept)
        return (self.way, size, *errors, str(self.flips), str(self.flips_outside_band), kept)


@dataclass(frozen=True, kw_only=True)
class Result:
    """All ways for one checkpoint."""

    label: str
    checkpoint: str
    checkpoint_sha256: str
    prompts: int
    logit_mean: float
    logit_deviation: float
    rows: tuple[Row, ...]

    def fields(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return asdict(self)


def measure_checkpoint(
    source: str,
    *,
    label: str,
    prompts: Sequence[str] | None,
    count: int,
    threads: int,
    progress: ProgressCallback,
) -> Result:
    """Score `count` prompts in every way; `prompts` None means made-up ones.

    Raises:
        CheckpointError: `source` is not a checkpoint that can be exported.
    """
    checkpoint = read_checkpoint(source)
    texts = list(prompts or mixed_prompts(EXAMPLES, count=count, seed=0))
    chosen = evenly(texts, count)
    tokenizer = PromptTokenizer((checkpoint.folder / "tokenizer.json").read_bytes(), max_tokens=MAX_TOKENS)
    sequences = [tokenizer.encode(text).ids for text in chosen]
    with tempfile.TemporaryDirectory() as folder:
        ways = ways_to_run(checkpoint, Path(folder), sequences, threads=threads)
        exact = _scores(next(ways), sequences)
        rows = []
        for done, way in enumerate(ways, start=1):
            rows.append(_row(way, _scores(way, sequences), exact, checkpoint.router.profiles))
            progress(Progress(done, None))
    return Result(
        label=label,
        checkpoint=checkpoint.source,
        checkpoint_sha256=checkpoint.sha256,
        prompts=len(sequences),
        logit_mean=float(exact.mean()),
        logit_deviation=float(exact.std()),
        rows=tuple(rows),
    )


def _scores(way: Way, sequences: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
    return np.array([way.score(ids) for ids in sequences])


def _row(way: Way, scores: NDArray[np.float64], exact: NDArray[np.float64], profiles: Mapping[str, float]) -> Row:
    errors = (scores - exact) / exact.std()
    pairs = [(sigmoid(z), sigmoid(reference)) for z, reference in zip(scores, exact, strict=True)]
    flipped = [
        abs(reference - threshold)
        for p, reference in pairs
        for threshold in profiles.values()
        if above(p, threshold) != above(reference, threshold)
    ]
    return Row(
        way=way.name,
        megabytes=None if way.bytes is None else way.bytes / 1e6,
        rms_error=float(np.sqrt(np.square(errors).mean())),
        max_error=float(np.abs(errors).max()),
        max_abs_probability_difference=max(abs(p - reference) for p, reference in pairs),
        flips=len(flipped),
        flips_outside_band=sum(distance >= LOW_PRECISION_BAND for distance in flipped),
        kept=way.kept,
    )
