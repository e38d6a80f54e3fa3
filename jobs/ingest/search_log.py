"""Steps from a day's log lines to its searches and the items they showed. jobs.ingest.impressions runs them in order.

    raw lines -> log_lines -> separate_searches -> searches -> bot_flags -> filtered_searches
                     |            |   +---------------+-> search_items
                     +-> ordinal_bases ---------------+

    searches + browse_requests of item_lines -> bot_flags -> item_events

Each step takes frames and returns a frame; sql/<step>.sql describes its rows. A frame that two steps read is kept on
disk (jobs.platform.temp_tables). Window functions over clients shuffle one narrow row per search, and search_items
shuffles only search, item, position and action of each event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from jobs.ingest.hashing_secret import hashing_secret
from jobs.ingest.ordinal_bases import OrdinalBase, zero_based
from jobs.ingest.spark_readers import MAX_LINE_BYTES
from jobs.ingest.ubi import ACTION_NAMES, ACTIONS, PLACEMENT_NAMES, VIEW_NAMES, read_again
from jobs.lake.erasures import erased_clients
from jobs.lake.windows import bounds, time_zone
from jobs.platform.row_counts import RowCounter
from jobs.platform.spark import run_sql
from jobs.platform.spark_udfs import ABSENT
from jobs.platform.temp_tables import Keep
from models.text.normalise import QUERY_CHARS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

MAX_ORDINAL = 9_999
# seconds within which a longer text continues the one before it
TYPING_S = 10
MAX_CLIENT_SESSIONS = 100
# what trackers write for a client or a session that they do not know
NOBODY = (
    *("", "undefined", "null", "none", "nil", "nan", "na", "n/a", "unknown", "anonymous", "anon", "guest"),
    *("(not set)", "not set", "(none)", "-", "0", "-1", "false", "00000000-0000-0000-0000-000000000000"),
)
# limits of the bot rules; README.md of this room has the recall of each rule on simulated bots
BOT_LIMITS: dict[str, float] = {
    "bot_min_searches": 40,
    "bot_gap_deviation": 0.1,
    "bot_min_queries": 150,
    "bot_breadth": 0.9,
    "bot_min_shown": 100,
    "bot_click_frac": 0.5,
    "bot_silent_searches": 40,
}

MASKS = ("email", "phone", "card", "pesel", "nip", "iban", "address")
# reasons to drop a line that a repaired delivery can cure: `replay` shows these lines
REPAIRABLE_REASONS = ("line_too_long", "not_utf8", "malformed", "missing_field", "bad_timestamp", "bad_position")
# other_form: a line that is read again, so none has it in the end
LINE_REASONS = (
    *("blank", "bulk_action", "other_form", "other_action", "no_query_id", "outside_day"),
    *REPAIRABLE_REASONS,
)
SEARCH_REASONS = (
    "erased",
    "no_search",
    "outside_day",
    "earlier_day",
    "typed_on",
    "bot_rate",
    "bot_regular",
    "bot_breadth",
    "bot_clicks_all",
    "bot_silent",
    "empty_query",
    "personal_data",
    "query_too_long",
    "nothing_shown",
    "rare_query",
)
# of item_events
EVENT_REASONS = ("erased", *(reason for reason in SEARCH_REASONS if reason.startswith("bot_")), "bot_client")
ACTION_SUMS = {action: f"if(reason IS NULL AND action = '{action}', 1, 0)" for action in ACTIONS} | {
    "browse": "if(is_browse, 1, 0)"
}
ITEM_LINE = ("search_id", "item_id", "action", "placement", "occurred_at", "client_id", "session_id", "counted")
MASK_SUMS = {mask: f"if(contains(query, '<{mask}>'), 1, 0)" for mask in MASKS}


@dataclass(frozen=True)
class LogRules:
    """Rules for one day's log; jobs.ingest.impressions.Args describes each setting."""

    ds: str
    session_minutes: int
    max_searches_per_minute: int
    late_hours: int
    late_days: int
    min_searchers: int
    action_names: Mapping[str, str] = field(default_factory=lambda: VIEW_NAMES | ACTION_NAMES)

    def days(self) -> list[tuple[date, datetime, datetime]]:
        """(day, start, end) of the log's own day and of the earlier days that it may change."""
        last = date.fromisoformat(self.ds)
        days = [last - timedelta(days=back) for back in range(self.late_days, -1, -1)]
        return [(day, *bounds(day.isoformat())) for day in days]

    @property
    def for_lines(self) -> dict[str, Any]:
        """Parameters of sql/log_lines.sql."""
        days = self.days()
        return {
            "max_ordinal": MAX_ORDINAL,
            "max_line_bytes": MAX_LINE_BYTES,
            "action_names": list(self.action_names),
            "actions": list(self.action_names.values()),
            "placement_names": list(PLACEMENT_NAMES),
            "placements": list(PLACEMENT_NAMES.values()),
            "nobody": list(NOBODY),
            "absent": list(ABSENT),
            "time_zone": time_zone(),
            "earliest": _utc(days[0][1]),
            "day_to": _utc(days[-1][2]),
            "latest": _utc(days[-1][2] + timedelta(hours=self.late_hours)),
        }

    @property
    def for_bots(self) -> dict[str, Any]:
        """Parameters of sql/bot_flags.sql."""
        return {
            "session_minutes": self.session_minutes,
            "max_searches_per_minute": self.max_searches_per_minute,
            "max_query_chars": QUERY_CHARS,
            "typing_s": TYPING_S,
            "max_client_sessions": MAX_CLIENT_SESSIONS,
            **BOT_LIMITS,
        }

    @property
    def for_people(self) -> dict[str, Any]:
        """Parameters of sql/query_users.sql and sql/common_queries.sql."""
        return {"min_searchers": self.min_searchers}


@dataclass(frozen=True)
class SearchLog:
    """The day's log in frames that several steps read, and its row counts.

    lines     used lines
    searches  one row per search_id
    flagged   one row per search_id, with its session and the bots
    filtered  one row per search_id, with the reason of a search that is dropped
    bases     whether the positions of each application begin at 0
    """

    lines: DataFrame
    searches: DataFrame
    flagged: DataFrame
    filtered: DataFrame
    line_counts: RowCounter
    search_counts: RowCounter
    bases: Sequence[OrdinalBase]

    def items(self, lines: DataFrame, searches: DataFrame) -> DataFrame:
        """Items of some searches, with their position."""
        return run_sql("search_items", {"zero_based": zero_based(self.bases)}, log_lines=lines, searches=searches)


def log_lines(raw_lines: DataFrame, rules: LogRules, keep: Keep) -> tuple[DataFrame, RowCounter]:
    """Check every raw line. Return the used and the repairable lines, and the counts of all lines."""
    checked, counts = _checked(raw_lines, rules, keep, "log_lines")
    if not counts["lines other_form"]:
        return checked, counts
    # a line, such as several records without a break, may become more than one row
    again, counts_again = _checked(
        read_again(checked.where("reason = 'other_form'").select("file", "raw")), rules, keep, "log_lines_again"
    )
    counts.replace("other_form", counts_again)
    return checked.where("coalesce(reason, '') != 'other_form'").unionByName(again), counts


def _checked(raw_lines: DataFrame, rules: LogRules, keep: Keep, name: str) -> tuple[DataFrame, RowCounter]:
    checked = run_sql("log_lines", rules.for_lines, raw_lines=raw_lines)
    counts = RowCounter(checked, LINE_REASONS, {"lines": "counted"}, ACTION_SUMS)
    return keep(counts.frame.where("reason IS NULL OR raw IS NOT NULL OR is_browse"), name), counts


def separate_searches(lines: DataFrame, bases: Sequence[OrdinalBase], keep: Keep) -> tuple[DataFrame, int]:
    """Give each search an id of its own, and its pages places that go on, where the shop's ids do not.

    Returns the lines, and how many ids stood for several searches.
    """
    applications = {"zero_based": zero_based(bases)}
    shared = keep(run_sql("shared_search_ids", applications, log_lines=lines), "shared_search_ids")
    if not (shared_ids := shared.count()):
        return lines, 0
    separate = run_sql("separate_searches", applications, log_lines=lines, shared_search_ids=shared)
    others = lines.join(shared, "search_id", "left_anti")
    return others.unionByName(keep(separate, "separate_searches"), allowMissingColumns=True), shared_ids


def searches(lines: DataFrame, rules: LogRules, keep: Keep) -> DataFrame:
    """Group the lines by search_id: one narrow row per search, with hashed ids and the cleaned query."""
    days = _days(lines, rules)
    return keep(run_sql("searches", {"salt": hashing_secret()}, log_lines=lines, days=days), "searches")


def item_events(day: SearchLog, browsed: DataFrame, late: DataFrame, rules: LogRules, keep: Keep) -> DataFrame:
    """Clicks, carts, purchases and views, each with its session, and the reason of one that is dropped.

    browsed: the events outside any search, of `log_lines`; late: the published rows of late_impressions.
    """
    acted = day.lines.where("reason IS NULL AND action NOT IN ('search', 'impression')")
    lines = acted.selectExpr(*ITEM_LINE, "false AS is_browse")
    flags, days = day.flagged, _days(lines, rules)
    if day.line_counts["browse"]:
        lines = lines.unionByName(browsed.where("is_browse").selectExpr(*ITEM_LINE, "is_browse"))
        by_hash = {"salt": hashing_secret(), "ds": rules.ds}
        requests = run_sql("browse_requests", by_hash, item_lines=lines, days=days)
        timeline = day.searches.unionByName(requests, allowMissingColumns=True)
        flags = keep(_flags(timeline, rules), "request_flags")
    return run_sql(
        "item_events",
        {"ds": rules.ds},
        item_lines=lines,
        request_flags=flags,
        filtered_searches=day.filtered,
        late_impressions=late,
        days=days,
    )


def _days(lines: DataFrame, rules: LogRules) -> DataFrame:
    return lines.sparkSession.createDataFrame(rules.days(), "day DATE, day_from TIMESTAMP, day_to TIMESTAMP")


def bot_flags(searches: DataFrame, rules: LogRules, keep: Keep) -> DataFrame:
    """Put searches into sessions and flag those of bots."""
    return keep(_flags(searches, rules), "bot_flags")


def _flags(requests: DataFrame, rules: LogRules) -> DataFrame:
    erased = requests.sparkSession.createDataFrame([(client,) for client in erased_clients()], "client_id STRING")
    return run_sql("bot_flags", rules.for_bots, searches=requests, erased_clients=erased)


def query_users(flagged: DataFrame, rules: LogRules) -> DataFrame:
    """Hashed pairs of query and person of the day."""
    return run_sql("query_users", rules.for_people, bot_flags=flagged)


def filtered_searches(
    flagged: DataFrame, users: DataFrame, rules: LogRules, keep: Keep
) -> tuple[DataFrame, RowCounter]:
    """Drop the searches of bots and of rare queries. users: query_users of all days of the window."""
    common = run_sql("common_queries", rules.for_people, query_users=users)
    filtered = run_sql("filtered_searches", {"ds": rules.ds}, bot_flags=flagged, common_queries=common)
    weights = {"searches": "if(searched_at IS NULL, 0, 1)", "lines": "lines"}
    sums = {name: f"if(reason IS NULL, {name}, 0)" for name in ("records", "pages", "textless")} | MASK_SUMS
    counts = RowCounter(filtered, SEARCH_REASONS, weights, sums)
    return keep(counts.frame, "filtered_searches"), counts


def _utc(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S}"
