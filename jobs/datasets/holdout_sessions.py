"""Session events -> sessions with their last item held out.

python -m jobs holdout_sessions --session_events session_events/ds=2026-01-31 \\
    --holdout_sessions holdout_sessions/ds=2026-01-31 --holdout_days 7

The same sessions are written as holdout_queries and holdout_qrels, in the columns of queries and qrels: rankings, report,
gate and tests of significance judge recommendations by them as they judge search by the others.
"""

from __future__ import annotations

from typing import Annotated

from jobs.lake.partitions import HOLDOUT_QRELS, HOLDOUT_QUERIES, NOWHERE, Partition
from jobs.lake.publish import publish
from jobs.lake.windows import first_day, window
from jobs.platform.arguments import CommandArgs, NonNegativeInt, OneOf, PositiveInt, WindowDays
from jobs.platform.row_counts import RowCounter, published
from jobs.platform.spark import run_sql, spark_session
from jobs.platform.spark_udfs import register_functions
from jobs.platform.temp_tables import temp_tables

REASONS = ("no_action", "one_item", "too_long")
ACTIONS = ("view", "click", "cart", "purchase")
QRELS = ("query_id", "target AS item_id", "1D AS relevance", "split", "'sessions' AS source")


class Args(CommandArgs):
    """session_events     last day of the window
    holdout_sessions   output; replaced
    holdout_queries    output: the given items as queries; empty: that of the same day
    holdout_qrels      output: the held-out items as judgements; empty: that of the same day
    window_days        days of sessions, the last one included
    actions            actions that count as steps of a session, separated by commas
    holdout_days       last days that are held out, as dev or test by hash; the days before are train. 0: the hash alone
                       decides, as it does for queries
    split_by           what is hashed: session, or client, whose sessions then lie on one side
    max_given          items before the target to keep, the last ones
    max_session_items  sessions of more steps are left out: robots that nobody noticed, and ids that never end
    cold_support       training sessions below which an item is cold: segment tail
    head_support       training sessions from which an item is of the head
    """

    session_events: Partition
    holdout_sessions: Partition
    holdout_queries: Partition = NOWHERE
    holdout_qrels: Partition = NOWHERE
    window_days: WindowDays = 28
    actions: str = "click,cart,purchase,view"
    holdout_days: NonNegativeInt = 0
    split_by: Annotated[str, OneOf("session", "client")] = "session"
    max_given: PositiveInt = 20
    max_session_items: PositiveInt = 200
    cold_support: PositiveInt = 20
    head_support: PositiveInt = 200

    def __post_init__(self) -> None:
        strange = [name for name in self.action_names if name not in ACTIONS]
        if strange or not self.action_names:
            raise ValueError(f"actions: found {strange or 'none'}, expected some of {', '.join(ACTIONS)}")
        if self.holdout_days >= self.window_days:
            raise ValueError(
                f"holdout_days={self.holdout_days}, window_days={self.window_days}: expected fewer days held out than read"
            )

    @property
    def action_names(self) -> list[str]:
        """The actions, one by one."""
        return [name.strip() for name in self.actions.split(",") if name.strip()]


def main(args: Args) -> dict[str, str | int]:
    """Hold out the last item of each session, and write it as judgements too."""
    ds = args.holdout_sessions.ds
    days = window(args.session_events, args.window_days)
    settings = {
        "actions": args.action_names,
        "max_given": args.max_given,
        "max_session_items": args.max_session_items,
        "by_client": args.split_by == "client",
        "first_held": first_day(args.session_events.ds, args.holdout_days) if args.holdout_days else "",
    }
    with (
        spark_session("holdout_sessions", days.days) as spark,
        publish(args.holdout_sessions, args, days.days) as out,
        publish(args.holdout_queries or HOLDOUT_QUERIES.at(ds=ds), args, days.days) as queries,
        publish(args.holdout_qrels or HOLDOUT_QRELS.at(ds=ds), args, days.days) as qrels,
        temp_tables(out) as keep,
    ):
        register_functions(spark)
        rows = run_sql("holdout_sessions", settings, session_events=days.read(spark))
        splits = {split: f"if(reason IS NULL AND split = '{split}', 1, 0)" for split in ("train", "dev", "test")}
        counts = RowCounter(rows.repartition(days.files, "session_id"), REASONS, {"sessions": "1"}, splits)
        kept = keep(counts.frame.where("reason IS NULL").select(*out.partition.table.columns), "sessions")
        out.write_spark(kept, by=["session_id"], files=days.files)
        dropped = counts.dropped("sessions")
        out.count("sessions", counts.kept("sessions") + sum(dropped.values()), counts.kept("sessions"), dropped)
        if not counts.kept("sessions"):
            raise ValueError(
                f"{args.holdout_sessions}: 0 sessions with two items (dropped: {dropped}), expected one at least; does"
                f" {args.session_events} have events of {args.actions}?"
            )
        out.facts |= {"splits": {split: counts[split] for split in splits}, "window": days.facts}
        limits = {"cold_support": args.cold_support, "head_support": args.head_support}
        queries.write_spark(
            run_sql("holdout_queries", limits, holdout_sessions=kept), by=["query_id"], files=days.files
        )
        qrels.write_spark(kept.selectExpr(*QRELS), by=["query_id", "item_id"], files=days.files)
        qrels.facts |= {"min_relevance": 1.0, "zero_gain": 0.0}
    return published(out)
