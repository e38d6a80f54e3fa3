"""Events of a window of days -> the items of each session.

python -m jobs session_items --session_events session_events/ds=2026-01-31 \\
    --holdout_sessions holdout_sessions/ds=2026-01-31 --session_items session_items/ds=2026-01-31
"""

from __future__ import annotations

from typing import Annotated

from annotated_types import Interval

from jobs.lake.partitions import NOWHERE, Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin
from jobs.lake.windows import window
from jobs.platform.arguments import FIRST, CommandArgs, Fraction, WindowDays
from jobs.platform.row_counts import published
from jobs.platform.spark import read_spark, run_sql, spark_session


class Args(CommandArgs):
    """session_events         last day of the window
    session_items          output; replaced
    holdout_sessions       sessions that judge: those of splits dev and test are left out
    window_days            days of session_events, the last one included; days that are not published are left out
    max_items              items of a session that are kept, the last ones
    recommendation_weight  weight of what our own carousels led to; 0: left out, because a recommender that learns from
                           its own lists ends by showing what it showed
    """

    session_events: Partition
    session_items: Partition
    holdout_sessions: Partition = NOWHERE
    window_days: Annotated[WindowDays, FIRST] = 28
    max_items: Annotated[int, Interval(ge=2, le=1_000), FIRST] = 50
    recommendation_weight: Annotated[Fraction, FIRST] = 0.0


def main(args: Args) -> dict[str, str | int]:
    """Put the items of each session in order."""
    days = window(args.session_events, args.window_days)
    judged = pin(args.holdout_sessions) if args.holdout_sessions else None
    inputs = [*days.days, *([judged] if judged else [])]
    with spark_session("session_items", days.days) as spark, publish(args.session_items, args, inputs) as out:
        held_out = spark.createDataFrame([], "session_id STRING")
        if judged:
            held_out = read_spark(spark, judged).where("split != 'train'").select("session_id").distinct()
        settings = {name: getattr(args, name) for name in ("max_items", "recommendation_weight")}
        items = run_sql("session_items", settings, session_events=days.read(spark), held_out=held_out)
        # whole sessions in a file: who reads it needs no sorting
        out.write_spark(items.repartition(days.files, "session_id"), by=("session_id", "place"), parted=True)
        out.facts["window"] = days.facts
        events = sum(pinned.manifest.rows for pinned in days.days)
    made = published(out)
    if not made["rows"]:
        raise ValueError(
            f"{args.session_items}: 0 items of {events:,} events; expected one session at least:"
            f" is {args.session_events} complete, and are not all of its sessions in {args.holdout_sessions}?"
        )
    return made
