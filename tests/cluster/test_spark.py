"""Spark, in one process and as a cluster: each row as `route_many` decides it, and none lost or twice."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.cluster_driver import kill_driver, session, write_with_spark
from tests.support.native_logs import Logs, contents, pages, read_rows
from tests.support.processes import descendants, killed_at_random
from tests.support.small_disk import grow, small_disk
from vibe_router import Router
from vibe_router.errors import UsageError

KILLS = 10
_PORT = 17_077

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("pyspark") is None, reason="Spark is not installed"),
    pytest.mark.skipif(shutil.which("java") is None, reason="no Java: apt-get install default-jre-headless"),
    pytest.mark.filterwarnings("ignore"),  # Spark's own, of every kind
]


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


def test_rows_are_the_same_in_every_run(few: Logs, tmp_path: Path) -> None:
    with session("local[2]") as spark:
        for name in ("a", "b"):
            write_with_spark(spark, few.folder, tmp_path / name)
    assert read_rows(tmp_path / "a") == few.rows
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_cluster_of_two_workers_gives_the_same_files(few: Logs, tmp_path: Path) -> None:
    with standalone(tmp_path) as master, session(master) as spark:
        assert spark.sparkContext.master.startswith("spark://")
        write_with_spark(spark, few.folder, tmp_path / "cluster")
    with session("local[2]") as spark:
        write_with_spark(spark, few.folder, tmp_path / "local")
    assert read_rows(tmp_path / "cluster") == few.rows
    assert pages(tmp_path / "cluster") == pages(tmp_path / "local")


def test_a_udf_gives_scores(tiny_bundle: Path, router: Router) -> None:
    from vibe_router.integrations.spark import score_udf

    with session("local[1]") as spark:
        frame = spark.createDataFrame([("hi",), (None,), ("what is 2+2?",)], ["prompt"])
        score = score_udf(spark, bundle=tiny_bundle)
        scores = [row[0] for row in frame.select(score("prompt")).collect()]
    assert scores[0] == pytest.approx(router.route("hi").p_cloud)
    assert scores[2] == pytest.approx(router.route("what is 2+2?").p_cloud)
    assert scores[1] is None or scores[1] != scores[1]


def test_a_frame_that_cannot_be_routed_is_refused_before_a_task_starts() -> None:
    from vibe_router.integrations.spark import route_frame

    with session("local[1]") as spark:
        frame = spark.createDataFrame([("hi", 1)], ["prompt", "target"])
        for wrong, said in (
            (frame, "column 'target' already"),
            (frame.select(frame["prompt"].alias("text")), "no column 'prompt'"),
            (frame.select(frame["target"].alias("prompt")), "not of text"),
        ):
            with pytest.raises(UsageError, match=said):
                route_frame(wrong)


def test_workers_that_are_killed_lose_and_double_nothing(many: Logs, tmp_path: Path) -> None:
    with session("local[2,20]") as spark, killed_at_random(python_workers, KILLS) as killed:
        runs = 0
        while len(killed) < KILLS:
            write_with_spark(spark, many.folder, tmp_path / str(runs))
            assert read_rows(tmp_path / str(runs)) == many.rows
            runs += 1


def test_a_driver_that_is_killed_is_started_again(few: Logs, tmp_path: Path) -> None:
    kill_driver("spark", "local[2]", few.folder, tmp_path / "out")
    assert not (tmp_path / "out" / "_SUCCESS").exists()
    with session("local[2]") as spark:
        for name in ("out", "whole"):
            write_with_spark(spark, few.folder, tmp_path / name)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert read_rows(tmp_path / "out") == few.rows


def test_a_full_disk_is_an_error_and_the_next_run_is_whole(few: Logs, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size="64k") as disk, session("local[2]") as spark:
        with pytest.raises(Exception, match=r"Job aborted|No space left"):
            write_with_spark(spark, few.folder, disk / "out")
        assert not (disk / "out" / "_SUCCESS").exists()
        grow(disk, size="64m")
        write_with_spark(spark, few.folder, disk / "out")
        assert read_rows(disk / "out") == few.rows


def python_workers() -> list[int]:
    """Return the Python workers of this process's Java, children of its daemon."""
    daemons = {pid: child for pid, child in descendants().items() if "pyspark.daemon" in child.command}
    return [pid for pid, child in daemons.items() if child.parent in daemons]
