"""`python -m benchmarks scale`."""

from __future__ import annotations

import random
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.results_file import RESULTS, read_result, write_with_machine
from vibe_router.errors import UsageError
from vibe_router_tools.console.output import print_json

_FEW = 64


def scale(
    bundle: Annotated[str | None, typer.Option("--bundle", "-b", help="Default: the bundled one.")] = None,
    rows: Annotated[int, typer.Option(min=_FEW, help="Rows for each way.")] = 40_000,
    batch: Annotated[int, typer.Option(min=1, help="Rows of a batch of Ray and of Spark.")] = 4_096,
    rounds: Annotated[int, typer.Option(min=0, help="How often each way runs, in turn.")] = 1,
    ways: Annotated[list[str] | None, typer.Option("--way", help="Only this way; may be repeated.")] = None,
    memory_rows: Annotated[
        list[int] | None, typer.Option(help="Rows to measure the Parquet command's memory with; may be repeated.")
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Default: scale-NAME.json.")] = None,
) -> None:
    """Route Parquet files with plain processes, the Parquet command, Ray and Spark on two CPUs; needs ray and spark.

    Rounds are added to those that are in the output already.
    """
    from benchmarks.prompts import real_prompts
    from benchmarks.scale.measure import folder_bytes, loading_seconds, memory, one_round, write_logs
    from benchmarks.scale.way import WAYS
    from vibe_router.bundle.bundle import open_bundle

    opened = open_bundle(bundle)
    name = opened.manifest.name
    source, prompts = real_prompts(None, opened)
    random.Random(0).shuffle(prompts)
    output = output or RESULTS / f"scale-{name}.json"
    terms = {"command": "python -m benchmarks scale", "name": name, "prompts": source, "rows": rows, "batch": batch}
    result = _earlier(output, terms)
    chosen = ways or [
        way for way in WAYS if find_spec({"spark": "pyspark"}.get(way, way)) or way not in ("ray", "spark")
    ]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_logs(work / "few", prompts, _FEW)
        result["bytes_read"] = write_logs(work / "all", prompts, rows)
        for _ in range(rounds):
            result["rounds"].append(one_round(work, bundle, ways=chosen, batch=batch))
            result["bytes_written"] = folder_bytes(work / "out") or result.get("bytes_written", 0)
            write_with_machine(output, result, threads=2)
        for size in memory_rows or ():
            known = [one for one in result["memory"] if one["rows"] != size]
            result["memory"] = sorted([*known, memory(work, bundle, prompts, size)], key=lambda one: int(one["rows"]))
            write_with_machine(output, result, threads=2)
    result["loading_s"] = round(loading_seconds(bundle), 4)
    write_with_machine(output, result, threads=2)
    print_json(result)


def _earlier(output: Path, terms: dict[str, Any]) -> dict[str, Any]:
    """Return the result in `output` to add to, or an empty one.

    Raises:
        UsageError: it is of other rows or of another bundle.
    """
    before = read_result(output)
    if before is None:
        return {**terms, "few": _FEW, "rounds": [], "memory": []}
    if any(before.get(key) != value for key, value in terms.items()):
        raise UsageError(f"{output} is of other terms", hint="give the same options, or another --output")
    return {key: value for key, value in before.items() if key != "machine"}
