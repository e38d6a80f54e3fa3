"""One Spark session for every job: local[*] by default, any master by NIGHTSHELF_SPARK_MASTER."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.lake.columns import SEARCH_COLUMNS, Column
from jobs.lake.read import Pinned
from jobs.lake.storage import spark_uri, umask
from jobs.platform.java import java_home

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SQL = Path(__file__).resolve().parents[2] / "sql"
# written by jobs.platform.class_archive
ARCHIVE = Path(sys.prefix) / "spark-classes.jsa"

CONF: dict[str, bool | float | int | str | None] = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
    # pandas writes nanoseconds: read as a number
    "spark.sql.legacy.parquet.nanosAsLong": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.compression.codec": "zstd",
    # otherwise Spark parses a JSON line once for every field taken of it
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

BYTES_PER_PART = 64 << 20
LONG_BYTES = 1 << 30


@contextmanager
def spark_session(app: str, reads: Iterable[Pinned] = ()) -> Iterator[SparkSession]:
    """A session for one job. An active session (jobs.local.batch keeps one between jobs) is used and left open.

    reads: the partitions to read. Their size sets the number of shuffle partitions, and whether code is compiled fully.

    NIGHTSHELF_SPARK_MASTER names the master. Under spark-submit the master is already set and kept.
    NIGHTSHELF_SPARK_MEMORY is the driver's heap on a local master (2g).
    """
    from pyspark.sql import SparkSession

    size = _unpacked_bytes(reads)
    if (active := SparkSession.getActiveSession()) is not None:
        _part_by_size(active, size)
        yield active
        return
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    master = os.environ.get("NIGHTSHELF_SPARK_MASTER", "")
    # Hadoop sets the permissions of its files itself
    conf = CONF | {"spark.hadoop.fs.permissions.umask-mode": f"{umask():03o}"}
    if "SPARK_ENV_LOADED" not in os.environ:
        master = master or "local[*]"
        os.environ["JAVA_HOME"] = java_home()
    if master.startswith("local"):
        conf |= LOCAL_CONF
        # the second compiler tier does not pay in a JVM of one short job; in a warm one it halves the time
        long = "NIGHTSHELF_WARM_SPARK" in os.environ or size > LONG_BYTES
        tier = "" if long else " -XX:TieredStopAtLevel=1"
        conf["spark.driver.extraJavaOptions"] = f"-XX:+UseParallelGC -Dlog4j2.level=error{tier} {archive_options()}"
        conf["spark.driver.memory"] = os.environ.get("NIGHTSHELF_SPARK_MEMORY", "2g")
    builder = SparkSession.builder.appName(f"nightshelf {app}").config(map=conf)
    session = (builder.master(master) if master else builder).getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    _part_by_size(session, size)
    try:
        yield session
    finally:
        if "NIGHTSHELF_WARM_SPARK" not in os.environ:
            session.stop()


def archive_options() -> str:
    """JVM options that read the archive of Spark's classes, in silence where it does not fit; none without an archive."""
    return f'"-XX:SharedArchiveFile={ARCHIVE}" -Xlog:cds=off,cds+dynamic=off' if ARCHIVE.is_file() else ""


def _unpacked_bytes(reads: Iterable[Pinned]) -> int:
    """Approximate size of partitions after decompression."""
    packed = (".gz", ".parquet")
    entries = (entry for pinned in reads for entry in pinned.entries())
    return sum(entry.bytes * (8 if entry.name.endswith(packed) else 1) for entry in entries)


def _part_by_size(session: SparkSession, size: int) -> None:
    """Shuffle in partitions of some 64 MiB on any number of cores, so that memory is bounded and a re-run is the same."""
    least = int(str(LOCAL_CONF["spark.sql.shuffle.partitions"]))
    session.conf.set("spark.sql.shuffle.partitions", max(least, size // BYTES_PER_PART))


def sql_text(name: str, search_columns: Sequence[Column] = SEARCH_COLUMNS) -> str:
    """Text of sql/<name>.sql: one SELECT with :named parameters.

    A line `-- each search column: s.?,` is repeated for every search column, its name in the place of `?`.
    """
    text = (SQL / f"{name}.sql").read_text(encoding="utf-8")
    if not search_columns:
        return text
    return re.sub(
        r"^( *)-- each search column: (.+)$",
        lambda line: "\n".join(line[1] + line[2].replace("?", column.name) for column in search_columns),
        text,
        flags=re.MULTILINE,
    )


def run_sql(name: str, parameters: Mapping[str, object], /, **frames: DataFrame) -> DataFrame:
    """Result of sql/<name>.sql over frames, each under the name that the text reads.

    The names are temporary views only while Spark resolves the text, so no step can depend on a view of another one.
    """
    spark = next(iter(frames.values())).sparkSession
    for view, frame in frames.items():
        frame.createOrReplaceTempView(view)
    try:
        return spark.sql(sql_text(name), args=dict(parameters) or None)
    finally:
        for view in frames:
            spark.catalog.dropTempView(view)


def read_spark(spark: SparkSession, pinned: Pinned) -> DataFrame:
    """Rows of a Parquet partition: the files that its manifest lists, checked first."""
    return spark.read.parquet(*[spark_uri(uri) for uri in pinned.files()])
