"""Click counts of a window, or judgements -> training pairs.

python -m jobs pairs --click_counts click_counts/ds=2026-01-31 --items items/ds=2026-01-31 \\
    --queries queries/ds=2026-01-31 --propensities propensities/ds=2026-01-31 --pairs pairs/ds=2026-01-31
python -m jobs pairs --qrels qrels/ds=2026-01-31 --pairs pairs/ds=2026-01-31
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge

from jobs.lake.attempt import Attempt
from jobs.lake.partitions import NOWHERE, Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin
from jobs.lake.windows import first_day, window
from jobs.platform.arguments import CommandArgs, Fraction, NonNegativeFloat, NonNegativeInt, PositiveInt, WindowDays
from jobs.platform.row_counts import RowCounter, published
from jobs.platform.spark import read_spark, run_sql, spark_session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

REASONS = ("too_few_clicks", "item_ended", "query_unknown", "off_topic")
POSITIONS = 1_000
QRELS_REASONS = ("not_relevant",)
KEY = ("query_id", "item_id")
# settings that sql/pairs.sql takes as parameters
SQL_SETTINGS = (
    "min_clicks",
    "max_weight",
    "cart_weight",
    "purchase_weight",
    "half_life_days",
    "topic_depth",
    "min_topic_frac",
    "topic_clicks",
)


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
    """Make the pairs from clicks, or from judgements."""
    return _from_qrels(args) if args.qrels else _from_clicks(args)


def _from_clicks(args: Args) -> dict[str, str | int]:
    days = window(args.click_counts, args.window_days)
    items, queries = pin(args.items), pin(args.queries)
    law = pin(args.propensities) if args.propensities else None
    inputs = [*days.days, items, queries, *([law] if law else [])]
    with spark_session("pairs", days.days) as spark, publish(args.pairs, args, inputs) as out:
        propensities = read_spark(spark, law) if law else _power_law(spark, args.eta)
        pairs = run_sql(
            "pairs",
            _parameters(args, law.manifest.rows if law else POSITIONS),
            click_counts=days.read(spark),
            propensities=propensities.select("position", "propensity"),
            items=read_spark(spark, items).select("item_id", "group_id", "category"),
            queries=read_spark(spark, queries).select("query_id", "split"),
        )
        out.facts["window"] = days.facts
        counts = _write(out, pairs.repartition(days.files, *KEY), "clicks", REASONS)
        if not counts.kept("clicks"):
            raise ValueError(
                f"{args.pairs}: 0 pairs of {counts['clicks']:,} clicks (dropped: {counts.dropped('clicks')}); expected"
                f" one at least; are {args.click_counts}, {args.items} and {args.queries} of the same shop and window?"
            )
    return published(out)


def _from_qrels(args: Args) -> dict[str, str | int]:
    qrels = pin(args.qrels)
    scale = {name: float(qrels.facts[name]) for name in ("min_relevance", "zero_gain")}
    with spark_session("pairs") as spark, publish(args.pairs, args, [qrels]) as out:
        pairs = run_sql("pairs_from_qrels", {"ds": args.pairs.ds, **scale}, qrels=read_spark(spark, qrels))
        out.facts |= scale
        counts = _write(out, pairs.repartition(1, *KEY), "judgements", QRELS_REASONS)
        if not counts.kept("judgements"):
            raise ValueError(
                f"{args.pairs}: 0 pairs of {counts['judgements']:,} judgements; expected one at least of relevance"
                f" {scale['min_relevance']} or more; is that the scale of {args.qrels}?"
            )
    return published(out)


def _write(out: Attempt, pairs: DataFrame, unit: str, reasons: tuple[str, ...]) -> RowCounter:
    """Write the pairs that are kept, and account for the clicks (or judgements) of all of them."""
    counts = RowCounter(pairs, reasons, {unit: "clicks"}, {unit: "clicks"})
    counts.write_kept(out, by=KEY)
    out.count(unit, counts[unit], counts.kept(unit), counts.dropped(unit))
    return counts


def _parameters(args: Args, last_position: int) -> dict[str, str | int | float]:
    return {
        **{name: getattr(args, name) for name in SQL_SETTINGS},
        "ds": args.click_counts.ds,
        "first_day": first_day(args.click_counts.ds, args.window_days),
        "max_position": last_position,
    }


def _power_law(spark: SparkSession, eta: float) -> DataFrame:
    """Propensities of the positions 1 to POSITIONS by 1 / position ** eta."""
    positions = spark.range(1, POSITIONS + 1)
    return positions.selectExpr("CAST(id AS INT) AS position", f"POWER(CAST(id AS DOUBLE), -{eta}D) AS propensity")
