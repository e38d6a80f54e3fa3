"""Click counts of a window, or judgements -> training pairs.

python -m jobs pairs --click_counts click_counts/ds=2026-01-31 --items items/ds=2026-01-31 --queries queries/ds=2026-01-31 \\
    --propensities propensities/ds=2026-01-31 --pairs pairs/ds=2026-01-31
python -m jobs pairs --qrels qrels/ds=2026-01-31 --pairs pairs/ds=2026-01-31
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge

from jobs.lake.partitions import NOWHERE, Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin
from jobs.lake.windows import first_day, window
from jobs.platform.arguments import CommandArgs, Fraction, NonNegativeFloat, NonNegativeInt, PositiveInt, WindowDays
from jobs.platform.row_counts import Tally, published
from jobs.platform.spark import read_spark, spark_session, sql_text

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

REASONS = ("too_few_clicks", "item_ended", "query_unknown", "off_topic")
POSITIONS = 1_000
JUDGED = ("not_relevant",)
KEY = ("query_id", "item_id")


class Args(CommandArgs):
    """pairs            output; replaced
    click_counts     last day of the window
    items            catalogue of that day; clicks on ended offers move to a current offer of the same product
    queries          queries of the same window; each pair takes its query's split
    propensities     P(examined) by position, whose inverse weighs a click; empty: 1 / position ** eta
    qrels            judgements, such as people's labels, instead of all these: their relevant items are the pairs
    window_days      days of click_counts, the last one included; days that are not published are left out
    min_clicks       clicks that a query and product need within the window, over all offers of the product
    eta              exponent of P(examined) = 1 / position ** eta
    max_weight       upper limit of the position weight of one click
    cart_weight      weight of a cart in addition to its click, in clicks
    purchase_weight  weight of a purchase in addition to its click and its cart, in clicks
    half_life_days   age in days at which a click counts half; 0: all count the same
    topic_depth      levels of the category path that make a topic
    min_topic_frac   share of a query's weight below which a topic is off-topic (cases for `iphone`), and its pairs
                     are left out; 0: no topic is left out
    topic_clicks     clicks that a query needs before its topics are examined
    """

    pairs: Partition
    click_counts: Partition = NOWHERE
    items: Partition = NOWHERE
    queries: Partition = NOWHERE
    propensities: Partition = NOWHERE
    qrels: Partition = NOWHERE
    window_days: WindowDays = 28
    min_clicks: PositiveInt = 1
    eta: NonNegativeFloat = 1.0
    max_weight: Annotated[float, Ge(1)] = 20.0
    cart_weight: NonNegativeFloat = 1.0
    purchase_weight: NonNegativeFloat = 2.0
    half_life_days: NonNegativeFloat = 0.0
    topic_depth: PositiveInt = 2
    min_topic_frac: Fraction = 0.02
    topic_clicks: NonNegativeInt = 20

    def __post_init__(self) -> None:
        clicks = [bool(table) for table in (self.click_counts, self.items, self.queries)]
        if any(clicks) == bool(self.qrels) or any(clicks) != all(clicks):
            raise ValueError("expected click_counts, items and queries, or qrels instead of them")


def main(args: Args) -> dict[str, str | int]:
    """Make the pairs; drop what can no longer be found, or is not relevant."""
    return _from_qrels(args) if args.qrels else _from_clicks(args)


def _from_clicks(args: Args) -> dict[str, str | int]:
    days = window(args.click_counts, args.window_days)
    items, queries = pin(args.items), pin(args.queries)
    law = [pin(args.propensities)] if args.propensities else []
    with (
        spark_session("pairs", days.days) as spark,
        publish(args.pairs, args, [*days.days, items, queries, *law]) as out,
    ):
        days.read(spark).createOrReplaceTempView("click_counts")
        offers = read_spark(spark, items).select("item_id", "group_id", "category")
        offers.createOrReplaceTempView("items")
        read_spark(spark, queries).select("query_id", "split").createOrReplaceTempView("queries")
        likely = read_spark(spark, law[0]) if law else _by_law(spark, args.eta)
        likely.select("position", "propensity").createOrReplaceTempView("propensities")
        deepest = law[0].manifest.rows if law else POSITIONS
        found = spark.sql(sql_text("pairs"), args=_settings(args, deepest))
        parts = found.repartition(days.files, *KEY)
        tally = Tally(parts, REASONS, {"clicks": "clicks"}, {"clicks": "clicks"})
        kept = tally.frame.where("reason IS NULL").select(*args.pairs.table.columns)
        out.write_spark(kept, by=KEY, parted=True)
        dropped = tally.dropped("clicks")
        out.count("clicks", tally["clicks"], tally.kept("clicks"), dropped)
        out.facts["window"] = days.facts
        if not tally.kept("clicks"):
            raise ValueError(
                f"{args.pairs}: 0 pairs of {tally['clicks']:,} clicks (dropped: {dropped}); expected one at least; are"
                f" {args.click_counts}, {args.items} and {args.queries} of the same shop and window?"
            )
    return published(out)


def _settings(args: Args, deepest: int) -> dict[str, str | int | float]:
    names = (
        "min_clicks",
        "max_weight",
        "cart_weight",
        "purchase_weight",
        "half_life_days",
        "topic_depth",
        "min_topic_frac",
        "topic_clicks",
    )
    return {
        **{name: getattr(args, name) for name in names},
        "ds": args.click_counts.ds,
        "first_day": first_day(args.click_counts.ds, args.window_days),
        "max_position": deepest,
    }


def _by_law(spark: SparkSession, eta: float) -> DataFrame:
    places = spark.range(1, POSITIONS + 1)
    return places.selectExpr("CAST(id AS INT) AS position", f"POWER(CAST(id AS DOUBLE), -{eta}D) AS propensity")


def _from_qrels(args: Args) -> dict[str, str | int]:
    qrels = pin(args.qrels)
    scale = {name: float(qrels.facts[name]) for name in ("min_relevance", "zero_gain")}
    with spark_session("pairs") as spark, publish(args.pairs, args, [qrels]) as out:
        read_spark(spark, qrels).createOrReplaceTempView("qrels")
        judged = spark.sql(sql_text("pairs_from_qrels"), args={"ds": args.pairs.ds, **scale})
        parts = judged.repartition(1, *KEY)
        tally = Tally(parts, JUDGED, {"judged": "clicks"}, {"judged": "clicks"})
        kept = tally.frame.where("reason IS NULL").select(*args.pairs.table.columns)
        out.write_spark(kept, by=KEY, parted=True)
        dropped = tally.dropped("judged")
        out.count("judgements", tally["judged"], tally.kept("judged"), dropped)
        out.facts |= scale
        if not tally.kept("judged"):
            raise ValueError(
                f"{args.pairs}: 0 pairs of {tally['judged']:,} judgements; expected one at least of relevance"
                f" {scale['min_relevance']} or more; is that the scale of {args.qrels}?"
            )
    return published(out)
