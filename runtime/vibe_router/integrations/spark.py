"""Route a data frame of Spark: one router for each Python worker, which lives as long as the worker does.

    from vibe_router.integrations.spark import route_frame

    route_frame(spark.read.parquet("s3a://bucket/logs")).write.parquet("s3a://bucket/decisions")

Nothing is collected on the driver. docs/scale.md has costs and traps.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyspark.ml.functions import predict_batch_udf
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema
from pyspark.sql.types import FloatType, StructType

from vibe_router.integrations.arrow import OUTPUT, ROWS, ColumnOptions, find_column, output_schema, route_table
from vibe_router.integrations.node import ShippedBundle, ship_bundle

if TYPE_CHECKING:
    from vibe_router.router import Router


def route_frame(
    frame: DataFrame,
    *,
    bundle: str | os.PathLike[str] | None = None,
    options: ColumnOptions | None = None,
    threads: int = 1,
) -> DataFrame:
    """Return the data frame with the columns of `vibe_router.integrations.arrow.OUTPUT`, by `mapInArrow`.

    `threads` are those of one task; `spark.task.cpus` should be as many. A bundle in a folder of the driver is
    broadcast, so that each executor fetches it once.

    Raises:
        UsageError: no such column, a column of a wrong type, or a column that has the name of an output.
        As `ship_bundle`; as `Router.load` and `route_table` in the tasks.
    """
    # Now, because what a task raises comes hours later, below a hundred lines of Java's.
    columns = to_arrow_schema(frame.schema)
    find_column(columns, options or ColumnOptions())
    output_schema(columns)
    shipped = frame.sparkSession.sparkContext.broadcast(ship_bundle(bundle))
    schema = StructType([*frame.schema.fields, *from_arrow_schema(OUTPUT).fields])

    def route(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        router = _router(shipped.value, threads)
        for batch in batches:
            yield from route_table(router, pa.Table.from_batches([batch]), options).to_batches()

    return frame.mapInArrow(route, schema)


def score_udf(
    spark: SparkSession, *, bundle: str | os.PathLike[str] | None = None, threads: int = 1, rows: int = ROWS
) -> Any:
    """Return a function of a column of prompts whose values are p_cloud, null where there is none.

    Raises:
        As `route_frame`.
    """
    shipped = spark.sparkContext.broadcast(ship_bundle(bundle))

    def make() -> Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]:
        router = _router(shipped.value, threads)

        def predict(prompts: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            routed = route_table(router, pa.table({"prompt": pa.array(prompts, pa.string(), from_pandas=True)}))
            return np.asarray(routed.column("p_cloud").to_numpy(), np.float32)

        return predict

    return predict_batch_udf(make, return_type=FloatType(), batch_size=rows)


@cache
def _router(bundle: ShippedBundle, threads: int) -> Router:
    """Return the router of this Python worker, which Spark keeps for many tasks."""
    return bundle.load(threads=threads)
