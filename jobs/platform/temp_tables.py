"""Frames that a job computes once and reads several times, as files for the length of the job.

The files lie beside the attempt on the lake's own storage: a lost executor loses none of them, and they take no memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jobs.lake import storage as store
from jobs.lake.attempt import Attempt

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FOLDER = "_tables"
# each file is written once and soon read: a dictionary of every text costs more time than its bytes save
FAST = {"compression": "lz4_raw", "parquet.enable.dictionary": "false"}
Keep = Callable[["DataFrame", str], "DataFrame"]


@contextmanager
def temp_tables(out: Attempt) -> Iterator[Keep]:
    """Yield keep(frame, name): it writes the frame and returns it as read from its files. The end deletes the files."""
    folder = f"{out.uri}/{FOLDER}"

    def keep(frame: DataFrame, name: str) -> DataFrame:
        uri = store.spark_uri(f"{folder}/{name}")
        frame.write.mode("overwrite").options(**FAST).parquet(uri)
        return frame.sparkSession.read.schema(frame.schema).parquet(uri)

    try:
        yield keep
    finally:
        store.delete_folder(folder)
