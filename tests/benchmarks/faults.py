"""ROOM=faults: corruptions planted into clean tables, through the real suites with 28 days of history.

One JSON line for each corruption: what noticed it, and how badly. Then the totals, and how many of the clean days raised a
false alarm. --markdown prints the same as a table; --seed=1 makes another shop.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pyarrow.parquet as pq

from jobs.lake import storage as store
from jobs.lake.manifest import VERDICT
from jobs.lake.partitions import TABLES, Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, exists, pin
from jobs.quality import expect
from jobs.quality.rules import rules_of
from jobs.quality.run_suite import check, count
from tests.benchmarks._corruptions import Corruption
from tests.benchmarks._corruptions_judged import of_judgements, of_late, of_negatives, of_propensities
from tests.benchmarks._corruptions_learnt import of_items, of_pairs, of_vectors
from tests.benchmarks._corruptions_log import of_log
from tests.benchmarks._corruptions_sessions import of_lists, of_sessions
from tests.benchmarks._shop_days import SHARD, TOWERS, Day, Delivered, Shop, day_of

HISTORY_DAYS, CLEAN_DAYS = 28, 30
# what each table is made of, in the order in which they are made
INPUTS = {
    "items": "catalogue",
    "impressions": "log",
    "late_impressions": "log",
    "click_counts": "impressions",
    "query_counts": "impressions",
    "queries": "impressions",
    "propensities": "click_counts",
    "qrels": "queries",
    "negatives": "queries",
    "pairs": "queries",
    "embeddings": "items",
    "session_events": "log",
    "session_items": "session_events",
    "co_occurrences": "session_items",
    "item_neighbours": "items",
    "user_recommendations": "items",
}
UNITS = {"items": "catalogue rows", "impressions": "log lines", "pairs": "clicks"}


@dataclass(frozen=True)
class Args:
    """note  what is published"""

    note: str = ""


def at(table: str, ds: str) -> Partition:
    """The partition of a day."""
    known = {"ds": ds, "space": TOWERS, "shard": SHARD, "method": "hybrid"}
    return TABLES[table].at(**{key: known[key] for key in TABLES[table].keys})


def deliver(table: str, ds: str, given: Delivered) -> Pinned:
    """Publish rows as a job would."""
    source = at(INPUTS[table], (date.fromisoformat(ds) - timedelta(days=given.inputs_age_days)).isoformat())
    if not exists(source):
        with publish(source, Args()) as raw:
            (raw.folder / "raw.ndjson").write_text("{}")
    with publish(at(table, ds), Args(), [pin(source, even_stopped=True)]) as out:
        pq.write_table(given.rows, out.folder / "part-00000.parquet")
        out.facts |= given.facts
        if unit := UNITS.get(table):
            n = given.kept or given.rows.num_rows
            out.count(unit, n + sum(given.dropped.values()), n, given.dropped)
    return pin(at(table, ds), even_stopped=True)


class Bench:
    """A lake of clean days, judged one after another."""

    def judge(self, pinned: Pinned) -> dict[str, Any]:
        """The verdict as jobs.quality.expect writes it."""
        found: dict[str, Any] = dict(expect.record_of(check(pinned, 10**9)))
        return found

    def keep(self, pinned: Pinned) -> dict[str, Any]:
        """Judge, and write the verdict beside the data."""
        found = self.judge(pinned)
        store.write_bytes(f"{pinned.uri}/{VERDICT}", json.dumps(found).encode())
        return found

    def remember(self, ds: str, day: Day) -> None:
        """All tables of a clean day as history: counted, and passed unseen."""
        for table, given in day.items():
            pinned = deliver(table, ds, given)
            found = {
                "verdict": "pass",
                "manifest_sha256": pinned.manifest_sha256,
                "figures": count(pinned, rules_of(table).rules, "arrow"),
            }
            store.write_bytes(f"{pinned.uri}/{VERDICT}", json.dumps(found).encode())

    def clean(self, ds: str, day: Day) -> list[dict[str, Any]]:
        """All tables of a clean day."""
        return [self.keep(deliver(table, ds, given)) for table, given in day.items()]

    def plant(self, ds: str, day: Day, one: Corruption) -> dict[str, Any]:
        """One corruption, and what came of it; then the clean table again."""
        found = self.judge(deliver(one.table, ds, one.spoil(day[one.table], day)))
        deliver(one.table, ds, day[one.table])
        noticed = found["stops"] or found["warns"]
        return {
            "table": one.table,
            "corruption": one.name,
            "dose": one.dose,
            "detected": {"pass": "no"}.get(found["verdict"], found["verdict"]),
            "by": [text.partition(" [")[0] for text in noticed[:3]],
            "rules": len(found["stops"]) + len(found["warns"]),
        }


def main(
    markdown: bool = False, seed: int = 0, tables: str = "", history: int = HISTORY_DAYS, clean: int = CLEAN_DAYS
) -> None:
    """Print one line for each corruption and the totals."""
    wanted = set(tables.split(",")) if tables else set(INPUTS)
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"NIGHTSHELF_LAKE": f"{folder}/lake", "NIGHTSHELF_HOME": f"{folder}/var"}
        bench, shop = Bench(), Shop(seed)
        alarms: Counter[str] = Counter()
        false_alarms = 0
        for number in range(history):
            bench.remember(day_of(number), of(shop.make(number), wanted))
        for number in range(history, history + clean):
            verdicts = bench.clean(day_of(number), of(shop.make(number), wanted))
            said = [text.partition(" [")[0] for one in verdicts for text in one["stops"] + one["warns"]]
            false_alarms += bool(said)
            alarms.update(said)
        last = history + clean
        ds, day = day_of(last), of(shop.make(last), wanted)
        bench.clean(ds, day)
        every = [
            *of_log(),
            *of_late(),
            *of_items(),
            *of_pairs(),
            *of_propensities(),
            *of_judgements(),
            *of_negatives(),
            *of_vectors(),
            *of_sessions(),
            *of_lists(),
        ]
        every = [one for one in every if one.table in wanted]
        lines = [bench.plant(ds, day, one) for one in every]
        noticed = sum(one["detected"] != "no" for one in lines)
        total = {
            "corruptions": len({(one.table, one.name) for one in every}),
            "planted": len(every),
            "detected": noticed,
            "detection_rate": round(noticed / len(every), 3),
            "stopped": sum(one["detected"] == "stop" for one in lines),
            "clean_days": clean,
            "days_with_false_alarm": false_alarms,
            "false_alarm_rate": round(false_alarms / max(1, clean), 3),
            "false_alarms_by": dict(alarms),
        }
        tell(lines, total, markdown)


def of(day: Day, tables: set[str]) -> Day:
    """Some of the day's tables; the catalogue, which others are compared with, is always there."""
    return {name: given for name, given in day.items() if name in tables or name == "items"}


def tell(lines: list[dict[str, Any]], total: dict[str, Any], markdown: bool) -> None:
    """JSON lines, or a table and the totals below it."""
    if markdown:
        rows = ["| table | corruption | dose | detected | by |", "|---|---|---|---|---|"]
        rows += [
            f"| {one['table']} | {one['corruption']} | {one['dose']} | {one['detected']} | {'; '.join(one['by'])} |"
            for one in lines
        ]
        sys.stdout.write("\n".join([*rows, "", json.dumps(total)]) + "\n")
    else:
        sys.stdout.write("".join(json.dumps(one) + "\n" for one in [*lines, total]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markdown", action="store_true", help="a table instead of JSON lines")
    parser.add_argument("--history", type=int, default=HISTORY_DAYS, help="days that later ones are compared with")
    parser.add_argument("--clean", type=int, default=CLEAN_DAYS, help="clean days that are judged")
    parser.add_argument("--tables", default="", help="these tables alone, separated by commas")
    parser.add_argument("--seed", type=int, default=0, help="another seed is another shop")
    main(**vars(parser.parse_args()))
