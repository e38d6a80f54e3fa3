"""Labels, or clicks of the judged days -> relevance judgements.

python -m jobs qrels --click_counts click_counts/ds=2026-01-31 --qrels qrels/ds=2026-01-31 ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from jobs.lake.attempt import Attempt
from jobs.lake.partitions import NOWHERE, Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.lake.windows import first_day, window
from jobs.platform.arguments import CommandArgs
from jobs.platform.row_counts import Tally, published
from jobs.platform.spark import read_spark, spark_session, sql_text
from jobs.platform.spark_udfs import register_functions

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

REASONS = ("no_relevance", "item_ended", "query_unknown")
KEY = ("query_id", "item_id")


class Args(CommandArgs):
    """queries       the known queries, with their split
    items         the catalogue that is searched; judgements of other items are dropped
    qrels         output; replaced
    click_counts  last judged day; read only where there are no labels
    labels        human judgements; the mean over spellings of one query
    judge_days    days of clicks, the last one included: relevance 1 clicked, 2 put in the cart, 3 bought
    """

    queries: Partition
    items: Partition
    qrels: Partition
    click_counts: Partition = NOWHERE
    labels: Partition = NOWHERE
    judge_days: Annotated[int, Interval(ge=1, le=90)] = 1

    def __post_init__(self) -> None:
        if not self.click_counts and not self.labels:
            raise ValueError("expected click_counts or labels")


def main(args: Args) -> dict[str, str | int]:
    """Grade items for queries, by the best evidence there is."""
    source = "labels" if args.labels else "clicks"
    days = None if args.labels else window(args.click_counts, args.judge_days)
    evidence = [pin(args.labels)] if days is None else days.days
    items, queries = pin(args.items), pin(args.queries)
    with spark_session("qrels", evidence) as spark, publish(args.qrels, args, [*evidence, items, queries]) as out:
        read_spark(spark, items).select("item_id").createOrReplaceTempView("items")
        read_spark(spark, queries).select("query_id", "split").createOrReplaceTempView("queries")
        if days is None:
            _label_rows(spark, evidence[0]).createOrReplaceTempView("label_rows")
        else:
            days.read(spark).createOrReplaceTempView("click_counts")
            out.facts["window"] = days.facts
        # the scale travels with the judgements: a click is worth 1, labels say it themselves
        scale = evidence[0].facts if days is None else {}
        out.facts["min_relevance"] = float(scale.get("min_relevance", 1.0))
        out.facts["zero_gain"] = float(scale.get("zero_gain", 0.0))
        since = {} if days is None else {"first_day": first_day(args.click_counts.ds, args.judge_days)}
        graded = spark.sql(sql_text(f"qrels_from_{source}"), args=since)
        tally = Tally(
            graded.repartition(1, *KEY),
            REASONS,
            {"judged": "judgements"},
            {"all": "judgements + unreadable", "unreadable": "unreadable"},
        )
        kept = tally.frame.where("reason IS NULL").select(*args.qrels.table.columns)
        out.write_spark(kept, by=KEY, parted=True)
        _account(args, out, tally, "labels" if args.labels else "clicks")
    return published(out)


def _label_rows(spark: SparkSession, labels: Pinned) -> DataFrame:
    register_functions(spark)
    rows = read_spark(spark, labels).selectExpr("normalise_query(query) AS query", "item_id", "relevance")
    return rows.selectExpr("sha1(query) AS query_id", "item_id", "relevance")


def _account(args: Args, out: Attempt, tally: Tally, unit: str) -> None:
    dropped = tally.dropped("judged")
    if tally["unreadable"]:
        dropped["no_relevance"] = tally["unreadable"]
    out.count(unit, tally["all"], tally.kept("judged"), dropped)
    if not tally.kept("judged"):
        raise ValueError(
            f"{args.qrels}: 0 judgements of {tally['all']:,} {unit} (dropped: {dropped}); expected one at least; "
            f"are {args.items} and {args.queries} of the same shop?"
        )
