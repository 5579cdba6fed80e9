"""Ray Data on a cluster of two workers: each row as `route_many` decides it, and none lost or twice when actors die."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.native_logs import expected_rows, read_rows, write_logs
from vibe_router import Router
from vibe_router.integrations.arrow import ColumnOptions

ROWS = 4_000
"""Sixteen batches for two actors: enough for deaths in the middle, seconds of work; the benchmark has more."""
KILLS = 10

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed"),
    pytest.mark.usefixtures("cluster"),
    pytest.mark.filterwarnings("ignore"),  # Ray's own, of every kind
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    import ray
    from ray.cluster_utils import Cluster

    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 2**28})
    nodes.add_node(num_cpus=2, object_store_memory=2**28)
    nodes.add_node(num_cpus=2, object_store_memory=2**28)
    ray.init(address=nodes.address, log_to_driver=False)
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    yield
    ray.shutdown()
    nodes.shutdown()


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, object]]]:
    folder = tmp_path_factory.mktemp("ray") / "logs"
    table = write_logs(folder, ROWS)
    with Router.load(threads=1) as router:
        return folder, expected_rows(router, table)


def test_rows_and_files_are_the_same_in_every_run(
    expected: tuple[Path, list[dict[str, object]]],
    tmp_path: Path,
) -> None:
    import ray

    from vibe_router.integrations.ray import StableNames, route_dataset

    logs, rows = expected
    contents = []
    for name in ("a", "b"):
        routed = route_dataset(ray.data.read_parquet(str(logs)), rows=1000)
        routed.write_parquet(str(tmp_path / name), filename_provider=StableNames())
        contents.append({file.name: file.read_bytes() for file in (tmp_path / name).iterdir()})
    assert read_rows(tmp_path / "a") == rows
    assert contents[0] == contents[1]


def test_a_folders_bundle_is_shipped(tiny_bundle: Path, router: Router) -> None:
    import ray

    from vibe_router.integrations.ray import route_dataset

    dataset = ray.data.from_items([{"text": "hi"}])
    routed = route_dataset(dataset, bundle=tiny_bundle, options=ColumnOptions(prompts="text"))
    assert routed.take_all()[0]["p_cloud"] == pytest.approx(router.route("hi").p_cloud)


def test_actors_that_are_killed_lose_and_double_nothing(
    expected: tuple[Path, list[dict[str, object]]],
    tmp_path: Path,
) -> None:
    import ray

    from vibe_router.integrations.ray import StableNames, route_dataset

    logs, rows = expected
    killed: list[int] = []
    over = threading.Event()
    chance = random.Random(0)

    def kill_at_random() -> None:
        from ray.util.state import list_actors

        while not over.wait(chance.uniform(0.2, 1.0)) and len(killed) < KILLS:
            alive = [actor.pid for actor in list_actors() if actor.state == "ALIVE" and "MapWorker" in actor.class_name]
            for pid in alive[:1] if len(alive) == 1 else chance.sample(alive, min(1, len(alive))):
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    killer = threading.Thread(target=kill_at_random)
    killer.start()
    runs = 0
    try:
        # As many runs as ten deaths take; each must be whole.
        while len(killed) < KILLS:
            routed = route_dataset(ray.data.read_parquet(str(logs)), rows=250, actors=(2, 2))
            routed.write_parquet(str(tmp_path / str(runs)), filename_provider=StableNames())
            assert read_rows(tmp_path / str(runs)) == rows
            runs += 1
    finally:
        over.set()
        killer.join()
    assert len(killed) == KILLS
