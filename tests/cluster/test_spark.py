"""Spark, in one process and as a cluster: each row as `route_many` decides it, and none lost or twice."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.native_logs import expected_rows, read_rows, write_logs
from tests.support.processes import descendants, killed_at_random
from vibe_router import Router

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROWS = 4_000
"""Eight tasks for two workers: enough for deaths in the middle, seconds of work; the benchmark has more."""
KILLS = 10
_PORT = 17_077

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("pyspark") is None, reason="Spark is not installed"),
    pytest.mark.skipif(shutil.which("java") is None, reason="no Java: apt-get install default-jre-headless"),
    pytest.mark.filterwarnings("ignore"),  # Spark's own, of every kind
]


@contextmanager
def session(master: str) -> Iterator[SparkSession]:
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


@pytest.fixture(autouse=True)
def this_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers of Spark run the Python of the tests, not the first one of the path."""
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, object]]]:
    folder = tmp_path_factory.mktemp("spark") / "logs"
    table = write_logs(folder, ROWS)
    with Router.load(threads=1) as router:
        return folder, expected_rows(router, table)


@contextmanager
def standalone(folder: Path) -> Iterator[str]:
    """Yield the address of a master with two workers, each a process of its own."""
    import pyspark

    home = Path(pyspark.__file__).parent
    environment = {**os.environ, "SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1"}
    address = f"spark://127.0.0.1:{_PORT}"
    parts = "org.apache.spark.deploy"
    master = [f"{parts}.master.Master", "--host", "127.0.0.1", "--port", str(_PORT), "--webui-port", "0"]
    worker = [f"{parts}.worker.Worker", "-c", "1", "-m", "1g", "--host", "127.0.0.1", "--webui-port", "0", address]
    started = [
        subprocess.Popen(
            [home / "bin" / "spark-class", *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd=folder,
        )
        for command in (master, worker, worker)
    ]
    try:
        yield address
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()


@pytest.mark.parametrize("kind", ["local[2]", "standalone"])
def test_rows_are_the_same_in_every_run(
    expected: tuple[Path, list[dict[str, object]]], tmp_path: Path, kind: str
) -> None:
    from vibe_router.integrations.spark import route_frame

    logs, rows = expected
    contents = []
    with standalone(tmp_path) if kind == "standalone" else no_cluster(kind) as master, session(master) as spark:
        for name in ("a", "b"):
            route_frame(spark.read.parquet(str(logs))).write.parquet(str(tmp_path / name))
            contents.append([file.read_bytes() for file in sorted((tmp_path / name).glob("*.parquet"))])
    assert read_rows(tmp_path / "a") == rows
    assert contents[0] == contents[1]


@contextmanager
def no_cluster(master: str) -> Iterator[str]:
    yield master


def test_a_udf_gives_scores(tiny_bundle: Path, router: Router) -> None:
    from vibe_router.integrations.spark import score_udf

    with session("local[1]") as spark:
        frame = spark.createDataFrame([("hi",), (None,), ("what is 2+2?",)], ["prompt"])
        score = score_udf(spark, bundle=tiny_bundle)
        scores = [row[0] for row in frame.select(score("prompt")).collect()]
    assert scores[0] == pytest.approx(router.route("hi").p_cloud)
    assert scores[2] == pytest.approx(router.route("what is 2+2?").p_cloud)
    assert scores[1] is None or scores[1] != scores[1]


def test_workers_that_are_killed_lose_and_double_nothing(
    expected: tuple[Path, list[dict[str, object]]], tmp_path: Path
) -> None:
    from vibe_router.integrations.spark import route_frame

    logs, rows = expected
    with session("local[2,20]") as spark, killed_at_random(python_workers, KILLS) as killed:
        runs = 0
        while len(killed) < KILLS:
            route_frame(spark.read.parquet(str(logs))).write.parquet(str(tmp_path / str(runs)))
            assert read_rows(tmp_path / str(runs)) == rows
            runs += 1


def python_workers() -> list[int]:
    """Return the Python workers of this process's Java, children of its daemon."""
    daemons = {pid: child for pid, child in descendants().items() if "pyspark.daemon" in child.command}
    return [pid for pid, child in daemons.items() if child.parent in daemons]
