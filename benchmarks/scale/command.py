"""`python -m benchmarks scale`."""

from __future__ import annotations

import random
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.results_file import RESULTS, write_with_machine
from vibe_router_tools.console.output import print_json


def scale(
    bundle: Annotated[str | None, typer.Option("--bundle", "-b", help="Default: the bundled one.")] = None,
    rows: Annotated[int, typer.Option(min=64, help="Rows for each way.")] = 200_000,
    rounds: Annotated[int, typer.Option(min=1, help="How often each way runs, in turn.")] = 3,
    ways: Annotated[list[str] | None, typer.Option("--way", help="Only this way; may be repeated.")] = None,
    memory_rows: Annotated[
        list[int] | None, typer.Option(help="Rows to measure memory with; may be repeated; 0 for none.")
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Default: scale-NAME.json.")] = None,
) -> None:
    """Route Parquet files with plain processes, the Parquet command, Ray and Spark on two CPUs; needs ray and spark."""
    from benchmarks.prompts import real_prompts
    from benchmarks.scale.measure import folder_bytes, loading_seconds, memory, throughput, write_logs
    from benchmarks.scale.way import WAYS
    from vibe_router.bundle.bundle import open_bundle

    opened = open_bundle(bundle)
    name = opened.manifest.name
    source, prompts = real_prompts(None, opened)
    random.Random(0).shuffle(prompts)
    chosen = ways or [
        way for way in WAYS if find_spec({"spark": "pyspark"}.get(way, way)) or way not in ("ray", "spark")
    ]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        read = write_logs(work / "logs", prompts, rows)
        measured = throughput(work, bundle, rows, ways=chosen, rounds=rounds)
        written = folder_bytes(work / "out")
        sizes = sorted({100_000, 1_000_000} if memory_rows is None else {size for size in memory_rows if size})
        peaks = memory(work, bundle, prompts, sizes)
    result = {
        "command": "python -m benchmarks scale",
        "name": name,
        "prompts": source,
        "rows": rows,
        "bytes_read": read,
        "bytes_written": written,
        "loading_s": round(loading_seconds(bundle), 4),
        "ways": measured,
        "memory": peaks,
    }
    write_with_machine(output or RESULTS / f"scale-{name}.json", result, threads=2)
    print_json(result)
