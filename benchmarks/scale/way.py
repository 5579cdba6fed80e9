"""One way to route a folder of Parquet files, in a process of its own.

    python -m benchmarks.scale.way WAY IN OUT BUNDLE BATCH

Prints the seconds that the rows took, without the start of a cluster or of this process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from vibe_router.integrations.arrow import ColumnOptions
from vibe_router.router import Router

CPUS = 2
"""What each way may use."""


def route_many(logs: Path, _: Path, bundle: str | None, __: int) -> float:
    """Decide the prompts as a list in memory."""
    import pyarrow.parquet as pq

    prompts = pq.read_table(logs).column("prompt").to_pylist()
    with Router.load(bundle, threads=CPUS) as router:
        router.route_many(prompts[:64])
        began = time.perf_counter()
        router.route_many(prompts)
        return time.perf_counter() - began


def parquet(logs: Path, out: Path, bundle: str | None, _: int) -> float:
    """Do what `vibe-router route -i -o` does."""
    from vibe_router_tools.columns.parts import plan_parts
    from vibe_router_tools.columns.run import Run, route_parts
    from vibe_router_tools.columns.sources import find_place, find_sources

    with Router.load(bundle, threads=CPUS) as router:
        router.route_many(["hi"] * 64)
        began = time.perf_counter()
        parts = plan_parts(find_sources(str(logs)), rows=100_000)
        route_parts(Run(router=router, options=ColumnOptions(), target=find_place(str(out))), parts)
        return time.perf_counter() - began


def plain(logs: Path, out: Path, bundle: str | None, _: int) -> float:
    """Run two commands with a share and a thread each, from their start to their end."""
    command = [sys.executable, "-m", "vibe_router_tools", "route", "-i", str(logs), "-o", str(out), "--threads", "1"]
    command += ["--json", *([] if bundle is None else ["-b", bundle])]
    began = time.perf_counter()
    processes = [
        subprocess.Popen([*command, "--share", f"{number}/{CPUS}"], stdout=subprocess.DEVNULL)
        for number in range(1, CPUS + 1)
    ]
    codes = [process.wait() for process in processes]
    if any(codes):
        raise SystemExit("a process has failed")
    return time.perf_counter() - began


def ray(logs: Path, out: Path, bundle: str | None, batch: int) -> float:
    """Route with two actors of one CPU on a running local cluster, from the reading to the last file."""
    import ray as cluster
    import ray.data

    from vibe_router.integrations.ray import StableNames, route_dataset

    # Reading and writing are tasks of their own, which wait for few CPUs and take little of them.
    cluster.init(num_cpus=CPUS + 2, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    began = time.perf_counter()
    routed = route_dataset(ray.data.read_parquet(str(logs)), bundle=bundle, actors=(CPUS, CPUS), rows=batch)
    routed.write_parquet(str(out), filename_provider=StableNames(), mode=ray.data.SaveMode.OVERWRITE)
    seconds = time.perf_counter() - began
    cluster.shutdown()
    return seconds


def spark(logs: Path, out: Path, bundle: str | None, batch: int) -> float:
    """Route with local[2] in a running session, from the reading to the last file."""
    from pyspark.sql import SparkSession

    from vibe_router.integrations.spark import route_frame

    # Workers run this Python, not the first one of the path.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master(f"local[{CPUS}]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", str(batch))
    # Otherwise it gives all of many small files to one task, and the other core waits at the end.
    session = builder.config("spark.sql.files.minPartitionNum", "8").getOrCreate()
    session.range(1).count()
    began = time.perf_counter()
    route_frame(session.read.parquet(str(logs)), bundle=bundle).write.parquet(str(out))
    seconds = time.perf_counter() - began
    session.stop()
    return seconds


WAYS: dict[str, Callable[[Path, Path, str | None, int], float]] = {
    "route_many": route_many,
    "parquet": parquet,
    "plain": plain,
    "ray": ray,
    "spark": spark,
}


def main() -> None:
    """Run the way that the arguments name."""
    name, logs, out, bundle, batch = sys.argv[1:6]
    seconds = WAYS[name](Path(logs), Path(out), bundle or None, int(batch))
    sys.stdout.write(json.dumps({"seconds": seconds}) + "\n")


if __name__ == "__main__":
    main()
