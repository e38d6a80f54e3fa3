"""What ends a day of the log with an error: no search in it, too much that cannot be read, nothing left of it."""

from __future__ import annotations

from jobs.ingest.search_log import ACTIONS, SET_ASIDE
from jobs.lake.days import time_zone
from jobs.lake.partitions import Partition
from jobs.platform.row_counts import Tally


def check_lines(log: Partition, lines: Tally, max_rejected_frac: float) -> None:
    """Look at what became of a log's lines.

    Raises:
        ValueError: none is a search of the day, or more than the share cannot be read.
    """
    dropped = lines.dropped("lines")
    if not lines["search"]:
        used = {action: lines[action] for action in ACTIONS if lines[action]}
        raise ValueError(
            f"{log}: found 0 searches (lines not used: {dropped}; used: {used}), expected UBI "
            f"query records made on {log.ds} ({time_zone()}); deliver the day again, or correct the date"
        )
    rejected = {reason: dropped[reason] for reason in SET_ASIDE if reason in dropped}
    without_record = dropped.get("blank", 0) + dropped.get("bulk_action", 0)
    records = lines.kept("lines") + sum(dropped.values()) - without_record
    if sum(rejected.values()) > max_rejected_frac * records:
        raise ValueError(
            f"{log}: {sum(rejected.values()) / records:.1%} of its {records:,} records cannot be read ({rejected}), "
            f"expected {max_rejected_frac:.1%} at most; mend the export and deliver the day again, or let it pass "
            f"with --max_rejected_frac 1 and look at them with jobs.ingest.replay"
        )


def check_kept(impressions: Partition, searches: Tally) -> None:
    """Look at what is left of a day.

    Raises:
        ValueError: nothing.
    """
    if not searches.kept("searches"):
        raise ValueError(
            f"{impressions}: 0 searches kept (dropped: {searches.dropped('searches')}), expected one at least; are "
            f"the events of the day's searches in the log, and are the bot rules and min_searchers right for this shop?"
        )
