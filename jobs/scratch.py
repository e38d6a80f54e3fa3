"""Tables that live as long as a job: worked out once, read several times, parted by one column as they lie.

Files beside the attempt, on the lake's own storage: an executor that is lost takes nothing with it, and no memory holds
them. What is parted by a column is grouped and joined by it without another shuffle.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jobs import store
from jobs.attempt import Attempt

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

FOLDER = "_tables"


class Scratch:
    """Keeps frames as bucketed tables under views of the same name."""

    def __init__(self, spark: SparkSession, out: Attempt, by: str, parts: int) -> None:
        self.spark = spark
        self.parts = parts
        self._uri = f"{out.uri}/{FOLDER}"
        self._by = by
        self._stem = f"scratch_{out.uri.rsplit('-', 1)[-1]}"
        self._names: list[str] = []

    def keep(self, frame: DataFrame, view: str) -> None:
        """Write the frame, then let the view of that name read it back."""
        name = f"{self._stem}_{view}"
        self._names.append(name)
        writer = frame.repartition(self.parts, self._by).write.format("parquet")
        writer = writer.option("path", store.spark_uri(f"{self._uri}/{view}"))
        writer = writer.option("compression", "lz4_raw").bucketBy(self.parts, self._by)
        writer.saveAsTable(name, mode="overwrite")
        self.spark.table(name).createOrReplaceTempView(view)

    def clear(self) -> None:
        """Forget the tables and delete their files."""
        for name in self._names:
            self.spark.sql(f"DROP TABLE IF EXISTS {name}")
        store.delete_folder(self._uri)


@contextmanager
def scratch(spark: SparkSession, out: Attempt, by: str, parts: int) -> Iterator[Scratch]:
    """Tables that are gone when the block ends."""
    tables = Scratch(spark, out, by, parts)
    try:
        yield tables
    finally:
        tables.clear()
