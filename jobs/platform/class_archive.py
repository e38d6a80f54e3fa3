"""An archive of Spark's classes, from which a JVM starts in half of the time (class data sharing, JEP 350).

    python -m jobs.platform.class_archive

`make` makes it once, beside the packages whose classes it holds, and sessions on a local master read it. A JVM that it
does not fit (another Java, other jars) loads its classes as ever. The packaged Java can write none.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.platform.java import java_home
from jobs.platform.row_counts import RowCounter
from jobs.platform.spark import ARCHIVE, CONF, LOCAL_CONF, run_sql
from jobs.platform.spark_udfs import register_functions

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# shapes of the jobs' own texts: JSON lines, windows, sets, joins, hashes, Parquet
LINES = [f'{{"query_id": "q{n % 9}", "at": "2026-01-31T10:00:{n:02}Z", "item": {{"id": "i{n}"}}}}' for n in range(60)]
READ = """
SELECT j.query_id, CAST(j.at AS TIMESTAMP) AS at, j.item.id AS item_id, sha2(j.query_id, 256) AS hash
FROM (SELECT from_json(value, 'query_id STRING, at STRING, item STRUCT<id: STRING>') AS j FROM lines)
"""
COUNT = """
WITH placed AS (SELECT *, ROW_NUMBER() OVER (PARTITION BY query_id ORDER BY at) AS place FROM rows)
SELECT p.query_id, COUNT(DISTINCT p.item_id) AS items, COLLECT_LIST(p.place) AS places, MAX_BY(p.item_id, p.at) AS last
FROM placed AS p JOIN (SELECT query_id, MIN(at) AS first FROM rows GROUP BY query_id) AS f ON p.query_id = f.query_id
WHERE p.at >= f.first GROUP BY p.query_id ORDER BY items DESC
"""
CATALOGUE = """
SELECT 'f' AS file, 0L AS block, item_id AS line, '' AS raw, false AS malformed, item_id, item_id AS title,
'["a > b", "c"]' AS category, '' AS brand, '{"a": "b"}' AS attributes, '1,5 EUR' AS price, '' AS currency, '' AS group_id
FROM VALUES ('1'), ('2') AS given (item_id)
"""


def main() -> None:
    """Run a small query on Spark, and let its JVM write the archive when it ends.

    Raises:
        subprocess.TimeoutExpired: the JVM did not end in ten minutes.
    """
    from pyspark.sql import SparkSession

    os.environ["JAVA_HOME"] = java_home()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    part = ARCHIVE.with_suffix(".part")
    java_options = f'-XX:+UseParallelGC "-XX:ArchiveClassesAtExit={part}" -Xlog:cds=off -Dlog4j2.level=error'
    conf = {**CONF, **LOCAL_CONF, "spark.driver.extraJavaOptions": java_options}
    session = SparkSession.builder.master("local[2]").config(map=conf).getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder, "lines.ndjson")
        lines.write_text("\n".join(LINES), "utf-8")
        session.read.text(str(lines)).createOrReplaceTempView("lines")
        session.sql(READ).write.parquet(f"{folder}/rows")
        session.read.parquet(f"{folder}/rows").createOrReplaceTempView("rows")
        counted = session.sql(COUNT)
        counted.write.parquet(f"{folder}/counted")
        counted.mapInArrow(lambda batches: batches, counted.schema).toPandas()
        clean_items(session, f"{folder}/items")
    java: subprocess.Popen[bytes] = session.sparkContext._gateway.proc  # type: ignore[union-attr]
    session.stop()
    assert java.stdin
    java.stdin.close()  # the JVM ends with its caller's stream
    java.wait(timeout=600)  # it writes the archive as it ends: a minute alone, more on a busy machine
    if part.exists():
        part.replace(ARCHIVE)
    else:
        sys.stderr.write("This Java writes no class archive: Spark starts without one.\n")


def clean_items(session: SparkSession, folder: str) -> None:
    """Run the text of `items`, which has lambda functions, patterns and functions of Python, with its counts."""
    register_functions(session)
    rows = session.sql(CATALOGUE)
    numbers = session.createDataFrame([], "item_id STRING, clicks_28 DOUBLE")
    settings = {"money": "(E)(U)(R)", "absent": [""], "decimal_comma": False, "slots": "off"}
    items = run_sql("items", settings, catalogue_rows=rows, item_numbers=numbers)
    counted = RowCounter(items.repartition(1, "item_id"), ["no_title"], {"rows": "1"}, {})
    counted.frame.where("reason IS NULL").write.parquet(folder)
    counted.kept("rows")


if __name__ == "__main__":
    main()
