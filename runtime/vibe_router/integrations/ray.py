"""Route a dataset of Ray Data: one router an actor, with as many threads as the actor has CPUs.

    from ray.data import SaveMode
    from vibe_router.integrations.ray import StableNames, route_dataset

    routed = route_dataset(ray.data.read_parquet("s3://bucket/logs"), actors=(2, 1000))
    routed.write_parquet("s3://bucket/decisions", filename_provider=StableNames(), mode=SaveMode.OVERWRITE)

docs/scale.md has costs and traps.
"""

from __future__ import annotations

import os

import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy, Dataset
from ray.data.datasource import FilenameProvider

from vibe_router.integrations.arrow import ROWS, ColumnOptions, route_table
from vibe_router.integrations.node import ShippedBundle, ship_bundle


class RouteRows:
    """The callable class for `Dataset.map_batches` with `batch_format="pyarrow"`."""

    def __init__(self, bundle: ShippedBundle | ray.ObjectRef, options: ColumnOptions | None = None) -> None:
        """Load the router, once for each actor; Ray fetches `bundle` once for each machine where it is put before."""
        # Ray Data hands constructors a reference as it is; only the arguments of remote calls are resolved.
        if isinstance(bundle, ray.ObjectRef):
            bundle = ray.get(bundle)
        cpus = ray.get_runtime_context().get_assigned_resources().get("CPU", 1)
        self._router = bundle.load(threads=max(int(cpus), 1))
        self._options = options

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Return the batch with the columns of decisions, its rows in one piece.

        Ray writes the pieces of a table with several threads, in an order that is another one in some runs.
        """
        return route_table(self._router, batch, self._options).combine_chunks()


def route_dataset(
    dataset: Dataset,
    *,
    bundle: str | os.PathLike[str] | None = None,
    options: ColumnOptions | None = None,
    actors: tuple[int, int] = (1, 2),
    cpus: int = 1,
    rows: int = ROWS,
) -> Dataset:
    """Return the dataset with the columns of `vibe_router.integrations.arrow.OUTPUT`, computed when it is consumed.

    `actors` are the fewest and the most, of `cpus` CPUs each; Ray starts an actor that dies again, and routes its rows
    again. `rows` are what an actor takes at a time: Ray reads many small files as one block, which one actor would
    route alone, so that blocks are divided first. All have exactly `rows`, which are the same ones in every run. At
    most 131,072 of them are one piece of a file, so that their order is the same, too.

    Raises:
        As `ship_bundle`; as `Router.load` and `route_table` where the dataset is consumed.
    """
    divided = dataset.repartition(target_num_rows_per_block=rows, strict=True)
    return divided.map_batches(
        RouteRows,
        # An object of the store is fetched once by each machine, an argument once by each actor.
        fn_constructor_args=(ray.put(ship_bundle(bundle)), options),
        batch_format="pyarrow",
        batch_size=rows,
        num_cpus=cpus,
        compute=ActorPoolStrategy(min_size=actors[0], max_size=actors[1]),
    )


class StableNames(FilenameProvider):  # type: ignore[misc]  # Ray comes without types here
    """Names of files that are the same in every run, so that a task that runs again replaces its file.

    They are only where the order of blocks is kept: `DataContext.get_current().execution_options.preserve_order`.
    Ray takes them with `mode=SaveMode.OVERWRITE` only, which empties the folder before it writes.
    """

    def get_filename_for_task(self, write_uuid: str, task_index: int) -> str:  # noqa: ARG002 Ray names the arguments
        """Return the name for what one task writes."""
        return f"part-{task_index:06d}.parquet"
