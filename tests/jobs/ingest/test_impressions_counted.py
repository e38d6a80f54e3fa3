"""impressions counted three more times: in plain Python, by the simulator's truth, on a real-format sample."""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from jobs.lake.partitions import Partition
from jobs.lake.read import pin
from tests.jobs.ingest.ubi_records import DS, Deliver, Record, dropped, ndjson, random_log, run, shown
from tests.jobs.simulator.simulated import truths
from tests.real_data import DATA, needs

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("spark")]
UBI = "ubi-sample/ubi_queries_events.ndjson.gz"
SAMPLE = DATA / UBI


def by_hand(records: list[Record], limit: int) -> tuple[dict[tuple[str, str], tuple[int, bool]], Counter[str]]:
    """The same rules in dictionaries and loops: (search, item) -> position, clicked; reason -> lines."""
    lost: Counter[str] = Counter()
    lines: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        lines[record["query_id"]].append(record)
    searches = {r["query_id"]: r for r in records if "action_name" not in r}
    bots = robots(searches, limit)
    rows: dict[tuple[str, str], tuple[int, bool]] = {}
    for name, group in lines.items():
        events = [record for record in group if "action_name" in record]
        reason = "no_search" if name not in searches else "nothing_shown" if not events else ""
        if name in searches and searches[name]["client_id"] in bots:
            reason = "bot_rate"
        if reason:
            lost[reason] += len(group)
            continue
        said = set()
        for record in events:
            item = record["event_attributes"]["object"]["object_id"]
            said.add((item, record["action_name"]))
            place = record["event_attributes"]["position"]["ordinal"] + 1
            position, clicked = rows.get((name, item), (place, False))
            rows[name, item] = (min(position, place), clicked or record["action_name"] == "click")
        # what a line says again: the search, or the same act on the same item
        lost["duplicate"] += len(group) - 1 - len(said)
    return rows, +lost


def robots(searches: dict[str, Record], limit: int) -> set[str]:
    """Clients that searched more than `limit` times within 60 seconds."""
    times = defaultdict(list)
    for record in searches.values():
        stamp = int(datetime.fromisoformat(record["timestamp"]).timestamp())
        times[record["client_id"]].append(stamp)
    return {
        client
        for client, stamps in times.items()
        if any(sum(at - 59 <= other <= at for other in stamps) > limit for at in stamps)
    }


def test_against_the_same_rules_in_plain_python(deliver: Deliver) -> None:
    records = random_log(np.random.default_rng(7), 600)
    log = deliver(f"log/ds={DS}", {"log.ndjson": ndjson(*records)})
    rows, manifest = run(log, max_searches_per_minute=10)
    expected, lost = by_hand(records, limit=10)
    assert lost["bot_rate"] > 50
    assert shown(rows) == expected
    assert dropped(manifest) == dict(lost)


def test_against_the_simulators_truth(deliver: Deliver, lake: Path) -> None:
    from jobs.simulator import marketplace, simulate

    to = {name: Partition.parse(f"{name}/ds={DS}") for name in ("catalogue", "labels", "log", "simulated_truth")}
    marketplace.main(marketplace.Args(to["catalogue"], to["labels"], items=300, queries=60))
    simulate.main(simulate.Args(**to, searches=800, bot_frac=0.4))
    events, searches, truth = truths(pin(to["simulated_truth"]))
    rows, manifest = run(to["log"])
    lost = dropped(manifest)
    assert manifest.simulated
    kept = {row["search_id"] for row in rows}
    repeated = events[events["is_duplicate"] & ~events["is_late"]]
    twice = repeated["search_id"].isin(kept).sum()
    assert lost["outside_day"] == truth["late"]
    # a record without a text repeats the record of its search; alone it is a page without a query
    assert 0 < twice <= lost["duplicate"] <= twice + truth["malformed_no_user_query"]
    unreadable = ("malformed", "missing_field", "bad_timestamp", "empty_query")
    assert sum(lost.get(reason, 0) for reason in (*unreadable, "duplicate")) == twice + truth["malformed"]
    # robots that behave like people go through; people do not go out
    out = dropped(manifest, "searches")
    assert all(reason.startswith("bot_") for reason in out if reason != "empty_query")
    fast = truth["burst_clicks_searches"] + truth["burst_silent_searches"]
    assert fast <= sum(out.values()) <= truth["bot_searches"]
    assert set(searches[~searches["is_bot"]].index) <= kept
    assert len(rows) > 1000


@needs(UBI)
@pytest.mark.parametrize("ds", ["2024-12-14", "2025-01-24"])
def test_real_format_sample(deliver: Deliver, ds: str) -> None:
    records = [json.loads(line) for line in gzip.decompress(SAMPLE.read_bytes()).splitlines()]
    asked: dict[str, list[str]] = {}
    for record in records:
        if "user_query" in record and "action_name" not in record and record["timestamp"].startswith(ds):
            hits = record.get("query_response_hit_ids") or []
            asked[record["query_id"]] = max(asked.get(record["query_id"], []), hits, key=len)
    acts: dict[tuple[str, str], set[str]] = defaultdict(set)
    for record in records:
        on_item = record.get("action_name") in ("impression", "click", "item_click", "add_to_cart")
        if on_item and str(record["timestamp"]).startswith(ds) and record["query_id"] in asked:
            name = record["query_id"], record["event_attributes"]["object"]["object_id"]
            acts[name].add(record["action_name"])
    with_impressions = {name for (name, _), names in acts.items() if "impression" in names}
    wanted = set(acts) | {(name, item) for name, hits in asked.items() if name not in with_impressions for item in hits}
    rows, manifest = run(deliver(f"log/ds={ds}", {SAMPLE.name: SAMPLE.read_bytes()}))
    # texts that went on within seconds, before anything was shown
    typed_on = asked.keys() - {row["search_id"].partition("/")[0] for row in rows} - {name for name, _ in acts}
    assert len(typed_on) <= dropped(manifest, "searches").get("typed_on", 0) <= len(typed_on) + 2
    wanted = {pair for pair in wanted if pair[0] not in typed_on}
    # two texts under one id are two searches: the second has //2 behind its id
    assert {(row["search_id"].partition("/")[0], row["item_id"]) for row in rows} == wanted
    assert sum(row["is_click"] for row in rows) == sum("click" in names for names in acts.values())
    assert sum(row["is_cart"] for row in rows) == sum("add_to_cart" in names for names in acts.values())
    lines = next(row for row in manifest.accounting if row.unit == "log lines")
    assert lines.rows_in == len(records)
