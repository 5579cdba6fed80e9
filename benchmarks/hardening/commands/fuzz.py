"""`python -m benchmarks fuzz`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.results_file import RESULTS
from vibe_router_tools.console.output import print_table, progress_bar


def fuzz(
    target: Annotated[
        list[str] | None,
        typer.Option(
            help="manifest, tokenizer, config, golden, safetensors, onnx, native, prompt, tamper, 'tamper, rehashed'."
        ),
    ] = None,
    inputs: Annotated[int, typer.Option(min=1, help="Inputs a target; tampering goes through all files once.")] = 2000,
    seconds: Annotated[float, typer.Option(min=1, help="Time a target.")] = 120.0,
    limit: Annotated[float, typer.Option(min=0.1, help="Seconds after which an input counts as hanging.")] = 20.0,
    regions: Annotated[int, typer.Option(min=1, help="Regions of each file for tampering.")] = 32,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    keep: Annotated[Path | None, typer.Option(help="Folder for the inputs that crash, hang or answer wrongly.")] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Targets that it holds already stay.")] = RESULTS
    / "fuzz.json",
) -> None:
    """Give hostile files and prompts to the readers; exit code 1 where one crashes, hangs or answers wrongly."""
    import tempfile
    from dataclasses import asdict

    from benchmarks.hardening.fuzzing.campaign import Budget, run_campaign
    from benchmarks.hardening.fuzzing.tamper import all_subjects
    from benchmarks.results_file import merge_entries
    from vibe_router.errors import UsageError
    from vibe_router.policy import suggest

    known = all_subjects()
    campaigns = []
    for name in target or list(known):
        if name not in known:
            raise UsageError(f"there is no target {name!r}", hint=suggest(name, known))
        with tempfile.TemporaryDirectory() as work, progress_bar(name) as progress:
            campaign = run_campaign(
                name,
                Path(work),
                budget=Budget(inputs=inputs, seconds=seconds, limit=limit),
                seed=seed,
                regions=regions,
                keep=keep,
                progress=progress,
            )
        campaigns.append(campaign)
        merge_entries(output, "targets", {name: asdict(campaign)})
    kinds = list(campaigns[0].outcomes)
    rows = [(one.target, str(one.inputs), *(str(one.outcomes[kind]) for kind in kinds)) for one in campaigns]
    print_table(f"seed {seed}", ("target", "inputs", *kinds), rows)
    if any(campaign.failed for campaign in campaigns):
        raise typer.Exit(1)
