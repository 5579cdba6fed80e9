"""`python -m benchmarks adversarial`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.results_file import RESULTS
from vibe_router_tools.console.output import print_table, progress_bar


def adversarial(
    prompts: Annotated[
        Path | None,
        typer.Option(help="JSONL of real prompts; default: the shared ones, else the bundle's golden ones."),
    ] = None,
    bundle: Annotated[str | None, typer.Option(help="A bundle; default: the bundled one.")] = None,
    count: Annotated[int, typer.Option(min=1, help="How many prompts to edit.")] = 400,
    tuning: Annotated[int, typer.Option(min=1, help="How many others a gadget for all prompts is tuned on.")] = 16,
    specific: Annotated[int, typer.Option(min=1, help="How many prompts get gadgets of their own.")] = 30,
    tokens: Annotated[int, typer.Option(min=1, help="Tokens of a gadget.")] = 10,
    steps: Annotated[int, typer.Option(min=1, help="Steps of the search for one.")] = 40,
    candidates: Annotated[int, typer.Option(min=1, help="Tokens tried in a step.")] = 16,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    output: Annotated[Path, typer.Option("-o", "--output")] = RESULTS / "adversarial.json",
) -> None:
    """Measure how many decisions edits and gadgets turn towards the cloud and towards the device."""
    from dataclasses import asdict

    from benchmarks.hardening.adversarial.gadgets import Search
    from benchmarks.hardening.adversarial.measure import Settings, measure
    from benchmarks.prompts import real_prompts
    from benchmarks.results_file import write_with_machine
    from vibe_router.router import Router

    settings = Settings(
        count=count,
        tuning=tuning,
        specific=specific,
        search=Search(tokens=tokens, steps=steps, candidates=candidates),
        seed=seed,
    )
    with Router.load(bundle, threads=1) as router, progress_bar("searching gadgets") as progress:
        source, texts = real_prompts(prompts, router.bundle)
        rows = measure(router, texts, settings, progress=progress)
        manifest = router.bundle.manifest
    shown = []
    for row in rows:
        (flips,) = (one for one in row.profiles if one.profile == manifest.default_profile)
        shares = (f"{flips.to_cloud} of {flips.device}", f"{flips.to_device} of {flips.cloud}")
        shown.append((row.edit, *shares, f"{row.mean_shift:+.3f}"))
    title = f"{manifest.name}, profile {manifest.default_profile}"
    print_table(title, ("edit", "device to cloud", "cloud to device", "mean shift of p_cloud"), shown)
    content = {"bundle": manifest.name, "version": manifest.version, "prompts": source, "settings": asdict(settings)}
    write_with_machine(output, content | {"rows": [asdict(row) for row in rows]})
