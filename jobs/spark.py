"""One Spark session for every job: local[*] by default, any master by NIGHTSHELF_SPARK_MASTER."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.java import java_home
from jobs.reading import Pinned
from jobs.store import spark_uri

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SQL = Path(__file__).resolve().parent.parent / "sql"

CONF: dict[str, bool | float | int | str | None] = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.compression.codec": "zstd",
    # else every field that is taken of a parsed JSON line parses the line once more
    "spark.sql.optimizer.enableJsonExpressionOptimization": "false",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    "spark.hadoop.parquet.page.write-checksum.enabled": "true",
}
LOCAL_CONF: dict[str, bool | float | int | str | None] = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "8",
}


@contextmanager
def spark_session(app: str) -> Iterator[SparkSession]:
    """A session for one job; an active one (jobs.batch keeps it warm between jobs) is used and left open.

    NIGHTSHELF_SPARK_MASTER names the master. Under spark-submit the master is already set and kept.
    NIGHTSHELF_SPARK_MEMORY is the driver's heap on a local master (2g).
    """
    from pyspark.sql import SparkSession

    if (active := SparkSession.getActiveSession()) is not None:
        yield active
        return
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    master = os.environ.get("NIGHTSHELF_SPARK_MASTER", "")
    conf = dict(CONF)
    if not master and "SPARK_ENV_LOADED" not in os.environ:
        master = "local[*]"
    if master.startswith("local"):
        os.environ["JAVA_HOME"] = java_home()
        conf |= LOCAL_CONF
        # a JVM that lives for one job never earns back its second compiler tier; a warm one halves its time
        tier = "" if "NIGHTSHELF_WARM_SPARK" in os.environ else " -XX:TieredStopAtLevel=1"
        conf["spark.driver.extraJavaOptions"] = f"-XX:+UseParallelGC -Dlog4j2.level=error{tier}"
        conf["spark.driver.memory"] = os.environ.get("NIGHTSHELF_SPARK_MEMORY", "2g")
    builder = SparkSession.builder.appName(f"nightshelf {app}").config(map=conf)
    session = (builder.master(master) if master else builder).getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    try:
        yield session
    finally:
        if "NIGHTSHELF_WARM_SPARK" not in os.environ:
            session.stop()


def sql_text(name: str) -> str:
    """The text of sql/<name>.sql: one SELECT with :named parameters."""
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")


def read_spark(spark: SparkSession, pinned: Pinned) -> DataFrame:
    """The rows of a Parquet partition; only the files its manifest lists, checked first."""
    return spark.read.parquet(*[spark_uri(uri) for uri in pinned.files()])
