"""ROOM=sessions: what session events add to a day's tables, and what recommenders find in shoppers with taste.

Cost: the CPU seconds of `session_events` and of its part in `impressions`, against those of all commands of pairs_daily
without them, in one warm JVM. Taste: RR@25 of popularity and of co-session kNN, the last day predicted from those
before, and the same with sessions shuffled.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs.datasets import click_counts, pairs, propensities, qrels, queries
from jobs.ingest import impressions, items, search_log, session_events
from jobs.lake.partitions import TABLES, Partition
from jobs.lake.read import pin
from jobs.platform.spark import spark_session
from jobs.simulator import marketplace, simulate
from tests.jobs.simulator.simulated import sessions
from tests.session_models import co_session_knn, last_pairs, popularity, rr_at_25, shuffled

DAYS = ("2026-01-28", "2026-01-29", "2026-01-30", "2026-01-31")


def at(table: str, ds: str = DAYS[-1]) -> Partition:
    """A partition of the day."""
    return TABLES[table].at(ds=ds)


def main() -> None:
    """Both parts, in a lake of their own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--searches", type=int, default=12_000)
    parser.add_argument("--items", type=int, default=3_000)
    parser.add_argument("--queries", type=int, default=600)
    parser.add_argument("--taste", type=float, default=0.7, help="of the day whose cost is measured")
    parser.add_argument("--part", choices=["cost", "taste", "both"], default="both")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"NIGHTSHELF_LAKE": f"{folder}/lake", "NIGHTSHELF_HOME": f"{folder}/var"}
        marketplace.main(marketplace.Args(at("catalogue"), at("labels"), items=args.items, queries=args.queries))
        for taste in (0.0, 0.7) if args.part != "cost" else ():
            say(taste=taste, **found(taste, args.searches))
        if args.part != "taste":
            os.environ["NIGHTSHELF_WARM_SPARK"] = "1"
            cost(args.searches, args.taste)


def day(ds: str, searches: int, taste: float) -> None:
    """Simulate a day of the shop."""
    out = (at("log", ds), at("simulated_truth", ds))
    simulate.main(simulate.Args(at("labels"), at("catalogue"), *out, searches=searches, taste=taste))


def found(taste: float, searches: int) -> dict[str, float]:
    """RR@25 on the last day, of sessions as they are and shuffled."""
    whole: dict[str, list[str]] = {}
    for ds in DAYS:
        day(ds, searches, taste)
        whole |= sessions(pin(at("log", ds)))
    figures: dict[str, float] = {"sessions": len(whole)}
    for name, those in (("", whole), ("shuffled_", shuffled(whole))):
        train = [each for key, each in those.items() if not key.startswith(DAYS[-1])]
        judged = last_pairs([each for key, each in those.items() if key.startswith(DAYS[-1])])
        for model in (popularity, co_session_knn):
            figures[f"{name}{model.__name__}"] = round(rr_at_25(model(train), judged), 4)
    return figures


def cost(searches: int, taste: float) -> None:
    """CPU seconds of the JVM and of this process by command; a small day first, so that code is compiled."""
    with spark_session("sessions") as spark:
        clock = Clock(spark)
        for size in (1_500, searches):
            day(DAYS[-1], size, taste)
            spent = clock.of_day()
        whole = sum(spent.values())
        ours = spent["item_events"] + spent["session_events"]
        say(searches=searches, taste=taste, cpu_s=spent, added=round(ours / (whole - ours), 3))


class Clock:
    """CPU seconds of steps."""

    def __init__(self, spark: Any) -> None:
        self._jvm = Path(f"/proc/{spark._jvm.java.lang.ProcessHandle.current().pid()}/stat")

    def now(self) -> float:
        """Seconds so far."""
        own = os.times()
        user, system = self._jvm.read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK") + own.user + own.system

    def of_day(self) -> dict[str, float]:
        """Seconds of each command of pairs_daily; those of item_events apart from the rest of impressions."""
        spent: dict[str, float] = {}

        def timed(name: str, step: Callable[[], object]) -> None:
            start = self.now()
            step()
            spent[name] = spent.get(name, 0.0) + self.now() - start

        write, make = impressions._write_item_events, search_log.item_events
        made: list[Any] = []
        impressions._write_item_events = lambda *given: timed("item_events", lambda: write(*given))
        search_log.item_events = lambda *given: timed("item_events", lambda: made.append(make(*given))) or made[-1]
        counts = (at("click_counts"), at("query_counts"))
        try:
            timed("items", lambda: items.main(items.Args(at("catalogue"), at("items"))))
            timed("impressions", lambda: impressions.main(impressions.Args(at("log"), at("impressions"))))
        finally:
            impressions._write_item_events, search_log.item_events = write, make
        spent["impressions"] -= spent["item_events"]
        given = (at("impressions"), at("late_impressions"), at("items"), *counts)
        timed("click_counts", lambda: click_counts.main(click_counts.Args(*given)))
        timed("queries", lambda: queries.main(queries.Args(at("queries"), counts[1], at("labels"))))
        timed("propensities", lambda: propensities.main(propensities.Args(counts[0], at("propensities"))))
        given = (at("pairs"), counts[0], at("items"), at("queries"), at("propensities"))
        timed("pairs", lambda: pairs.main(pairs.Args(*given)))
        timed("qrels", lambda: qrels.main(qrels.Args(at("queries"), at("items"), at("qrels"), labels=at("labels"))))
        of_sessions = session_events.Args(at("session_events"), at("item_events"))
        timed("session_events", lambda: session_events.main(of_sessions))
        return {name: round(seconds, 2) for name, seconds in spent.items()}


def say(**figures: object) -> None:
    """One JSON line."""
    sys.stdout.write(json.dumps({"room": "sessions", **figures}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
