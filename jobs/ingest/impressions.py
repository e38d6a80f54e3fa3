"""Search log of a day -> impressions, one row per item shown.

python -m jobs impressions --log log/ds=2026-01-31 --impressions impressions/ds=2026-01-31

One pass over the log makes four partitions: `impressions` of the day; `late_impressions`, the corrected rows of
earlier days that this log changes; `query_users`, keyed hashes of who typed which query, which stay in the raw zone;
`item_events`, what people did to items and when, in searches and outside, of which session_events is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from jobs.ingest import search_log
from jobs.ingest.hashing_secret import FACT, changed_secret, fingerprint
from jobs.ingest.inspect import Inspection, inspect
from jobs.ingest.late_events import (
    SHARED_IDS,
    EarlierDays,
    current_impressions,
    earlier_days,
    made_without,
    with_own_ids,
)
from jobs.ingest.ordinal_bases import OrdinalBase, findings, ordinal_bases, zero_based
from jobs.ingest.scan import MAX_UNPACKED_GB
from jobs.ingest.search_log import EVENT_REASONS, MASKS, REPAIRABLE_REASONS, SEARCH_REASONS, LogRules, SearchLog
from jobs.ingest.ubi import ACTION_NAMES, ACTIONS, VIEW_NAMES, parse_actions, read_log
from jobs.lake.attempt import Attempt
from jobs.lake.partitions import ITEM_EVENTS, LATE_IMPRESSIONS, NOWHERE, QUERY_USERS, Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin
from jobs.lake.storage import spark_uri
from jobs.lake.windows import Window, before_day, time_zone
from jobs.platform.arguments import CommandArgs, Fraction, NonNegativeInt, PositiveFloat, PositiveInt, ZeroOrOne
from jobs.platform.row_counts import RowCounter, published
from jobs.platform.spark import run_sql, spark_session
from jobs.platform.spark_udfs import register_functions
from jobs.platform.temp_tables import Keep, temp_tables

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

KEY = ("search_id", "item_id")
EVENT_KEY = ("session_id", "occurred_at", "item_id", "action")
BYTES_PER_FILE = 1 << 30  # of the log, for a file of item_events
ITEM_REASONS = ("no_position",)
ACTIONS_KEPT_DAYS = 14
# above these shares of events and of clicks the command says so; great_expectations/rules/impressions.yaml warns too
MAX_WITHOUT_SEARCH_FRAC, MAX_NOT_SHOWN_FRAC = 0.2, 0.2
MIN_SEARCHES = 20  # of which somebody would have clicked on one
LATE_REASONS = (*SEARCH_REASONS, *ITEM_REASONS, "said_before")


class Args(CommandArgs):
    """log                      raw UBI files of the day: NDJSON, plain or bulk, or Parquet
    impressions              output; replaced
    late_impressions         output: rows that the log adds to earlier days; empty: that of the same day
    query_users              output, raw zone: hashed users of each query; empty: that of the same day
    item_events              output: what people did to items, for session_events; empty: that of the same day
    session_minutes          minutes without an event that end a session, for clients that send no session_id
    max_searches_per_minute  a client that searches more often within 60 s counts as a bot for the whole day
    late_hours               hours after midnight whose events, in the day's own log, still count for the day
    late_days                days before its own that a log may add to
    min_searchers            a query typed by fewer people within searcher_days stays in the raw zone; 1: none does
    searcher_days            days over which searchers are counted, the log's own included
    max_bad_file_frac        share of the log's bytes in damaged files above which the command stops
    max_rejected_frac        share of unreadable lines above which the command stops
    actions                  what the log calls its actions, if not by our names: view=impression,select_item=click; empty:
                             as on the day before
    accept_drift             1: somebody looked at the changed fields and accepts them, so no change stops the day
    accept_salt              1: the secret that hashed the people of earlier days is lost; count them anew
    max_unpacked_gb          size of the unpacked log above which the command stops; a file beyond it is set aside
    """

    log: Partition
    impressions: Partition
    late_impressions: Partition = NOWHERE
    query_users: Partition = NOWHERE
    item_events: Partition = NOWHERE
    session_minutes: PositiveInt = 30
    max_searches_per_minute: PositiveInt = 20
    late_hours: NonNegativeInt = 6
    late_days: Annotated[int, Interval(ge=0, le=14)] = 3
    min_searchers: PositiveInt = 5
    searcher_days: Annotated[int, Interval(ge=1, le=90)] = 28
    max_bad_file_frac: Fraction = 0.05
    max_rejected_frac: Fraction = 0.05
    actions: str = ""
    accept_drift: ZeroOrOne = 0
    accept_salt: ZeroOrOne = 0
    max_unpacked_gb: PositiveFloat = MAX_UNPACKED_GB

    def __post_init__(self) -> None:
        parse_actions(self.actions)


def main(args: Args) -> dict[str, object]:
    """Parse each line once, join events to the search that caused them, and account for every line."""
    ds = args.log.ds
    actions = args.actions or _actions_before(args.impressions)
    delivery = _inspected(args, actions)
    log = delivery.undamaged
    earlier = earlier_days(ds, args.late_days)
    earlier_users = before_day(QUERY_USERS, ds, args.searcher_days - 1)
    changed = _changed_secret(args, earlier_users)
    rules = _rules(args, actions)
    with (
        spark_session("impressions", [log]) as spark,
        publish(args.impressions, args, [log, *earlier_users.days]) as out,
        publish(args.late_impressions or LATE_IMPRESSIONS.at(ds=ds), args, [log, *earlier.inputs]) as late,
        publish(args.query_users or QUERY_USERS.at(ds=ds), args, [log]) as users_out,
        publish(args.item_events or ITEM_EVENTS.at(ds=ds), args, [log, *earlier.inputs]) as events_out,
        temp_tables(out) as keep,
    ):
        register_functions(spark)
        checked, line_counts = search_log.log_lines(read_log(spark, log), rules, keep)
        check_lines(args.log, line_counts, args.max_rejected_frac)
        delivery.record(out)
        for written in (out, late, users_out, events_out):
            written.facts[FACT] = fingerprint()
        out.facts |= {"salt_changed": int(bool(changed)), "actions": actions}
        _set_aside(out, checked, line_counts)
        lines = _separated(out, with_own_ids(checked, earlier), bases := ordinal_bases(checked), keep)
        searches = search_log.searches(lines, rules, keep)
        flagged = search_log.bot_flags(searches, rules, keep)
        users_out.write_spark(users := search_log.query_users(flagged, rules), by=["query_key", "searcher_key"])
        all_users = users.unionByName(earlier_users.read(spark))
        filtered, search_counts = search_log.filtered_searches(flagged, all_users, rules, keep)
        day = SearchLog(lines, searches, flagged, filtered, line_counts, search_counts, bases)
        _account(out, day, items := _write_impressions(out, day))
        acts = search_log.item_events(day, checked, _write_late(late, day, earlier), rules, keep)
        _write_item_events(events_out, acts)
        check_kept(args.impressions, search_counts)
        doubts = _doubts(out, day, items)
    sentences = [changed, *(f"{args.log}: {text}" for text in doubts), *_to_make_again(args)]
    return {**published(out), "alerts": [*delivery.alerts, *filter(None, sentences)]}


def _inspected(args: Args, actions: str) -> Inspection:
    limits = (args.max_bad_file_frac, args.accept_drift, args.max_unpacked_gb)
    return inspect(pin(args.log), args.impressions, *limits, parse_actions(actions))


def _rules(args: Args, actions: str) -> LogRules:
    return LogRules(
        args.log.ds,
        args.session_minutes,
        args.max_searches_per_minute,
        args.late_hours,
        args.late_days,
        args.min_searchers,
        VIEW_NAMES | ACTION_NAMES | parse_actions(actions),
    )


def _set_aside(out: Attempt, lines: DataFrame, counts: RowCounter) -> None:
    """Put the lines that a repaired delivery can cure into quarantine."""
    if any(counts[f"lines {reason}"] for reason in REPAIRABLE_REASONS):
        rejected = lines.where("raw IS NOT NULL").select("reason", "file", "raw")
        out.quarantine(rejected, by=["reason", "file", "raw"])


def _separated(out: Attempt, lines: DataFrame, bases: Sequence[OrdinalBase], keep: Keep) -> DataFrame:
    """Separate the searches that share an id, and record how many ids are shared: events of them may come late."""
    lines, out.facts[SHARED_IDS] = search_log.separate_searches(lines, bases, keep)
    return lines


def _changed_secret(args: Args, earlier: Window) -> str:
    """A sentence on a secret that changed. Where no query needs several searchers, nothing is lost by it."""
    newest = earlier.days[-1] if earlier.days else None
    return changed_secret(newest, accepted=args.accept_salt == 1 or args.min_searchers == 1)


def _to_make_again(args: Args) -> list[str]:
    """The alert of a day that came after later ones."""
    if not (later := made_without(args.impressions, args.late_days)):
        return []
    text = (
        f"{args.impressions}: {', '.join(later)} were made before it, without its late events and people; make them again:"
        f" airflow backfill create --dag-id pairs_daily --from-date {later[0]} --to-date {later[-1]}"
        " --reprocess-behavior completed"
    )
    return [text]


def _actions_before(impressions: Partition) -> str:
    """The names of actions that the newest earlier day was made with."""
    days = before_day(impressions.table, impressions.ds, ACTIONS_KEPT_DAYS).days
    return str(days[-1].facts.get("actions", "")) if days else ""


def check_lines(log: Partition, lines: RowCounter, max_rejected_frac: float) -> None:
    """Check that the log has searches and that enough of its lines can be read.

    Raises:
        ValueError: no line is a search of the day, or the share of rejected lines is above max_rejected_frac.
    """
    dropped = lines.dropped("lines")
    if not lines["search"]:
        used = {action: lines[action] for action in ACTIONS if lines[action]}
        raise ValueError(
            f"{log}: found 0 searches (lines not used: {dropped}; used: {used}), expected UBI "
            f"query records made on {log.ds} ({time_zone()}); deliver the day again, or correct the date"
        )
    rejected = {reason: dropped[reason] for reason in REPAIRABLE_REASONS if reason in dropped}
    without_record = dropped.get("blank", 0) + dropped.get("bulk_action", 0)
    records = lines.kept("lines") + sum(dropped.values()) - without_record
    if sum(rejected.values()) > max_rejected_frac * records:
        raise ValueError(
            f"{log}: {sum(rejected.values()) / records:.1%} of its {records:,} records cannot be read ({rejected}), "
            f"expected {max_rejected_frac:.1%} at most; repair the export and deliver the day again, or accept it "
            f"with --max_rejected_frac 1 and look at the lines with `python -m jobs replay`"
        )


def check_kept(impressions: Partition, searches: RowCounter) -> None:
    """Check that the day has searches left.

    Raises:
        ValueError: every search was dropped.
    """
    if not searches.kept("searches"):
        raise ValueError(
            f"{impressions}: 0 searches kept (dropped: {searches.dropped('searches')}), expected one at least; are "
            f"the events of the day's searches in the log, and are the bot rules and min_searchers right for this shop?"
        )


def _write_impressions(out: Attempt, day: SearchLog) -> RowCounter:
    items = day.items(day.lines, day.searches)
    rows = run_sql("impressions", {}, filtered_searches=day.filtered, search_items=items)
    weights = {"lines": "lines - duplicates"}
    sums = {
        "duplicate": "duplicates",
        "lines": "lines",
        "clicks": "if(is_click, 1, 0)",
        "clicks not shown": "if(is_click AND NOT is_shown, 1, 0)",
    }
    counts = RowCounter(rows, ITEM_REASONS, weights, sums)
    counts.write_kept(out, by=KEY)
    return counts


def _account(out: Attempt, day: SearchLog, items: RowCounter) -> None:
    """Account for every line: used lines are one record per page of a kept search, and its distinct events."""
    lines, searches = day.line_counts, day.search_counts
    kept = searches.kept("searches")
    used = searches["pages"] + items.kept("lines")
    dropped = lines.dropped("lines")
    repeated = {
        "empty_query": searches["textless"],
        "duplicate": items["duplicate"] + searches["records"] - searches["pages"] - searches["textless"],
    }
    for reasons in (searches.dropped("lines"), items.dropped("lines"), repeated):
        for reason, number in reasons.items():
            dropped[reason] = dropped.get(reason, 0) + number
    dropped = {reason: number for reason, number in dropped.items() if number}
    total = lines.kept("lines") + sum(lines.dropped("lines").values())
    out.count("log lines", total, used, dropped)
    dropped_searches = searches.dropped("searches")
    out.count("searches", kept + sum(dropped_searches.values()), kept, dropped_searches)
    out.facts["lines_read"] = {action: lines[action] for action in ACTIONS}
    out.facts["zero_based_applications"] = zero_based(day.bases)
    out.facts["ordinal_bases"] = findings(day.bases, out.partition.ds)
    out.facts["bot_rules"] = search_log.BOT_LIMITS
    out.facts["masked"] = {mask: searches[mask] for mask in MASKS if searches[mask]}


def _doubts(out: Attempt, day: SearchLog, items: RowCounter) -> list[str]:
    """Record figures by which a person sees that a log does not fit together; sentences for those above their limit."""
    lines, searches = day.line_counts, day.search_counts
    clicks, events = items["clicks"], sum(lines[action] for action in ACTIONS[1:])
    lost = searches["lines no_search"] + lines["lines no_query_id"]
    frac = {
        "events_without_search_frac": lost / max(1, events + lines["lines no_query_id"]),
        "clicks_not_shown_frac": items["clicks not shown"] / max(1, clicks),
    }
    out.facts |= {name: round(share, 4) for name, share in frac.items()}
    doubts = list(out.facts["ordinal_bases"]["findings"])
    if not clicks and searches.kept("searches") >= MIN_SEARCHES:
        doubts.append(
            "no click on any search; are the names of actions right (--actions), and is the feed of events complete?"
        )
    if frac["events_without_search_frac"] > MAX_WITHOUT_SEARCH_FRAC:
        doubts.append(
            f"{lost:,} events, {frac['events_without_search_frac']:.1%} of all, have no search in the log: their query_id is"
            " missing, or no query record has it; are query records and events of the same day and shop?"
        )
    if frac["clicks_not_shown_frac"] > MAX_NOT_SHOWN_FRAC:
        doubts.append(
            f"{items['clicks not shown']:,} clicks, {frac['clicks_not_shown_frac']:.1%} of all, are on items that their search"
            " did not show; do clicks and impressions name items by the same id?"
        )
    return doubts


def _write_late(out: Attempt, day: SearchLog, earlier: EarlierDays) -> DataFrame:
    """Write the rows of earlier days that this log corrects, and return them."""
    ds = out.partition.ds
    ids = day.filtered.where(f"reason = 'no_search' OR day < DATE'{ds}'").select("search_id")
    lines, searches = (frame.join(ids, "search_id", "left_semi") for frame in (day.lines, day.searches))
    versions = earlier.versions(ids.sparkSession).join(ids, "search_id", "left_semi")
    rows = run_sql(
        "late_impressions",
        {"ds": ds},
        filtered_searches=day.filtered,
        search_items=day.items(lines, searches),
        earlier_impressions=current_impressions(versions),
    )
    by_day = {f"day {day}": f"if(reason IS NULL AND day = DATE'{day}', 1, 0)" for day in earlier.wanted}
    counts = RowCounter(rows.repartition(1, *KEY), LATE_REASONS, {"lines": "lines"}, by_day)
    counts.write_kept(out, by=KEY)
    dropped = counts.dropped("lines")
    out.count("late events", counts.kept("lines") + sum(dropped.values()), counts.kept("lines"), dropped)
    out.facts["days_changed"] = {day: counts[f"day {day}"] for day in earlier.wanted if counts[f"day {day}"]}
    return ids.sparkSession.read.schema(rows.select(*out.partition.table.columns).schema).parquet(
        f"{spark_uri(out.uri)}/part-*.parquet"
    )


def _write_item_events(out: Attempt, rows: DataFrame) -> None:
    """Write what people did to items, and account for every event."""
    files = 1 + sum(entry.bytes for pinned in out.inputs[:1] for entry in pinned.entries()) // BYTES_PER_FILE
    outside = {"outside searches": "if(reason IS NULL AND search_id IS NULL, 1, 0)"}
    counts = RowCounter(rows.repartition(files, "session_id"), EVENT_REASONS, {"events": "1"}, outside)
    counts.write_kept(out, by=EVENT_KEY)
    dropped = counts.dropped("events")
    out.count("item events", counts.kept("events") + sum(dropped.values()), counts.kept("events"), dropped)
    out.facts["outside_searches"] = counts["outside searches"]
