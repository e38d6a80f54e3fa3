"""Query counts of a window, or labels -> queries with splits.

python -m jobs queries --query_counts query_counts/ds=2026-01-31 --queries queries/ds=2026-01-31
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.lake.partitions import NOWHERE, QUERY_COUNTS, Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.lake.windows import Window, first_day, window
from jobs.platform.arguments import CommandArgs, Fraction, WindowDays
from jobs.platform.row_counts import published
from jobs.platform.spark import read_spark, run_sql, spark_session
from jobs.platform.spark_udfs import register_functions

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SPLITS = ("train", "dev", "test")


class Args(CommandArgs):
    """queries       output; replaced
    query_counts  last day of the window; empty: the labelled queries alone
    labels        labelled queries, added where nobody searched for them; their split is kept
    window_days   days of searches, the last one included; days that are not published are left out
    head_frac     head: the most frequent queries that together make this share of all searches
    torso_frac    torso: the next queries, up to this share; the rest, and queries searched once, are tail
    """

    queries: Partition
    query_counts: Partition = NOWHERE
    labels: Partition = NOWHERE
    window_days: WindowDays = 28
    head_frac: Fraction = 0.5
    torso_frac: Fraction = 0.8

    def __post_init__(self) -> None:
        if not self.query_counts and not self.labels:
            raise ValueError("expected query_counts, labels or both")
        if self.head_frac > self.torso_frac:
            raise ValueError(
                f"head_frac={self.head_frac}, torso_frac={self.torso_frac}: expected head_frac <= torso_frac"
            )


def main(args: Args) -> dict[str, str | int]:
    """Count searches per query, and give each query its segment and its permanent split."""
    days = window(args.query_counts, args.window_days) if args.query_counts else Window(QUERY_COUNTS, [])
    labels = [pin(args.labels)] if args.labels else []
    with spark_session("queries", days.days) as spark, publish(args.queries, args, [*days.days, *labels]) as out:
        register_functions(spark)
        settings = {
            "head_frac": args.head_frac,
            "torso_frac": args.torso_frac,
            "first_day": first_day(args.queries.ds, args.window_days),
        }
        label_queries = _label_queries(spark, labels)
        queries = run_sql("queries", settings, query_counts=days.read(spark), label_queries=label_queries)
        out.write_spark(queries, by=["query_id"], files=days.files)
        out.facts["window"] = days.facts
    return published(out)


def _label_queries(spark: SparkSession, labels: list[Pinned]) -> DataFrame:
    """query_id, query (normalised) and split of every label; an empty frame without labels.

    Raises:
        ValueError: a split is not one of SPLITS.
    """
    if not labels:
        return spark.createDataFrame([], "query_id STRING, query STRING, split STRING")
    rows = read_spark(spark, labels[0])
    splits = {row["split"] for row in rows.select("split").distinct().collect()}
    if unknown := sorted(splits - {None, *SPLITS}):
        raise ValueError(
            f"{labels[0].partition}: found split {', '.join(unknown)}, expected {', '.join(SPLITS)} or NULL; "
            f"correct the labels and publish them again"
        )
    named = rows.selectExpr("normalise_query(query) AS query", "split")
    return named.selectExpr("sha1(query) AS query_id", "query", "split")
