"""UBI log of a day -> impressions, and what it adds to earlier days.

python -m jobs impressions --log log/ds=2026-01-31 --impressions impressions/ds=2026-01-31

One pass over the log makes three partitions: `impressions` of the day; `late_impressions`, events and searches of the days before
that this log brought; `query_users`, which stays in the raw zone and says in keyed hashes who typed what.
"""

from __future__ import annotations

from dataclasses import dataclass

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
from jobs.platform.row_counts import Tally, published
from jobs.platform.spark import spark_session, sql_text
from jobs.platform.spark_udfs import register_functions
from jobs.platform.temp_tables import Scratch, scratch

ACT_REASONS = ("no_position",)
KEY = ("search_id", "item_id")
LATE_REASONS = (*SEARCH_REASONS, *ACT_REASONS, "said_before")


@dataclass(frozen=True)
class Args:
    """log          raw UBI files of the day: NDJSON, plain or bulk, or Parquet
    impressions  output; replaced
    late_impressions  output: what the log adds to days before; that of the same day where it is not given
    query_users  output, raw zone: who typed what, hashed; that of the same day where it is not given
    session_minutes  pause of a client that ends a session, for clients that send no session_id
    max_searches_per_minute  a client that searches more often within 60 s is a bot, all day
    late_hours   how long after midnight events still count for the day's searches, in the day's own log
    late_days    how many days before its own a log may still add to
    min_searchers  a query typed by fewer people within searcher_days stays in the raw zone; 1: none does
    searcher_days  days of searchers that are counted, the log's own included
    max_bad_file_frac  damaged files are set aside; more than this share of the log's bytes stops the day
    max_rejected_frac  lines that cannot be read are set aside; more than this share of them stops the day
    accept_drift  1: what has changed in the log's fields was looked at and is right, so nothing of it stops
    """

    log: Partition
    impressions: Partition
    late_impressions: Partition = NOWHERE
    query_users: Partition = NOWHERE
    session_minutes: int = 30
    max_searches_per_minute: int = 20
    late_hours: int = 6
    late_days: int = 3
    min_searchers: int = 5
    searcher_days: int = 28
    max_bad_file_frac: float = 0.05
    max_rejected_frac: float = 0.05
    accept_drift: int = 0

    def __post_init__(self) -> None:
        counts = (self.session_minutes, self.max_searches_per_minute, self.min_searchers, self.searcher_days)
        if min(counts) < 1 or min(self.late_hours, self.late_days) < 0:
            raise ValueError(
                "session_minutes, max_searches_per_minute, min_searchers and searcher_days start at 1, late_hours and"
                " late_days at 0"
            )
        fracs = (self.max_bad_file_frac, self.max_rejected_frac)
        if not 0 <= min(fracs) <= max(fracs) <= 1 or self.accept_drift not in (0, 1):
            raise ValueError("max_bad_file_frac, max_rejected_frac: 0 to 1; accept_drift: 0 or 1")


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
