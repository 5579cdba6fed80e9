"""Ray Data on a cluster of two workers: each row as `route_many` decides it, and none lost or twice when actors die."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.native_logs import expected_rows, read_rows, write_logs
from tests.support.processes import descendants, killed_at_random
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
            context = ray.data.DataContext.get_current()
            context.execution_options.preserve_order = True
            context.enable_progress_bars = False
            yield
        finally:
            ray.shutdown()
            nodes.shutdown()


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, object]]]:
    folder = tmp_path_factory.mktemp("ray") / "logs"
    table = write_logs(folder, ROWS)
    with Router.load(threads=1) as router:
        return folder, expected_rows(router, table)


def write(logs: Path, out: Path, *, rows: int) -> None:
    import ray
    from ray.data import SaveMode

    from vibe_router.integrations.ray import StableNames, route_dataset

    routed = route_dataset(ray.data.read_parquet(str(logs)), rows=rows, actors=(2, 2))
    routed.write_parquet(str(out), filename_provider=StableNames(), mode=SaveMode.OVERWRITE)


def test_rows_and_files_are_the_same_in_every_run(
    expected: tuple[Path, list[dict[str, object]]],
    tmp_path: Path,
) -> None:
    logs, rows = expected
    contents = []
    for name in ("a", "b"):
        write(logs, tmp_path / name, rows=1000)
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
    logs, rows = expected
    with killed_at_random(actors, KILLS) as killed:
        runs = 0
        # As many runs as ten deaths take; each must be whole.
        while len(killed) < KILLS:
            write(logs, tmp_path / str(runs), rows=250)
            assert read_rows(tmp_path / str(runs)) == rows
            runs += 1


def actors() -> list[int]:
    """Return the processes of the routers, by the title that Ray gives them."""
    return [pid for pid, child in descendants().items() if child.command.startswith("ray::MapWorker")]
