"""Impressions of a day -> click_counts and query_counts.

python -m jobs click_counts --impressions impressions/ds=2026-01-31 \\
    --late_impressions late_impressions/ds=2026-01-31 --items items/ds=2026-01-31 \\
    --click_counts click_counts/ds=2026-01-31 --query_counts query_counts/ds=2026-01-31

A day is aggregated once, and a window of any length is the sum of its days. The day whose log brought late events
stores them as a difference. So a window that ends on a given day never changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.ingest.late_events import IMPRESSION_COLUMNS, EarlierDays, changed_days, current_impressions
from jobs.lake.attempt import Attempt
from jobs.lake.partitions import Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin
from jobs.lake.windows import read_columns
from jobs.platform.arguments import CommandArgs, PositiveInt
from jobs.platform.row_counts import RowCounter, published
from jobs.platform.spark import BYTES_PER_PART, read_spark, run_sql, spark_session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

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
    """Sum the day, and the differences that late events make to earlier days."""
    today, late, items = pin(args.impressions), pin(args.late_impressions), pin(args.items)
    changed = changed_days(late)
    with (
        spark_session("click_counts", [today, *changed.inputs]) as spark,
        publish(args.click_counts, args, [today, late, items, *changed.inputs]) as out,
        publish(args.query_counts, args, [today, late]) as query_counts,
    ):
        rows = read_columns(spark, args.impressions.table, [today]).selectExpr(
            "*", f"DATE'{today.partition.ds}' AS day"
        )
        late_rows = read_columns(spark, args.late_impressions.table, [late])
        signed = rows.selectExpr("*", "1 AS sign")
        if late.manifest.rows:
            before, after = _corrections(late_rows, late.partition.ds, changed)
            signed = signed.unionByName(before.selectExpr("*", "-1 AS sign"))
            signed = signed.unionByName(after.selectExpr("*", "1 AS sign"))
        products = read_spark(spark, items).select("item_id", "group_id")
        counts = run_sql(
            "click_counts", {"max_item_votes": args.max_item_votes}, signed_impressions=signed, items=products
        )
        files = 1 + sum(entry.bytes for entry in today.entries()) // BYTES_PER_PART
        _write_counts(out, counts.repartition(files, *KEY))
        columns = ("search_id", "query_id", "query", "day")
        new_searches = rows.select(*columns).unionByName(late_rows.where("is_new_search").select(*columns))
        searches = run_sql("query_counts", {}, new_searches=new_searches)
        query_counts.write_spark(searches, by=["query_id", "day"], files=files)
    return published(out)


def _write_counts(out: Attempt, counts: DataFrame) -> None:
    sums = {"clicks": "clicks", "late": f"if(day < DATE'{out.partition.ds}', 1, 0)"}
    counter = RowCounter(counts, (), {}, sums, {"days": "cast(day AS STRING)"})
    out.write_spark(counter.frame, by=KEY, parted=True)
    out.facts |= {"clicks": counter["clicks"], "days": counter.values("days"), "late_rows": counter["late"]}


def _corrections(late_rows: DataFrame, ds: str, changed: EarlierDays) -> tuple[DataFrame, DataFrame]:
    """Rows of the changed days before and after the late events, for the people and items that late rows name.

    A vote depends on all that a person did with an item on that day, so both are needed; unchanged rows cancel out.
    """
    key = ["day", "item_id", "voter"]
    named = late_rows.selectExpr("day", "item_id", VOTER).distinct()
    versions = changed.versions(late_rows.sparkSession)
    before = versions.selectExpr("*", VOTER).join(named, key, "left_semi").select(*versions.columns)
    new = late_rows.selectExpr(*IMPRESSION_COLUMNS, "day", f"DATE'{ds}' AS arrived")
    return current_impressions(before), current_impressions(before.unionByName(new))
