"""A day's log lines joined to the searches that caused them, view by view: what jobs.ingest.impressions is made of.

Each function registers the view that it is named after; the SQL texts say what a view holds. What is read twice is kept
on disk between (jobs.platform.temp_tables): lines as they were parsed, then one slim row for each search. Windows over clients shuffle
these rows alone, and of the events only search, item, place and act.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from jobs.ingest import spark_readers as rawfiles
from jobs.ingest.hashing_secret import hashing_secret
from jobs.lake.days import bounds
from jobs.lake.windows import Window
from jobs.platform.row_counts import Tally
from jobs.platform.spark import sql_text
from jobs.platform.temp_tables import Scratch

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

MAX_ORDINAL = 9_999
MAX_QUERY_CHARS = 500
# what a client of one day does that no person does; README says what each finds of simulated robots
BOTS: dict[str, float] = {
    "bot_min_searches": 40,
    "bot_gap_deviation": 0.1,
    "bot_min_queries": 150,
    "bot_breadth": 0.9,
    "bot_min_shown": 100,
    "bot_click_frac": 0.5,
    "bot_silent_searches": 40,
}

ACTIONS = ("search", "impression", "click", "cart", "purchase")
MASKS = ("email", "phone", "card", "pesel", "nip", "iban", "address")
# what can be said against a line as it stands, against a search, and against an act on an item
SET_ASIDE = ("line_too_long", "malformed", "missing_field", "bad_timestamp", "bad_position")
LINE_REASONS = ("blank", "bulk_action", "other_action", "outside_day", *SET_ASIDE)
SEARCH_REASONS = (
    "no_search",
    "outside_day",
    "earlier_day",
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
ACTION_SUMS = {action: f"if(reason IS NULL AND action = '{action}', 1, 0)" for action in ACTIONS}
ZERO_BASED = {"zero_based": "if(reason IS NULL AND ordinal = 0, application, NULL)"}
MASK_SUMS = {mask: f"if(contains(query, '<{mask}>'), 1, 0)" for mask in MASKS}


@dataclass(frozen=True)
class Settings:
    """What a day's attribution goes by; see jobs.ingest.impressions."""

    ds: str
    session_minutes: int
    max_searches_per_minute: int
    late_hours: int
    late_days: int
    min_searchers: int

    @property
    def people(self) -> dict[str, int]:
        """Parameters of the texts that count people."""
        return {"min_searchers": self.min_searchers}

    def days(self) -> list[tuple[date, Any, Any]]:
        """(day, first instant, first instant of the next) of the log's day and of those it may add to."""
        last = date.fromisoformat(self.ds)
        found = [last - timedelta(days=back) for back in range(self.late_days, -1, -1)]
        return [(day, *bounds(day.isoformat())) for day in found]

    def lines(self) -> dict[str, Any]:
        """Parameters of sql/log_lines.sql: which instants may stand in the log."""
        days = self.days()
        return {
            "max_ordinal": MAX_ORDINAL,
            "max_line_bytes": rawfiles.MAX_LINE_BYTES,
            "earliest": _utc(days[0][1]),
            "day_to": _utc(days[-1][2]),
            "latest": _utc(days[-1][2] + timedelta(hours=self.late_hours)),
        }


def log_lines(tables: Scratch, raw: DataFrame, settings: Settings) -> Tally:
    """View log_lines: what is used, and what was set aside with its text. Returns the counts of all lines."""
    spark = tables.spark
    raw.createOrReplaceTempView("raw_lines")
    judged = spark.sql(sql_text("log_lines"), args=settings.lines())
    tally = Tally(judged, LINE_REASONS, {"lines": "1"}, ACTION_SUMS, ZERO_BASED)
    used = tally.frame.where("reason IS NULL OR raw IS NOT NULL")
    tables.keep(used, "log_lines")
    days = spark.createDataFrame(settings.days(), "day DATE, day_from TIMESTAMP, day_to TIMESTAMP")
    days.createOrReplaceTempView("days")
    return tally


def visits(tables: Scratch, settings: Settings) -> None:
    """Views searches and visits: one slim row per search, its session, and what is said against it."""
    spark = tables.spark
    searches = spark.sql(sql_text("searches"), args={"salt": hashing_secret()})
    tables.keep(searches, "searches")
    rules = {
        "session_minutes": settings.session_minutes,
        "max_searches_per_minute": settings.max_searches_per_minute,
        "max_query_chars": MAX_QUERY_CHARS,
        **BOTS,
    }
    tables.keep(spark.sql(sql_text("bot_flags"), args=rules), "bot_flags")


def admit(tables: Scratch, settings: Settings, known: Window) -> Tally:
    """View admitted: what is kept, now that it is known which queries are common. Returns its counts.

    known: searchers of the days before; those of the day itself are those of the view visits.
    """
    spark = tables.spark
    today = spark.sql(sql_text("query_users"), args=settings.people)
    today.unionByName(known.read(spark)).createOrReplaceTempView("query_users")
    common = spark.sql(sql_text("common_queries"), args=settings.people)
    common.createOrReplaceTempView("common_queries")
    admitted = spark.sql(sql_text("filtered_searches"), args={"ds": settings.ds})
    weights = {"searches": "if(searched_at IS NULL, 0, 1)", "lines": "lines"}
    sums = {"records": "if(reason IS NULL, records, 0)"} | MASK_SUMS
    tally = Tally(admitted, SEARCH_REASONS, weights, sums)
    tables.keep(tally.frame, "filtered_searches")
    return tally


def place(tables: Scratch, lines: Tally, of: DataFrame | None = None) -> None:
    """View placed: what was shown or acted on in each search, and where it stood.

    of: search_ids; from now on log_lines, searches and placed hold these alone.
    """
    if of is not None:
        tables.narrow("log_lines", of, "search_id")
        tables.narrow("searches", of, "search_id")
    applications = {"zero_based": lines.values("zero_based")}
    placed = tables.spark.sql(sql_text("search_items"), args=applications)
    placed.createOrReplaceTempView("search_items")


def _utc(instant: Any) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S}"
