"""Ray Data on a cluster of two workers: each row as `route_many` decides it, and none lost or twice when actors die."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pyarrow.compute as pc
import pytest

from tests.support.cluster_driver import kill_driver, write_with_ray
from tests.support.native_logs import Logs, contents, read_rows, read_table
from tests.support.processes import descendants, killed_at_random
from tests.support.small_disk import grow, small_disk
from vibe_router import Router
from vibe_router.integrations.arrow import OUTPUT, ColumnOptions

KILLS = 10

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed"),
    pytest.mark.filterwarnings("ignore"),  # Ray's own, of every kind
]


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        # Before the import, which reads them.
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_enable_metrics_collection", "0")
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        import ray
        from ray.cluster_utils import Cluster

        memory = {"object_store_memory": 2**28}
        nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, **memory})
        try:
            for _ in range(2):
                nodes.add_node(num_cpus=2, **memory)
            ray.init(address=nodes.address, log_to_driver=False)
            yield nodes.address
        finally:
            ray.shutdown()
            nodes.shutdown()


def test_rows_order_and_files_are_the_same_in_every_run(few: Logs, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_with_ray(few.folder, tmp_path / name)
    assert read_rows(tmp_path / "a") == few.rows
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert [name[:11] for name in names] == ["part-000000", "part-000001"]
    # Read as any program does, file after file, the rows are in the order of the logs.
    table = read_table(tmp_path / "a")
    assert table.column("id").to_pylist() == list(range(len(few.rows)))
    assert table.column_names == ["id", "prompt", *OUTPUT.names]
    assert table.column("prompt").to_pylist() == read_table(few.folder).column("prompt").to_pylist()


def test_a_folders_bundle_is_shipped(tiny_bundle: Path, router: Router) -> None:
    import ray

    from vibe_router.integrations.ray import route_dataset

    dataset = ray.data.from_items([{"text": "hi"}])
    routed = route_dataset(dataset, bundle=tiny_bundle, options=ColumnOptions(prompts="text"))
    assert routed.take_all()[0]["p_cloud"] == pytest.approx(router.route("hi").p_cloud)


def test_actors_that_are_killed_lose_and_double_nothing(many: Logs, tmp_path: Path) -> None:
    with killed_at_random(actors, KILLS) as killed:
        runs = 0
        # As many runs as ten deaths take; each must be whole.
        while len(killed) < KILLS:
            write_with_ray(many.folder, tmp_path / str(runs))
            assert read_rows(tmp_path / str(runs)) == many.rows
            runs += 1


def test_a_driver_that_is_killed_is_started_again(few: Logs, cluster: str, tmp_path: Path) -> None:
    write_with_ray(few.folder, tmp_path / "whole", rows=250)
    kill_driver("ray", cluster, few.folder, tmp_path / "out")
    assert contents(tmp_path / "out") != contents(tmp_path / "whole")
    write_with_ray(few.folder, tmp_path / "out", rows=250)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert read_rows(tmp_path / "out") == few.rows


def test_a_full_disk_is_an_error_and_the_next_run_is_whole(few: Logs, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size="64k") as disk:
        with pytest.raises(Exception, match="No space left"):
            write_with_ray(few.folder, disk / "out")
        grow(disk, size="64m")
        write_with_ray(few.folder, disk / "out")
        assert read_rows(disk / "out") == few.rows
        assert pc.all(pc.is_valid(read_table(disk / "out").column("p_cloud"))).as_py()


def actors() -> list[int]:
    """Return the processes of the routers, by the title that Ray gives them."""
    return [pid for pid, child in descendants().items() if child.command.startswith("ray::MapWorker")]
