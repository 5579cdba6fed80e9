"""What a bundle is proven on: prompts, their ids, and the logits that the reference gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vibe_router.bundle.manifest import Manifest
from vibe_router.engines.protocol import Engine
from vibe_router.progress import Progress, ProgressCallback
from vibe_router.routing.scorer import score
from vibe_router.text.tokenizer import PromptTokenizer
from vibe_router.verify import GoldenPrompt
from vibe_router_export.checkpoint.checkpoint import Checkpoint
from vibe_router_export.emit.numpy.values import evaluate
from vibe_router_export.proof.golden import edge_prompts, mixed_prompts
from vibe_router_export.proof.parity import Case, ParityReport, check_ids, measure
from vibe_router_export.proof.reference import Reference
from vibe_router_tools.evenly import evenly

_OTHER_PROMPTS = 240
_SEED = 0


@dataclass(frozen=True)
class ProofCases:
    """The golden prompts' cases first, `golden` of them, then the others; `reference` None says nothing is proven."""

    cases: tuple[Case, ...]
    truncated: tuple[bool, ...]
    golden: int
    reference: str | None

    def golden_prompts(self, temperature: float) -> list[GoldenPrompt]:
        """Return what `golden.jsonl` holds: logits on the scale z / temperature."""
        return [
            GoldenPrompt(
                prompt=case.prompt,
                input_ids=tuple(case.ids.tolist()),
                truncated=truncated,
                logit=case.logit / temperature,
            )
            for case, truncated in zip(self.cases[: self.golden], self.truncated, strict=False)
        ]

    def name(self, more: Sequence[Case] = ()) -> str:
        """Return what a report calls the reference; the fp32 graph has scored `more` cases."""
        name = self.reference or "numpy"
        return (
            f"{name} on {len(self.cases)} prompts, the fp32 graph proven equal to it on {len(more)}" if more else name
        )

    def left_out(self, prompts: Sequence[str]) -> list[str]:
        """Return those of `prompts` that are not among the cases."""
        there = {case.prompt for case in self.cases}
        return [prompt for prompt in prompts if prompt not in there]


def collect_cases(
    checkpoint: Checkpoint,
    tokenizer: PromptTokenizer,
    *,
    reference: Reference | None,
    prompts: Sequence[str] | None,
    max_tokens: int,
    progress: ProgressCallback | None,
) -> ProofCases:
    """Score the golden prompts and `prompts` (None: 240 of mixed length) with the reference.

    Without a reference only the golden prompts are scored, by the numpy emitter; that checks the graph but proves
    nothing about PyTorch. `progress` is told how many of how many are done.

    Raises:
        ParityError: the runtime's token ids differ from the reference tokenizer's.
    """

    def ids(prompt: str) -> list[int]:
        encoded: list[int] = tokenizer.encode(prompt).ids.tolist()
        return encoded

    # Room enough to count what is a little longer than the limit.
    counter = PromptTokenizer((checkpoint.folder / "tokenizer.json").read_bytes(), max_tokens=2 * max_tokens)
    golden = edge_prompts(lambda text: len(counter.encode(text).ids), max_tokens=max_tokens)
    others = [] if reference is None else list(prompts or mixed_prompts(golden, count=_OTHER_PROMPTS, seed=_SEED))
    every = golden + others
    if reference is not None:
        check_ids(every, ids, lambda prompt: reference.ids(prompt, max_tokens=max_tokens))
    cases, truncated = [], []
    for done, prompt in enumerate(every, start=1):
        encoded = tokenizer.encode(prompt)
        truncated.append(encoded.truncated)
        if reference is not None:
            logit = reference.logit(encoded.ids.tolist())
        else:
            row = encoded.ids[None]
            logit = float(evaluate(checkpoint.weights, row, np.ones_like(row))[0])
        cases.append(Case(prompt, encoded.ids, logit))
        if progress is not None:
            progress(Progress(done, len(every)))
    return ProofCases(tuple(cases), tuple(truncated), len(golden), None if reference is None else reference.name)


def compare(manifest: Manifest, engine: Engine, cases: Sequence[Case], *, reference: str, band: float) -> ParityReport:
    """Return `measure` with the temperature, thresholds and padding of a bundle."""
    return measure(
        engine,
        cases,
        temperature=manifest.calibration.temperature,
        thresholds=manifest.thresholds,
        reference=reference,
        band=band,
    )


def spread(prompts: Sequence[str]) -> list[str]:
    """Return 240 of the prompts, taken evenly, for the reference to score; the proven fp32 graph scores the others.

    PyTorch is several times slower than the graph; thousands of prompts would take it an hour at base size.
    """
    return evenly(prompts, _OTHER_PROMPTS)


def score_with_graph(
    engine: Engine,
    tokenizer: PromptTokenizer,
    prompts: Sequence[str],
    *,
    temperature: float,
    progress: ProgressCallback | None,
) -> tuple[Case, ...]:
    """Return cases whose logits z come from a graph with `temperature` folded in that has passed its own gate."""
    cases = []
    for done, prompt in enumerate(prompts, start=1):
        ids = tokenizer.encode(prompt).ids
        cases.append(Case(prompt, ids, temperature * float(score(engine, [ids])[0])))
        if progress is not None:
            progress(Progress(done, len(prompts)))
    return tuple(cases)
