"""Tables that live as long as a job: worked out once, read several times.

Files beside the attempt, on the lake's own storage: an executor that is lost takes nothing with it, and no memory holds
them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jobs.lake import storage as store
from jobs.lake.attempt import Attempt

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

FOLDER = "_tables"
# written once and read at once: a dictionary of every text costs more than the bytes that it saves
FAST = {"compression": "lz4_raw", "parquet.enable.dictionary": "false"}


class Scratch:
    """Keeps frames as tables of files, each under a view of its name."""

    def __init__(self, spark: SparkSession, out: Attempt) -> None:
        self.spark = spark
        self._uri = f"{out.uri}/{FOLDER}"
        self._frames: dict[str, DataFrame] = {}

    def keep(self, frame: DataFrame, view: str) -> None:
        """Write the frame, then let the view of that name read it back."""
        uri = store.spark_uri(f"{self._uri}/{view}")
        frame.write.mode("overwrite").options(**FAST).parquet(uri)
        self._frames[view] = self.spark.read.schema(frame.schema).parquet(uri)
        self._frames[view].createOrReplaceTempView(view)

    def narrow(self, view: str, to: DataFrame, by: str) -> None:
        """Let the view show only rows whose column `by` is among those of another frame."""
        self._frames[view].join(to, by, "left_semi").createOrReplaceTempView(view)


@contextmanager
def scratch(spark: SparkSession, out: Attempt) -> Iterator[Scratch]:
    """Tables that are gone when the block ends."""
    tables = Scratch(spark, out)
    try:
        yield tables
    finally:
        store.delete_folder(f"{out.uri}/{FOLDER}")
