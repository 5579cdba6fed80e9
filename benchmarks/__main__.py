"""`python -m benchmarks`: parse, call, write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.commands_cold import cold
from benchmarks.commands_latency import latency
from benchmarks.commands_limits import limits
from benchmarks.commands_memory import memory
from benchmarks.commands_prepare import prepare
from benchmarks.commands_report import report
from benchmarks.commands_throughput import throughput
from vibe_router.commands.entry import run
from vibe_router.commands.output import print_json, print_table, progress_bar

_RESULTS = Path(__file__).resolve().parent / "results"
PromptsOption = Annotated[
    Path | None, typer.Option(help="JSONL of prompts; default: 400 made-up ones of mixed length.")
]


def build_app() -> typer.Typer:
    """Return the command with all its subcommands."""
    app = typer.Typer(name="benchmarks", no_args_is_help=True, pretty_exceptions_enable=False)
    app.callback()(_describe)
    for command in (prepare, latency, cold, memory, throughput, limits, report, quantization):
        app.command()(command)
    app.command("kill-exports")(kill_exports)
    app.command()(adversarial)
    app.command()(fuzz)
    app.command()(soak)
    return app


def _describe() -> None:
    """Measure on this machine what the documentation says."""


def quantization(
    plain: Annotated[str, typer.Option(help="A checkpoint without massive activations.")],
    outliers: Annotated[str, typer.Option(help="The same with them; `router-export checkpoint --outliers` makes one.")],
    prompts: PromptsOption = None,
    count: Annotated[int, typer.Option(min=10, help="How many of the prompts, taken evenly.")] = 400,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    output: Annotated[Path, typer.Option("-o", "--output")] = _RESULTS / "quantization.json",
) -> None:
    """Compare remedies for massive activations, and other tools' int8, with the fp32 graph."""
    from benchmarks.machine import machine
    from benchmarks.quantization import COLUMNS, measure_checkpoint
    from vibe_router.evaluation.dataset import read_rows

    texts = None if prompts is None else [row.prompt for row in read_rows(prompts)]
    results = []
    for label, source in (("plain", plain), ("outliers", outliers)):
        with progress_bar(label) as progress:
            results.append(
                measure_checkpoint(source, label=label, prompts=texts, count=count, threads=threads, progress=progress)
            )
        print_table(f"{label}: {results[-1].prompts} prompts", COLUMNS, [row.cells() for row in results[-1].rows])
    content = {"machine": machine(threads=threads), "checkpoints": [result.fields() for result in results]}
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    typer.echo(f"written to {output}", err=True)


def kill_exports(
    moments: Annotated[int, typer.Option(min=1, help="How many exports to kill.")] = 50,
    coreml: Annotated[bool, typer.Option("--coreml", help="Kill `router-export coreml` instead of `onnx`.")] = False,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Default: kill-exports.json or kill-coreml-exports.json in results."),
    ] = None,
) -> None:
    """Kill nano-size exports at random moments; exit code 1 where one leaves anything but a whole bundle."""
    import tempfile

    from benchmarks.kill_exports import Command, report_fields
    from benchmarks.kill_exports import kill_exports as measure
    from benchmarks.output import write_results

    with tempfile.TemporaryDirectory() as work, progress_bar("killing exports") as progress:
        command = Command.COREML if coreml else Command.ONNX
        report = measure(Path(work), command=command, moments=moments, seed=seed, progress=progress)
    print_table(f"{moments} exports killed", ("found", "exports"), [(k, str(v)) for k, v in report.found.items()])
    typer.echo(f"left beside the target {report.left}, after the next writer {report.left_after_cleaning}")
    name = "kill-coreml-exports.json" if coreml else "kill-exports.json"
    write_results(output or _RESULTS / name, report_fields(report))
    if report.wrong or report.left_after_cleaning or not report.last_export_whole:
        raise typer.Exit(1)


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
    output: Annotated[Path, typer.Option("-o", "--output")] = _RESULTS / "adversarial.json",
) -> None:
    """Measure how many decisions edits and gadgets turn towards the cloud and towards the device."""
    from dataclasses import asdict

    from benchmarks.adversarial.gadgets import Search
    from benchmarks.adversarial.measure import Settings, measure
    from benchmarks.output import write_results
    from benchmarks.prompts import real_prompts
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
    write_results(output, content | {"rows": [asdict(row) for row in rows]})


def fuzz(
    target: Annotated[
        list[str] | None, typer.Option(help="manifest, tokenizer, config, golden, safetensors, onnx, prompt, tamper.")
    ] = None,
    inputs: Annotated[int, typer.Option(min=1, help="Inputs a target; tampering goes through all files once.")] = 2000,
    seconds: Annotated[float, typer.Option(min=1, help="Time a target.")] = 120.0,
    limit: Annotated[float, typer.Option(min=0.1, help="Seconds after which an input counts as hanging.")] = 20.0,
    regions: Annotated[int, typer.Option(min=1, help="Regions of each file for tampering.")] = 32,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    keep: Annotated[Path | None, typer.Option(help="Folder for the inputs that crash, hang or answer wrongly.")] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Targets that it holds already stay.")] = _RESULTS
    / "fuzz.json",
) -> None:
    """Give hostile files and prompts to the readers; exit code 1 where one crashes, hangs or answers wrongly."""
    import tempfile
    from dataclasses import asdict

    from benchmarks.fuzzing.campaign import Budget, run_campaign
    from benchmarks.fuzzing.tamper import all_subjects
    from benchmarks.output import merge_results
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
        merge_results(output, "targets", {name: asdict(campaign)})
    kinds = list(campaigns[0].outcomes)
    rows = [(one.target, str(one.inputs), *(str(one.outcomes[kind]) for kind in kinds)) for one in campaigns]
    print_table(f"seed {seed}", ("target", "inputs", *kinds), rows)
    if any(campaign.failed for campaign in campaigns):
        raise typer.Exit(1)


def soak(
    routes: Annotated[
        int, typer.Option(min=1, help="Routes in all; those of earlier runs in OUTPUT count.")
    ] = 1_000_000,
    seconds: Annotated[float, typer.Option(min=1, help="End this run then; the same command goes on.")] = 7200.0,
    threads: Annotated[int, typer.Option(min=1, help="Threads that route.")] = 4,
    reload_every: Annotated[int, typer.Option(min=1, help="Routes between two reloads of the bundle.")] = 5000,
    requests: Annotated[int, typer.Option(min=1, help="Different requests.")] = 2000,
    prompts: Annotated[Path | None, typer.Option(help="JSONL of prompts; default as for adversarial.")] = None,
    bundle: Annotated[Path | None, typer.Option(help="A bundle; default: the bundled one.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget earlier runs in OUTPUT.")] = False,
    output: Annotated[Path, typer.Option("-o", "--output")] = _RESULTS / "soak.json",
) -> None:
    """Route for long from several threads, with reloads and faults; exit code 1 where an answer is lost or wrong."""
    import logging

    from benchmarks.output import write_results
    from benchmarks.prompts import real_prompts
    from benchmarks.soak.report import merge_runs, parse_runs
    from benchmarks.soak.requests import make_requests
    from benchmarks.soak.run import Plan
    from benchmarks.soak.run import soak as measure
    from vibe_router.router import Router

    # Each injected fault is a warning.
    logging.getLogger("vibe_router").setLevel(logging.ERROR)
    runs = [] if fresh or not output.exists() else parse_runs(json.loads(output.read_text("utf-8")))
    with Router.load(bundle, threads=1) as router:
        source, texts = real_prompts(prompts, router.bundle)
        made = make_requests(router, texts, count=requests, seed=seed)
    plan = Plan(
        routes=max(1, routes - sum(run.routes for run in runs)),
        sample_every=max(1, routes // 200),
        threads=threads,
        reload_every=reload_every,
        seconds=seconds,
        seed=seed,
    )
    with progress_bar("routing") as progress:
        runs.append(measure(bundle, made, plan, progress=progress))
    result = merge_runs(runs)
    write_results(output, {"prompts": source, "requests": requests, **result}, threads=threads)
    print_json({key: value for key, value in result.items() if key != "runs"})
    if result["lost"] or result["duplicated"] or result["wrong"]:
        raise typer.Exit(1)


if __name__ == "__main__":
    run(build_app)
