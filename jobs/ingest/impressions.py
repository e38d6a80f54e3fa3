"""Search log of a day -> impressions, one row per item shown.

python -m jobs impressions --log log/ds=2026-01-31 --impressions impressions/ds=2026-01-31

One pass over the log makes three partitions: `impressions` of the day; `late_impressions`, events and searches of the days before
that this log brought; `query_users`, which stays in the raw zone and says in keyed hashes who typed what.
"""

from __future__ import annotations

from typing import Annotated

from annotated_types import Interval

from jobs.ingest import search_log
from jobs.ingest.day_checks import check_kept, check_lines
from jobs.ingest.inspect import inspect
from jobs.ingest.late_events import Earlier, earlier, overlaid
from jobs.ingest.search_log import ACTIONS, MASKS, SEARCH_REASONS, SET_ASIDE
from jobs.ingest.ubi import read_log
from jobs.lake.attempt import Attempt
from jobs.lake.partitions import LATE_IMPRESSIONS, NOWHERE, QUERY_USERS, Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin
from jobs.lake.windows import before_day
from jobs.platform.arguments import CommandArgs, Fraction, NonNegativeInt, PositiveInt, ZeroOrOne
from jobs.platform.row_counts import Tally, published
from jobs.platform.spark import spark_session, sql_text
from jobs.platform.spark_udfs import register_functions
from jobs.platform.temp_tables import Scratch, scratch

ACT_REASONS = ("no_position",)
KEY = ("search_id", "item_id")
LATE_REASONS = (*SEARCH_REASONS, *ACT_REASONS, "said_before")


class Args(CommandArgs):
    """log                      raw UBI files of the day: NDJSON, plain or bulk, or Parquet
    impressions              output; replaced
    late_impressions         output: rows that the log adds to earlier days; empty: that of the same day
    query_users              output, raw zone: hashed users of each query; empty: that of the same day
    session_minutes          minutes without an event that end a session, for clients that send no session_id
    max_searches_per_minute  a client that searches more often within 60 s counts as a bot for the whole day
    late_hours               hours after midnight whose events, in the day's own log, still count for the day
    late_days                days before its own that a log may add to
    min_searchers            a query typed by fewer people within searcher_days stays in the raw zone; 1: none does
    searcher_days            days over which searchers are counted, the log's own included
    max_bad_file_frac        share of the log's bytes in damaged files above which the command stops
    max_rejected_frac        share of unreadable lines above which the command stops
    accept_drift             1: somebody looked at the changed fields and accepts them, so no change stops the day
    """

    log: Partition
    impressions: Partition
    late_impressions: Partition = NOWHERE
    query_users: Partition = NOWHERE
    session_minutes: PositiveInt = 30
    max_searches_per_minute: PositiveInt = 20
    late_hours: NonNegativeInt = 6
    late_days: Annotated[int, Interval(ge=0, le=14)] = 3
    min_searchers: PositiveInt = 5
    searcher_days: Annotated[int, Interval(ge=1, le=90)] = 28
    max_bad_file_frac: Fraction = 0.05
    max_rejected_frac: Fraction = 0.05
    accept_drift: ZeroOrOne = 0


def main(args: Args) -> dict[str, object]:
    """Parse each line once, join events to the search that caused them, and account for every line."""
    ds = args.log.ds
    delivery = inspect(pin(args.log), args.impressions, args.max_bad_file_frac, args.accept_drift)
    log = delivery.whole
    before = earlier(ds, args.late_days)
    known = before_day(QUERY_USERS, ds, args.searcher_days - 1)
    settings = search_log.Settings(
        ds, args.session_minutes, args.max_searches_per_minute, args.late_hours, args.late_days, args.min_searchers
    )
    with (
        spark_session("impressions", [log]) as spark,
        publish(args.impressions, args, [log, *known.days]) as out,
        publish(args.late_impressions or LATE_IMPRESSIONS.at(ds=ds), args, [log, *before.inputs]) as late,
        publish(args.query_users or QUERY_USERS.at(ds=ds), args, [log]) as query_users,
        scratch(spark, out) as tables,
    ):
        register_functions(spark)
        lines = search_log.log_lines(tables, read_log(spark, log), settings)
        check_lines(args.log, lines, args.max_rejected_frac)
        delivery.tell(out)
        search_log.visits(tables, settings)
        query_users.write_spark(
            spark.sql(sql_text("query_users"), args=settings.people), by=["query_key", "searcher_key"]
        )
        searches = search_log.admit(tables, settings, known)
        search_log.place(tables, lines)
        acts = _write(args, out, tables)
        _account(out, lines, searches, acts)
        if any(lines[f"lines {reason}"] for reason in SET_ASIDE):
            rejected = spark.table("log_lines").where("raw IS NOT NULL")
            out.quarantine(rejected.select("reason", "file", "raw"), by=["reason", "file", "raw"])
        _write_late(late, tables, lines, before)
        check_kept(args.impressions, searches)
    return {**published(out), "alerts": delivery.alerts}


def _write(args: Args, out: Attempt, tables: Scratch) -> Tally:
    acts = Tally(
        tables.spark.sql(sql_text("impressions")),
        ACT_REASONS,
        {"lines": "lines - duplicates"},
        {"duplicate": "duplicates", "lines": "lines"},
    )
    kept = acts.frame.where("reason IS NULL").select(*args.impressions.table.columns)
    out.write_spark(kept, by=KEY, parted=True)
    return acts


def _account(out: Attempt, lines: Tally, searches: Tally, acts: Tally) -> None:
    """Lines: of searches kept, one record each and the events that say something; all else has its reason."""
    kept = searches.kept("searches")
    used = kept + acts.kept("lines")
    dropped = lines.dropped("lines")
    for reason, number in (searches.dropped("lines") | acts.dropped("lines")).items():
        dropped[reason] = dropped.get(reason, 0) + number
    if said_again := acts["duplicate"] + searches["records"] - kept:
        dropped["duplicate"] = said_again
    total = lines.kept("lines") + sum(lines.dropped("lines").values())
    out.count("log lines", total, used, dropped)
    refused = searches.dropped("searches")
    out.count("searches", kept + sum(refused.values()), kept, refused)
    out.facts["lines_read"] = {action: lines[action] for action in ACTIONS}
    out.facts["zero_based_applications"] = lines.values("zero_based")
    out.facts["bot_rules"] = search_log.BOTS
    out.facts["masked"] = {mask: searches[mask] for mask in MASKS if searches[mask]}


def _write_late(out: Attempt, tables: Scratch, lines: Tally, before: Earlier) -> None:
    """What the log says of earlier days, laid over what they said themselves."""
    spark, ds = tables.spark, out.partition.ds
    waiting = spark.table("filtered_searches").where(f"reason = 'no_search' OR day < DATE'{ds}'")
    names = waiting.select("search_id")
    search_log.place(tables, lines, names)
    named = before.arrivals(spark).join(names, "search_id", "left_semi")
    overlaid(spark, named).createOrReplaceTempView("earlier_impressions")
    found = spark.sql(sql_text("late_impressions"), args={"ds": ds})
    days = {f"day {day}": f"if(reason IS NULL AND day = DATE'{day}', 1, 0)" for day in before.wanted}
    tally = Tally(found.repartition(1, *KEY), LATE_REASONS, {"lines": "lines"}, days)
    kept = tally.frame.where("reason IS NULL").select(*out.partition.table.columns)
    out.write_spark(kept, by=KEY, parted=True)
    dropped = tally.dropped("lines")
    out.count("late events", tally.kept("lines") + sum(dropped.values()), tally.kept("lines"), dropped)
    out.facts["days_changed"] = {day: tally[f"day {day}"] for day in before.wanted if tally[f"day {day}"]}
