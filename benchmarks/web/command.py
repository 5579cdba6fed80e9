"""`python -m benchmarks web`."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.results_file import path_of_this_machine, write_with_machine
from vibe_router_tools.console.output import print_json


def web(
    calls: Annotated[int, typer.Option(min=20, help="Of each, in each of the rounds.")] = 400,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is measured, in turns.")] = 3,
    visits: Annotated[int, typer.Option(min=2, help="Page loads with an empty profile.")] = 20,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Default: this machine's result.")] = None,
) -> None:
    """Time the bundled router in Node and in Chromium, next to the C library with one thread; needs both and npm."""
    from benchmarks.browser import browser_variables
    from benchmarks.web.measure import NATIVE_FILE, run_script, summary, time_library
    from native.dist import build, this_platform
    from vibe_router.bundle.bundle import open_bundle
    from web.build import build as build_web

    bundle = Path(open_bundle(None).folder)
    modules = build_web()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        browser = browser_variables(work)
        library = build(this_platform(), work / "library").shared
        times: dict[str, list[float]] = {"c": [], "node": [], "page": []}
        for _ in range(rounds):
            times["c"] += time_library(library, bundle, calls=calls)
            node = run_script("node.js", bundle, {}, str(calls))
            page = run_script("page.js", bundle, browser, str(calls))
            times["node"] += node["times"]
            times["page"] += page["times"]
        visited = run_script("visits.js", bundle, browser, str(visits))
    result: dict[str, Any] = {
        "command": "python -m benchmarks web",
        "tokens": node["tokens"],
        "node": node["version"],
        "chromium": page["version"],
        "relaxed": page["relaxed"],
        "calls": calls * rounds,
        "visits": visits,
        "gzipped": {one.name: len(gzip.compress(one.read_bytes(), 9)) for one in modules},
        "file_bytes": (bundle / NATIVE_FILE).stat().st_size,
        "prompt": {key: summary(found) for key, found in times.items()},
        "first_decision": summary(visited["times"]),
    }
    write_with_machine(output or path_of_this_machine("web"), result)
    print_json(result)
