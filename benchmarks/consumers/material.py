"""The prompts that consumers are given, and the runtime's ids and scores of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from vibe_router import Router
from vibe_router.verify import read_golden
from vibe_router_tools.evenly import evenly


@dataclass(frozen=True)
class Material:
    """A bundle, and what the runtime makes of some prompts with its fp32 graph.

    `ids` are those of each prompt, `p_cloud` its score, `threshold` that of the default profile.
    """

    bundle: Path
    name: str
    max_tokens: int
    threshold: float
    prompts: tuple[str, ...]
    ids: tuple[tuple[int, ...], ...]
    p_cloud: tuple[float, ...]


def material(bundle: Path, more: list[str], *, count: int | None) -> Material:
    """Score the golden prompts of `bundle` and then `more`; at most `count` of each, evenly taken."""
    with Router.load(bundle, engine="onnx-cpu", precision="fp32", threads=1) as router:
        golden = [row.prompt for row in read_golden(router.bundle)]
        prompts = [*evenly(golden, count or len(golden)), *evenly(more, count or len(more))]
        decisions = [router.route(prompt) for prompt in prompts]
        ids = [tuple(router.tokenizer.encode(prompt).ids.tolist()) for prompt in prompts]
        manifest = router.bundle.manifest
        pooling = json.loads((bundle / "config.json").read_text("utf-8")).get("classifier_pooling", "cls")
        return Material(
            bundle=bundle.resolve(),
            name=f"{manifest.name}, {pooling}",
            max_tokens=manifest.max_tokens,
            threshold=decisions[0].threshold,
            prompts=tuple(prompts),
            ids=tuple(ids),
            p_cloud=tuple(float(decision.p_cloud or 0) for decision in decisions),
        )
