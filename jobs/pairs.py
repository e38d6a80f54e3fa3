"""Impressions of a window, or judgements -> pairs.

python -m jobs.pairs --impressions impressions/ds=2026-01-31 --items items/ds=2026-01-31 \\
    --queries queries/ds=2026-01-31 --pairs pairs/ds=2026-01-31
python -m jobs.pairs --qrels qrels/ds=2026-01-31 --pairs pairs/ds=2026-01-31
"""

from __future__ import annotations

from dataclasses import dataclass

from jobs.accounts import Tally, published
from jobs.cli import run
from jobs.lake import NOWHERE, Partition
from jobs.publish import publish
from jobs.reading import pin
from jobs.spark import read_spark, spark_session, sql_text
from jobs.window import window

REASONS = ("too_few_clicks", "item_ended", "query_unknown")
JUDGED = ("not_relevant",)


@dataclass(frozen=True)
class Args:
    """pairs        output; replaced
    impressions  last day of the window
    items        catalogue of that day; pairs with items that have ended are dropped
    queries      queries of the same window; they give each pair its split
    qrels        judgements, such as people's labels, in the place of all three: the relevant ones are the pairs
    window_days  days of impressions, the last one included; days that are not published are left out
    min_clicks   clicks that a pair needs within the window
    eta          a place is looked at with probability 1 / position ** eta; its inverse weighs a click
    max_weight   the most that one click may weigh
    half_life_days  age at which a click counts half; 0: all count alike
    """

    pairs: Partition
    impressions: Partition = NOWHERE
    items: Partition = NOWHERE
    queries: Partition = NOWHERE
    qrels: Partition = NOWHERE
    window_days: int = 28
    min_clicks: int = 1
    eta: float = 1.0
    max_weight: float = 20.0
    half_life_days: float = 0.0

    def __post_init__(self) -> None:
        clicks = [bool(one) for one in (self.impressions, self.items, self.queries)]
        if any(clicks) == bool(self.qrels) or any(clicks) != all(clicks):
            raise ValueError("expected impressions, items and queries, or qrels instead of them")
        if self.min_clicks < 1 or self.eta < 0 or self.max_weight < 1 or self.half_life_days < 0:
            raise ValueError(
                "expected min_clicks >= 1, eta >= 0, max_weight >= 1, half_life_days >= 0"
            )


def main(args: Args) -> dict[str, str | int]:
    """Make the pairs; drop what can no longer be found, or is not relevant."""
    return _from_qrels(args) if args.qrels else _from_clicks(args)


def _from_clicks(args: Args) -> dict[str, str | int]:
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


def _from_qrels(args: Args) -> dict[str, str | int]:
    qrels = pin(args.qrels)
    scale = {name: float(qrels.facts[name]) for name in ("min_relevance", "zero_gain")}
    with spark_session("pairs") as spark, publish(args.pairs, args, [qrels]) as out:
        read_spark(spark, qrels).createOrReplaceTempView("qrels")
        judged = spark.sql(sql_text("pairs_from_qrels"), args={"ds": args.pairs.ds, **scale})
        tally = Tally(judged, JUDGED, {"judged": "clicks"}, {"judged": "clicks"})
        kept = tally.frame.where("reason IS NULL").select(*args.pairs.table.columns)
        out.write_spark(kept, by=["query_id", "item_id"])
        dropped = tally.dropped("judged")
        out.count("judgements", tally["judged"], tally.kept("judged"), dropped)
        out.facts |= scale
        if not tally.kept("judged"):
            raise ValueError(
                f"{args.pairs}: 0 pairs of {tally['judged']:,} judgements; expected one at least of relevance"
                f" {scale['min_relevance']} or more; is that the scale of {args.qrels}?"
            )
    return published(out)


if __name__ == "__main__":
    run(Args, main)
