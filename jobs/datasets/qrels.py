"""Labels or judged clicks, and rules -> judgements.

python -m jobs qrels --click_counts click_counts/ds=2026-01-31 --qrels qrels/ds=2026-01-31 ...
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from jobs.datasets.rules import COLUMNS, digest, judgements_of, read_rules
from jobs.lake.attempt import Attempt
from jobs.lake.partitions import NOWHERE, Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin, read_table
from jobs.lake.windows import first_day, window
from jobs.platform.arguments import CommandArgs, PositiveInt
from jobs.platform.row_counts import RowCounter, published
from jobs.platform.spark import read_spark, run_sql, spark_session
from jobs.platform.spark_udfs import register_functions

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

REASONS = ("no_relevance", "item_ended", "query_unknown", "rule_not_of_train", "judged_by_people")
KEY = ("query_id", "item_id")


class Args(CommandArgs):
    """queries       the known queries, with their split
    items         the catalogue that is searched; judgements of other items are dropped
    qrels         output; replaced
    click_counts  last judged day; read only where there are no labels
    labels        human judgements; the mean over spellings of one query
    judge_days    days of clicks, the last one included: relevance 1 clicked, 2 put in the cart, 3 bought
    rules         CSV file of rules (query, words, verdict): judgements of train queries to learn from
    rule_items    items at most that a rule judges
    """

    queries: Partition
    items: Partition
    qrels: Partition
    click_counts: Partition = NOWHERE
    labels: Partition = NOWHERE
    judge_days: Annotated[int, Interval(ge=1, le=90)] = 1
    rules: str = ""
    rule_items: PositiveInt = 100

    def __post_init__(self) -> None:
        if not self.click_counts and not self.labels:
            raise ValueError("expected click_counts or labels")
        if self.rules and not Path(self.rules).is_file():
            raise ValueError(f"rules={self.rules}: no such file; expected CSV with {', '.join(COLUMNS)}")


def main(args: Args) -> dict[str, str | int]:
    """Grade items for queries, by labels if there are any, else by clicks."""
    days = None if args.labels else window(args.click_counts, args.judge_days)
    inputs = [pin(args.labels)] if days is None else days.days
    items, queries = pin(args.items), pin(args.queries)
    with spark_session("qrels", inputs) as spark, publish(args.qrels, args, [*inputs, items, queries]) as out:
        frames = {
            "items": read_spark(spark, items).select("item_id"),
            "queries": read_spark(spark, queries).select("query_id", "split"),
        }
        # the relevance scale is a fact of the qrels: labels define it, clicks count from 1
        scale = inputs[0].facts if days is None else {}
        out.facts["min_relevance"] = float(scale.get("min_relevance", 1.0))
        out.facts["zero_gain"] = float(scale.get("zero_gain", 0.0))
        if days is None:
            graded = run_sql("qrels_from_labels", {}, label_rows=_label_rows(spark, inputs[0]), **frames)
        else:
            out.facts["window"] = days.facts
            since = {"first_day": first_day(args.click_counts.ds, args.judge_days)}
            graded = run_sql("qrels_from_clicks", since, click_counts=days.read(spark), **frames)
        if args.rules:
            graded = _with_rules(args, spark, graded, items, frames["queries"], out)
        counts = RowCounter(
            graded.repartition(1, *KEY),
            REASONS,
            {"judged": "judgements"},
            {"all": "judgements + unreadable", "unreadable": "unreadable"},
        )
        counts.write_kept(out, by=KEY)
        _account(args, out, counts, "labels" if days is None else "clicks")
    return published(out)


def _with_rules(
    args: Args, spark: SparkSession, graded: DataFrame, items: Pinned, queries: DataFrame, out: Attempt
) -> DataFrame:
    """The judgements, and those of the rules after them."""
    path = Path(args.rules)
    scale = out.facts["min_relevance"], out.facts["zero_gain"]
    rows, facts = judgements_of(read_rules(path), read_table(items, ["item_id", "title"]), scale, args.rule_items)
    out.facts.update(facts, rules_sha256=digest(path))
    rules = spark.createDataFrame(rows)
    judged = graded.where("reason IS NULL").select("query_id", "item_id")
    return graded.unionByName(run_sql("qrels_from_rules", {}, rule_rows=rules, queries=queries, qrels=judged))


def _label_rows(spark: SparkSession, labels: Pinned) -> DataFrame:
    register_functions(spark)
    rows = read_spark(spark, labels).selectExpr("normalise_query(query) AS query", "item_id", "relevance")
    return rows.selectExpr("sha1(query) AS query_id", "item_id", "relevance")


def _account(args: Args, out: Attempt, counts: RowCounter, unit: str) -> None:
    dropped = counts.dropped("judged")
    if counts["unreadable"]:
        dropped["no_relevance"] = counts["unreadable"]
    out.count(unit, counts["all"], counts.kept("judged"), dropped)
    if not counts.kept("judged"):
        raise ValueError(
            f"{args.qrels}: 0 judgements of {counts['all']:,} {unit} (dropped: {dropped}); expected one at least; "
            f"are {args.items} and {args.queries} of the same shop?"
        )
