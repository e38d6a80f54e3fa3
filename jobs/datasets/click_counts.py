"""Impressions of a day -> click_counts and query_counts.

python -m jobs click_counts --impressions impressions/ds=2026-01-31 --late_impressions late_impressions/ds=2026-01-31 --items items/ds=2026-01-31 \\
    --click_counts click_counts/ds=2026-01-31 --query_counts query_counts/ds=2026-01-31

A day is aggregated once. A window of any length is the sum of its days' rows, and what arrived late is booked by the
day that brought it, as a difference: so a window that ends on a day gives for ever what it gave on that day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.ingest.late_events import ROW, Earlier, overlaid, those_changed
from jobs.lake.partitions import Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.platform.arguments import CommandArgs, PositiveInt
from jobs.platform.row_counts import Tally, published
from jobs.platform.spark import BYTES_PER_PART, read_spark, spark_session, sql_text

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

KEY = ("query_id", "item_id", "position", "day")
VOTER = "coalesce(client_id, session_id) AS voter"


class Args(CommandArgs):
    """impressions       the day's; the days that `late_impressions` changes are read as well
    late_impressions  rows that the day's log adds to earlier days
    items             catalogue of the day; maps each clicked offer to its product
    click_counts      output: impressions, clicks, carts and purchases by query, item and position; replaced
    query_counts      output: searches by query; replaced
    max_item_votes    queries per person and day whose clicks on one item count; limits the effect of click farms
    """

    impressions: Partition
    late_impressions: Partition
    items: Partition
    click_counts: Partition
    query_counts: Partition
    max_item_votes: PositiveInt = 3

    def __post_init__(self) -> None:
        same_day = (self.impressions, self.late_impressions, self.click_counts, self.query_counts)
        if len({partition.ds for partition in same_day}) != 1:
            raise ValueError(
                "impressions, late_impressions, click_counts and query_counts: expected one and the same day"
            )


def main(args: Args) -> dict[str, str | int]:
    """Sum the day, and the differences that late events make to earlier ones."""
    today, late, items = pin(args.impressions), pin(args.late_impressions), pin(args.items)
    changed = those_changed(late)
    with (
        spark_session("click_counts", [today, *changed.inputs]) as spark,
        publish(args.click_counts, args, [today, late, items, *changed.inputs]) as out,
        publish(args.query_counts, args, [today, late]) as counted_queries,
    ):
        read_spark(spark, items).select("item_id", "group_id").createOrReplaceTempView("items")
        rows = _today(spark, today)
        shown = rows.selectExpr(*ROW, "day", "1 AS sign")
        if late.manifest.rows:
            before, after = _differences(spark, late, changed)
            shown = shown.unionByName(before.selectExpr(*ROW, "day", "-1 AS sign"))
            shown = shown.unionByName(after.selectExpr(*ROW, "day", "1 AS sign"))
        shown.createOrReplaceTempView("signed_impressions")
        votes = spark.sql(sql_text("click_counts"), args={"max_item_votes": args.max_item_votes})
        files = 1 + sum(entry.bytes for entry in today.entries()) // BYTES_PER_PART
        sums = {"clicks": "clicks", "late": f"if(day < DATE'{args.click_counts.ds}', 1, 0)"}
        parts = votes.repartition(files, *KEY)
        tally = Tally(parts, (), {}, sums, {"days": "cast(day AS STRING)"})
        out.write_spark(tally.frame, by=KEY, parted=True)
        out.facts |= {"clicks": tally["clicks"], "days": tally.values("days"), "late_rows": tally["late"]}
        _asked(spark, rows, late).createOrReplaceTempView("new_searches")
        counted_queries.write_spark(spark.sql(sql_text("query_counts")), by=["query_id", "day"], files=files)
    return published(out)


def _today(spark: SparkSession, today: Pinned) -> DataFrame:
    return read_spark(spark, today).selectExpr(*ROW, f"DATE'{today.partition.ds}' AS day")


def _differences(spark: SparkSession, late: Pinned, changed: Earlier) -> tuple[DataFrame, DataFrame]:
    """The earlier days as they stood and as they stand now: of the people and items that late rows name.

    A vote depends on all that a person did with an item that day, hence both; what did not change cancels out.
    """
    named = read_spark(spark, late).selectExpr("day", "item_id", VOTER).distinct()
    key = ["day", "item_id", "voter"]
    arrivals = changed.arrivals(spark).selectExpr("*", VOTER)
    before = arrivals.join(named, key, "left_semi").select(*ROW, "day", "arrived")
    new = read_spark(spark, late).selectExpr(*ROW, "day", f"DATE'{late.partition.ds}' AS arrived")
    return overlaid(spark, before), overlaid(spark, before.unionByName(new))


def _asked(spark: SparkSession, rows: DataFrame, late: Pinned) -> DataFrame:
    """The searches that are new to their day."""
    columns = ("search_id", "query_id", "query", "day")
    new = read_spark(spark, late).where("is_new_search").select(*columns)
    return rows.select(*columns).unionByName(new)
