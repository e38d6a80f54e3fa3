"""Click counts -> items often viewed and never clicked.

python -m jobs unclicked --click_counts click_counts/ds=2026-01-31 --items items/ds=2026-01-31 \\
    --queries queries/ds=2026-01-31 --propensities propensities/ds=2026-01-31 --unclicked unclicked/ds=2026-01-31

An impression far down is rarely seen. So impressions are counted by the probability that they were examined: their sum is
the number of clicks that a perfect item would have had. Wang et al. 2021 (eBay), who take unclicked views as negatives.
"""

from __future__ import annotations

from typing import Annotated

from jobs.lake.partitions import Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin
from jobs.lake.windows import first_day, window
from jobs.platform.arguments import FIRST, CommandArgs, PositiveFloat, WindowDays
from jobs.platform.row_counts import RowCounter, published
from jobs.platform.spark import read_spark, run_sql, spark_session

REASONS = ("clicked", "few_views", "item_ended", "query_unknown")
KEY = ("query_id", "item_id")
UNIT = "impressions"


class Args(CommandArgs):
    """click_counts         last day of the window
    items                catalogue of that day; ended items are left out
    queries              queries of the same window
    propensities         P(examined) by position
    unclicked            output; replaced
    window_days          days of click_counts, the last one included; days that are not published are left out
    min_expected_clicks  sum of the propensities of an item's impressions from which its lack of clicks says something
    """

    click_counts: Partition
    items: Partition
    queries: Partition
    propensities: Partition
    unclicked: Partition
    window_days: WindowDays = 28
    min_expected_clicks: Annotated[PositiveFloat, FIRST] = 3.0


def main(args: Args) -> dict[str, str | int]:
    """Add up the window, keep what was viewed and never clicked; impressions of the rest are counted by reason."""
    days = window(args.click_counts, args.window_days)
    items, queries, law = pin(args.items), pin(args.queries), pin(args.propensities)
    inputs = [*days.days, items, queries, law]
    settings = {
        "first_day": first_day(args.click_counts.ds, args.window_days),
        "max_position": law.manifest.rows,
        "min_expected_clicks": args.min_expected_clicks,
    }
    with spark_session("unclicked", days.days) as spark, publish(args.unclicked, args, inputs) as out:
        rows = run_sql(
            "unclicked",
            settings,
            click_counts=days.read(spark),
            propensities=read_spark(spark, law).select("position", "propensity"),
            items=read_spark(spark, items).select("item_id"),
            queries=read_spark(spark, queries).select("query_id"),
        )
        out.facts["window"] = days.facts
        counts = RowCounter(rows.repartition(days.files, *KEY), REASONS, {UNIT: UNIT}, {UNIT: UNIT})
        counts.write_kept(out, by=KEY)
        out.count(UNIT, counts[UNIT], counts.kept(UNIT), counts.dropped(UNIT))
    return published(out)
