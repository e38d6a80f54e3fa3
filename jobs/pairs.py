"""Impressions of a window -> pairs.   python -m jobs.pairs --impressions impressions/ds=2026-01-31 --pairs pairs/ds=2026-01-31 ..."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.accounts import Tally, published
from jobs.cli import run
from jobs.lake import Partition
from jobs.publish import publish
from jobs.reading import pin
from jobs.spark import read_spark, spark_session, sql_text
from jobs.window import window

REASONS = ("too_few_clicks", "item_ended", "query_unknown")


@dataclass(frozen=True)
class Args:
    """impressions  last day of the window
    items        catalogue of that day; pairs with items that have ended are dropped
    queries      queries of the same window; they give each pair its split
    pairs        output; replaced
    window_days  days of impressions, the last one included; days that are not published are left out
    min_clicks   clicks that a pair needs within the window
    eta          a place is looked at with probability 1 / position ** eta; its inverse weighs a click
    max_weight   the most that one click may weigh
    half_life_days  age at which a click counts half; 0: all count alike
    """

    impressions: Partition
    items: Partition
    queries: Partition
    pairs: Partition
    window_days: int = 28
    min_clicks: int = 1
    eta: float = 1.0
    max_weight: float = 20.0
    half_life_days: float = 0.0

    def __post_init__(self) -> None:
        if self.min_clicks < 1 or self.eta < 0 or self.max_weight < 1 or self.half_life_days < 0:
            raise ValueError(
                "expected min_clicks >= 1, eta >= 0, max_weight >= 1, half_life_days >= 0"
            )


def main(args: Args) -> dict[str, str | int]:
    """Count and weigh the clicks of each pair; drop what can no longer be found."""
    days = window(args.impressions, args.window_days)
    items, queries = pin(args.items), pin(args.queries)
    with (
        spark_session("pairs") as spark,
        publish(args.pairs, args, [*days.days, items, queries]) as out,
    ):
        days.read(spark).createOrReplaceTempView("impressions")
        read_spark(spark, items).select("item_id").createOrReplaceTempView("items")
        read_spark(spark, queries).select("query_id", "split").createOrReplaceTempView("queries")
        settings = {
            "ds": args.impressions.ds,
            "min_clicks": args.min_clicks,
            "eta": args.eta,
            "max_weight": args.max_weight,
            "half_life_days": args.half_life_days,
        }
        counted = spark.sql(sql_text("pairs"), args=settings)
        tally = Tally(counted, REASONS, {"clicks": "clicks"}, {"clicks": "clicks"})
        kept = tally.frame.where("reason IS NULL").select(*args.pairs.table.columns)
        out.write_spark(kept, by=["query_id", "item_id"], files=days.files)
        dropped = tally.dropped("clicks")
        out.count("clicked impressions", tally["clicks"], tally.kept("clicks"), dropped)
        out.facts["window"] = days.facts
        if not tally.kept("clicks"):
            raise ValueError(
                f"{args.pairs}: 0 pairs of {tally['clicks']:,} clicked impressions (dropped: {dropped}); expected one "
                f"at least; are {args.impressions}, {args.items} and {args.queries} of the same shop and window?"
            )
    return published(out)


if __name__ == "__main__":
    run(Args, main)
