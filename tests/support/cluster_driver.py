"""Route logs on a cluster: for tests, and as a program to be killed.

python -m tests.support.cluster_driver KIND MASTER IN OUT
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.processes import kill_tree

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def write_with_ray(logs: Path, out: Path, *, rows: int = 2000) -> None:
    """Route with two actors of the cluster that Ray is connected to, as docs/scale.md does."""
    import ray
    from ray.data import SaveMode

    from vibe_router.integrations.ray import StableNames, route_dataset

    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    routed = route_dataset(ray.data.read_parquet(str(logs)), rows=rows, actors=(2, 2))
    routed.write_parquet(str(out), filename_provider=StableNames(), mode=SaveMode.OVERWRITE)


def write_with_spark(spark: SparkSession, logs: Path, out: Path) -> None:
    """Route in a session of Spark, as docs/scale.md does."""
    from vibe_router.integrations.spark import route_frame

    route_frame(spark.read.parquet(str(logs))).write.mode("overwrite").parquet(str(out))


@contextmanager
def session(master: str) -> Iterator[SparkSession]:
    """Yield a session of Spark whose workers run this Python."""
    # Workers of Spark run the first Python of the path otherwise.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(master).appName("vibe-router").config("spark.ui.enabled", "false")
    builder = builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", "4096")
    builder = builder.config("spark.executorEnv.PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    # One prompt file a task, and no end of retries for workers that are killed.
    builder = builder.config("spark.sql.files.openCostInBytes", str(2**30)).config("spark.task.maxFailures", "20")
    builder = builder.config("spark.driver.host", "127.0.0.1")
    # Otherwise files are divided by how many cores have registered at that moment.
    builder = builder.config("spark.sql.files.minPartitionNum", "8")
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    try:
        yield spark
    finally:
        spark.stop()


def kill_driver(kind: str, master: str, logs: Path, out: Path) -> None:
    """Start this program, and kill it with all that it started as soon as it has begun to write into `out`."""
    command = [sys.executable, "-m", "tests.support.cluster_driver", kind, master, str(logs), str(out)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not any(path.stat().st_size for path in out.rglob("*.parquet")):
            time.sleep(0.01)
        if process.poll() is not None:
            raise AssertionError("the driver ended before it could be killed")
        kill_tree(process.pid)


def main() -> None:
    """Route the logs that the arguments name."""
    kind, master, logs, out = sys.argv[1:5]
    if kind == "ray":
        import ray

        ray.init(address=master, log_to_driver=False)
        write_with_ray(Path(logs), Path(out), rows=250)
        return
    with session(master) as spark:
        write_with_spark(spark, Path(logs), Path(out))


if __name__ == "__main__":
    main()
