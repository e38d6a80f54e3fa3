"""UBI log of a day -> impressions.   python -m jobs.impressions --log log/ds=2026-01-31 --impressions impressions/ds=2026-01-31"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.storagelevel import StorageLevel

from jobs.accounts import Tally, published
from jobs.attempt import Attempt
from jobs.cli import run
from jobs.functions import register_functions
from jobs.lake import Partition
from jobs.publish import publish
from jobs.reading import pin
from jobs.spark import spark_session, sql_text
from jobs.ubi import read_log

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MAX_ORDINAL = 9_999
MAX_QUERY_CHARS = 500
# a client that was shown this much and clicked this share of it looks at nothing
BOT_MIN_SHOWN = 50
BOT_CLICK_FRAC = 0.9
LINES_PER_FILE = 4_000_000

ACTIONS = ("search", "impression", "click", "cart", "purchase")
# what can be said against a line as it stands, and against a search once its events are joined to it
SET_ASIDE = ("malformed", "missing_field", "bad_timestamp", "bad_position")
LINE_REASONS = ("blank", "bulk_action", "other_action", "outside_day", *SET_ASIDE)
SEARCH_REASONS = ("no_search", "bot", "empty_query", "query_too_long", "nothing_shown")
ACTION_SUMS = {action: f"if(reason IS NULL AND action = '{action}', 1, 0)" for action in ACTIONS}
ZERO_BASED = {"zero_based": "if(reason IS NULL AND ordinal = 0, application, NULL)"}
# of a search that is kept, acts on items without any position are not
LINES_USED = "if(reason IS NULL, lines - unplaced, lines)"
LINE_SUMS = {"duplicate": "duplicates", "no_position": "if(reason IS NULL, unplaced, 0)"}


@dataclass(frozen=True)
class Args:
    """log          raw UBI files of the day: NDJSON, plain or bulk, or Parquet
    impressions  output; replaced
    session_minutes  pause of a client that ends a session, for clients that send no session_id
    max_searches_per_minute  a client that searches more often within 60 s is a bot, all day
    late_hours   how long after midnight (UTC) events still count for the day's searches
    """

    log: Partition
    impressions: Partition
    session_minutes: int = 30
    max_searches_per_minute: int = 20
    late_hours: int = 6

    def __post_init__(self) -> None:
        if min(self.session_minutes, self.max_searches_per_minute) < 1 or self.late_hours < 0:
            raise ValueError(
                "session_minutes and max_searches_per_minute start at 1, late_hours at 0"
            )


def main(args: Args) -> dict[str, str | int]:
    """Parse each line once, join events to the search that caused them, and account for every line."""
    log = pin(args.log)
    with spark_session("impressions") as spark, publish(args.impressions, args, [log]) as out:
        register_functions(spark)
        read_log(spark, log).createOrReplaceTempView("raw_lines")
        judged = spark.sql(
            sql_text("log_lines"),
            args={"ds": args.log.ds, "late_hours": args.late_hours, "max_ordinal": MAX_ORDINAL},
        )
        lines = Tally(judged, LINE_REASONS, {"lines": "1"}, ACTION_SUMS, ZERO_BASED)
        # kept on disk, by search: what follows reads it twice and joins by search without a shuffle
        used = lines.frame.where("reason IS NULL OR raw IS NOT NULL").repartition("search_id")
        used.localCheckpoint(
            eager=True, storageLevel=StorageLevel.DISK_ONLY
        ).createOrReplaceTempView("log_lines")
        _check_day(args.log, lines)
        searches = _write(args, out, spark, lines)
        if any(lines[f"lines {reason}"] for reason in SET_ASIDE):
            rejected = spark.table("log_lines").where("raw IS NOT NULL")
            out.quarantine(rejected.select("reason", "file", "raw"), by=["reason", "file", "raw"])
        _account(out, lines, searches)
        _check_kept(args.impressions, searches)
    return published(out)


def _check_day(log: Partition, lines: Tally) -> None:
    if not lines["search"]:
        used = {action: lines[action] for action in ACTIONS if lines[action]}
        raise ValueError(
            f"{log}: found 0 searches (lines not used: {lines.dropped('lines')}; used: {used}), expected UBI query "
            f"records made on {log.ds} UTC; deliver the day again, or correct the date"
        )


def _check_kept(impressions: Partition, searches: Tally) -> None:
    if not searches.kept("searches"):
        raise ValueError(
            f"{impressions}: 0 searches kept (dropped: {searches.dropped('searches')}), expected one at least; are "
            f"the events of the day's searches in the log, and are the bot rules right for this shop?"
        )


def _write(args: Args, out: Attempt, spark: SparkSession, lines: Tally) -> Tally:
    shown = {
        "salt": os.environ.get("NIGHTSHELF_SALT", ""),
        "zero_based": lines.values("zero_based"),
    }
    spark.sql(sql_text("attributed"), args=shown).createOrReplaceTempView("attributed")
    searches = spark.sql(
        sql_text("searches"),
        args={
            "session_minutes": args.session_minutes,
            "max_searches_per_minute": args.max_searches_per_minute,
            "bot_min_shown": BOT_MIN_SHOWN,
            "bot_click_frac": BOT_CLICK_FRAC,
            "max_query_chars": MAX_QUERY_CHARS,
        },
    )
    weights = {"searches": "if(searched_at IS NULL, 0, 1)", "lines": LINES_USED}
    tally = Tally(searches, SEARCH_REASONS, weights, LINE_SUMS)
    tally.frame.createOrReplaceTempView("searches")
    files = 1 + lines.kept("lines") // LINES_PER_FILE
    out.write_spark(spark.sql(sql_text("impressions")), by=["search_id", "item_id"], files=files)
    return tally


def _account(out: Attempt, lines: Tally, searches: Tally) -> None:
    dropped = lines.dropped("lines") | searches.dropped("lines")
    dropped |= {name: searches[name] for name in LINE_SUMS if searches[name]}
    total = lines.kept("lines") + sum(lines.dropped("lines").values())
    out.count("log lines", total, searches.kept("lines"), dropped)
    refused = searches.dropped("searches")
    kept = searches.kept("searches")
    out.count("searches", kept + sum(refused.values()), kept, refused)
    out.facts["lines_read"] = {action: lines[action] for action in ACTIONS}
    out.facts["zero_based_applications"] = lines.values("zero_based")
    out.facts["bot_rule"] = {"min_shown": BOT_MIN_SHOWN, "click_frac": BOT_CLICK_FRAC}


if __name__ == "__main__":
    run(Args, main)
