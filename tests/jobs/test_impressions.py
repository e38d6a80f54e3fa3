"""impressions: the quirks of real logs, hostile lines, and three independent counts of the same rows."""

from __future__ import annotations

import dataclasses
import gzip
import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.impressions import Args, main
from jobs.lake import IMPRESSIONS, LOG, Partition
from jobs.manifest import Manifest
from jobs.reading import dataset, pin, read_table
from models.normalise import normalise_query

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("spark")]
DS = "2026-01-31"
SAMPLE = Path(
    os.environ.get("NIGHTSHELF_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
) / "ubi-sample" / "ubi_queries_events.ndjson.gz"  # fmt: skip
Deliver = Callable[[str, dict[str, bytes]], Partition]
Record = dict[str, Any]


def run(log: Partition, **settings: int) -> tuple[list[Record], Manifest]:
    """The published rows, and the manifest that says what became of the rest."""
    out = IMPRESSIONS.at(ds=log.ds)
    result = main(Args(log, out, **settings))
    pinned = pin(out)
    assert result["rows"] == pinned.manifest.rows
    return read_table(pinned).to_pylist(), pinned.manifest


def search(search_id: str, query: str = "buty", **fields: Any) -> Record:
    return {"query_id": search_id, "user_query": query, "timestamp": f"{DS}T10:00:00Z", **fields}


def act(name: str, search_id: str, item: Any, ordinal: Any = None, **fields: Any) -> Record:
    position = {} if ordinal is None else {"position": {"ordinal": ordinal}}
    attributes = {"object": {"object_id": item}, **position, **fields.pop("attributes", {})}
    stamped = {"timestamp": f"{DS}T10:00:01Z", **fields}
    return {"action_name": name, "query_id": search_id, "event_attributes": attributes, **stamped}


def ndjson(*records: Record) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def shown(rows: list[Record]) -> dict[tuple[str, str], tuple[int, bool]]:
    return {(row["search_id"], row["item_id"]): (row["position"], row["is_click"]) for row in rows}


def dropped(manifest: Manifest, unit: str = "log lines") -> dict[str, int]:
    return next(row.dropped for row in manifest.accounting if row.unit == unit)


def test_one_log_in_every_dialect(deliver: Deliver) -> None:
    bulk = ndjson(
        {"index": {"_index": "ubi_queries", "_id": "1"}},
        search("s1", application="web", client_id="anna"),
        {"create": {"_index": "ubi_events"}},
        act("impression", "s1", "a", 1, application="web", session_id="t1"),
        act("click_through", "s1", "a", 1, application="web", session_id="t1"),
    )
    # an older exporter: `index<TAB>json`, epoch milliseconds, ordinals from 0, integer ids, ids in the attributes
    noon = int(datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp() * 1000)
    ids = {"session_id": "t2", "client_id": "bert"}
    older = [
        search("s2", application="demo", timestamp=noon),
        act("impression", "s2", 7, 0, application="demo", timestamp=noon, attributes=ids),
        act("item_click", "s2", 7, 0, application="demo", timestamp=noon, attributes=ids),
    ]
    tabbed = b"".join(b"index\t" + ndjson(record) for record in older)
    # no impression events at all: the answer's order, under its older name, stands in
    answers = ndjson(
        {**search("s3"), "query_response_object_ids": ["x", "y"]}, act("click", "s3", "y")
    )
    # Parquet, with a timestamp of its own type and other columns around it
    columns = pa.Table.from_pylist(
        [
            {"index": 0, "query_id": "s4", "user_query": "buty", "action_name": None, "event_attributes": None},
            {"index": 1, "query_id": "s4", "user_query": None, "action_name": "impression",
             "event_attributes": {"object": {"object_id": 9}, "position": {"ordinal": 3}}},
        ]
    ).append_column("timestamp", pa.array([datetime(2026, 1, 31, 9, tzinfo=UTC)] * 2))  # fmt: skip
    buffer = BytesIO()
    pq.write_table(columns, buffer)
    log = deliver(
        f"log/ds={DS}",
        {
            "bulk.ndjson": b"\xef\xbb\xbf" + bulk + b"\n",
            "older.json.gz": gzip.compress(tabbed, mtime=0),
            "answers.ndjson": answers,
            "columns.parquet": buffer.getvalue(),
        },
    )
    rows, manifest = run(log)
    assert shown(rows) == {
        ("s1", "a"): (1, True),
        ("s2", "7"): (1, True),
        ("s3", "x"): (1, False),
        ("s3", "y"): (2, True),
        ("s4", "9"): (3, False),
    }
    assert dropped(manifest) == {"bulk_action": 2, "blank": 1}
    assert manifest.facts["zero_based_applications"] == ["demo"]
    by_search = {row["search_id"]: row for row in rows}
    assert by_search["s1"]["session_id"] == "t1"
    assert by_search["s2"]["session_id"] == "t2"
    assert by_search["s2"]["searched_at"] == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert all("anna" not in str(row) and "bert" not in str(row) for row in rows)


def test_poison_is_counted_and_kept_aside(deliver: Deliver) -> None:
    queries = {
        "nul": "bu\x00ty",  # control characters vanish
        "rtl": "\u202eشاشة LED\u202c",  # so do marks of direction; Arabic stays
        "emoji": "buty 👟👟",
        "quoted": '"; DROP TABLE items; --',
        "template": "{{ ds }} ${PATH} :eta",
    }
    good = [search(name, query) for name, query in queries.items()]
    good += [act("impression", name, "a", 1) for name in queries]
    bad = [
        ndjson(search("long", "x" * 10_000)),  # nobody types that
        ndjson(search("empty", "\u200b \t")),  # nothing is left of it
        ndjson(act("impression", "nul", "b", -1)),  # no such place
        ndjson(act("impression", "nul", "c", 10**12)),
        ndjson(act("teleport", "nul", "d", 1)),  # an action nobody knows
        ndjson(act("click", "lost", "a", 1)),  # a search that never came
        ndjson(act("click", "nul", None, 1)),
        b'{"query_id": "torn", "user_query": "bu\n',
        b'{"query_id": "two", "user_query": "a"}{"query_id": "one"}\n',
        b"\x00\xff\xfe\n",
        b"[1, 2]\n",
        b'{"query_id": "odd", "user_query": "a", "timestamp": "soon"}\n',
        # a lone surrogate, by escape; JSON lets it pass
        b'{"query_id": "half", "user_query": "\\ud800buty", "timestamp": "2026-01-31T10:00:00Z"}\n',
    ]
    log = deliver(f"log/ds={DS}", {"log.ndjson": ndjson(*good) + b"".join(bad)})
    rows, manifest = run(log)
    assert {row["search_id"]: row["query"] for row in rows} == {
        name: normalise_query(query) for name, query in queries.items()
    }
    assert {row["query"] for row in rows} >= {"buty", "شاشة led", "buty 👟👟"}
    assert dropped(manifest) == {
        "bad_position": 2, "bad_timestamp": 1, "empty_query": 1, "malformed": 4, "missing_field": 1,
        "no_search": 1, "nothing_shown": 1, "other_action": 1, "query_too_long": 1,
    }  # fmt: skip
    aside = pq.read_table(BytesIO(_file(manifest, "quarantine/rejected-00000.parquet"))).to_pylist()
    assert Counter(row["reason"] for row in aside) == {
        "bad_position": 2, "bad_timestamp": 1, "malformed": 4, "missing_field": 1,
    }  # fmt: skip
    assert {row["file"] for row in aside} == {"log.ndjson"}
    assert any(row["raw"] == '{"query_id": "torn", "user_query": "bu' for row in aside)
    assert all(len(row["raw"]) <= 500 for row in aside)
    # what was set aside is not read as data
    assert dataset(pin(IMPRESSIONS.at(ds=DS))).count_rows() == len(rows)


def _file(manifest: Manifest, name: str) -> bytes:
    return pin(Partition.parse(manifest.partition)).path(name).read_bytes()


def test_a_day_run_twice_is_the_same_bytes(deliver: Deliver) -> None:
    records = random_log(np.random.default_rng(1), 300)
    half = len(records) // 2
    log = deliver(
        f"log/ds={DS}", {"a.ndjson": ndjson(*records[:half]), "b.ndjson": ndjson(*records[half:])}
    )
    first = run(log)[1]
    assert run(log)[1].content_sha256 == first.content_sha256
    # nor does it matter how the lines were cut into files, or in which order they came
    again = deliver(f"log/ds={DS}", {"c.ndjson": ndjson(*records[::-1])})
    assert run(again)[1].content_sha256 == first.content_sha256
    # a re-run replaces
    assert pin(IMPRESSIONS.at(ds=DS)).manifest.rows == first.rows


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"log.ndjson": b""}, r"log/ds=2026-01-31: found 0 searches .* made on 2026-01-31 UTC"),
        (
            {"log.ndjson": ndjson(search("s", timestamp="2026-01-30T10:00:00Z"))},
            r"found 0 searches \(lines not used: \{'outside_day': 1\}.*correct the date",
        ),
        (
            {"log.ndjson": ndjson(search("s"))},
            r"impressions/ds=2026-01-31: 0 searches kept \(dropped: \{'nothing_shown': 1\}\)",
        ),
        ({"log.txt": b"x"}, r"found log\.txt, expected files ending in \.ndjson"),
    ],
)
def test_no_day(deliver: Deliver, files: dict[str, bytes], expected: str) -> None:
    log = deliver(f"log/ds={DS}", files)
    with pytest.raises(ValueError, match=expected):
        main(Args(log, IMPRESSIONS.at(ds=DS)))
    with pytest.raises(LookupError, match="not published"):
        pin(IMPRESSIONS.at(ds=DS))


def test_missing_column(deliver: Deliver) -> None:
    buffer = BytesIO()
    pq.write_table(pa.table({"query_id": ["s"], "action": ["click"]}), buffer)
    log = deliver(f"log/ds={DS}", {"events.parquet": buffer.getvalue()})
    expected = r"events\.parquet has no column timestamp, user_query or action_name; found query_id, action"
    with pytest.raises(ValueError, match=expected):
        main(Args(log, IMPRESSIONS.at(ds=DS)))


def test_settings_out_of_range() -> None:
    with pytest.raises(ValueError, match="start at 1"):
        Args(LOG.at(ds=DS), IMPRESSIONS.at(ds=DS), session_minutes=0)


def random_log(rng: np.random.Generator, searches: int) -> list[Record]:
    """A log of one application with clients, repeats, lost searches and shuffled lines."""
    start = datetime(2026, 1, 31, tzinfo=UTC)
    records = []
    for number in range(searches):
        # client 0 is a machine
        client = int(rng.integers(20))
        at = start + timedelta(
            seconds=float(rng.integers(0, 86_000)) if client else 3600 + number / 10
        )
        name, who = f"s{number}", {"application": "web", "client_id": f"c{client}"}
        if rng.random() > 0.05:
            stamp = at.isoformat()
            records.append(search(name, f" Query {rng.integers(30)}", timestamp=stamp, **who))
        for place in range(int(rng.integers(0, 8))):
            when = (at + timedelta(seconds=1)).isoformat()
            item = f"i{rng.integers(9)}"
            records.append(act("impression", name, item, place, timestamp=when, **who))
            if rng.random() < 0.2:
                later = (at + timedelta(seconds=9 + place)).isoformat()
                records.append(act("click", name, item, place, timestamp=later, **who))
    records += [records[int(n)] for n in rng.integers(0, len(records), len(records) // 20)]
    return [records[int(n)] for n in rng.permutation(len(records))]


def by_hand(
    records: list[Record], limit: int
) -> tuple[dict[tuple[str, str], tuple[int, bool]], Counter[str]]:
    """The same rules in dictionaries and loops: (search, item) -> position, clicked; reason -> lines."""
    lost: Counter[str] = Counter()
    once = {json.dumps(record, sort_keys=True): record for record in records}
    lost["duplicate"] = len(records) - len(once)
    searches = {r["query_id"]: r for r in once.values() if "action_name" not in r}
    times = defaultdict(list)
    for record in searches.values():
        times[record["client_id"]].append(
            int(datetime.fromisoformat(record["timestamp"]).timestamp())
        )
    bots = {
        client
        for client, stamps in times.items()
        if any(sum(at - 59 <= other <= at for other in stamps) > limit for at in stamps)
    }
    lines: dict[str, list[Record]] = defaultdict(list)
    for record in once.values():
        lines[record["query_id"]].append(record)
    rows: dict[tuple[str, str], tuple[int, bool]] = {}
    for name, group in lines.items():
        events = [record for record in group if "action_name" in record]
        if name not in searches:
            lost["no_search"] += len(group)
        elif searches[name]["client_id"] in bots:
            lost["bot"] += len(group)
        elif not events:
            lost["nothing_shown"] += 1
        for record in (
            events if name in searches and searches[name]["client_id"] not in bots else []
        ):
            key = (name, record["event_attributes"]["object"]["object_id"])
            place = record["event_attributes"]["position"]["ordinal"] + 1
            position, clicked = rows.get(key, (place, False))
            rows[key] = (min(position, place), clicked or record["action_name"] == "click")
    return rows, +lost


def test_against_the_same_rules_in_plain_python(deliver: Deliver) -> None:
    records = random_log(np.random.default_rng(7), 600)
    log = deliver(f"log/ds={DS}", {"log.ndjson": ndjson(*records)})
    rows, manifest = run(log, max_searches_per_minute=10)
    expected, lost = by_hand(records, limit=10)
    assert lost["bot"] > 50
    assert shown(rows) == expected
    assert dropped(manifest) == dict(lost)


def test_against_the_simulators_truth(deliver: Deliver, lake: Path) -> None:
    from jobs import marketplace, simulate

    to = {
        name: Partition.parse(f"{name}/ds={DS}") for name in ("catalogue", "labels", "log", "truth")
    }
    marketplace.main(marketplace.Args(to["catalogue"], to["labels"], items=300, queries=60))
    simulate.main(simulate.Args(**to, searches=400, bot_frac=0.15))
    truth = json.loads(pin(to["truth"]).path("counts.json").read_text())
    rows, manifest = run(to["log"])
    lost = dropped(manifest)
    assert manifest.simulated
    assert lost["duplicate"] == truth["duplicates"]
    assert lost["outside_day"] == truth["late"]
    unreadable = ("malformed", "missing_field", "bad_timestamp")
    assert sum(lost.get(reason, 0) for reason in unreadable) == truth["malformed"]
    assert dropped(manifest, "searches") == {"bot": truth["bot_searches"]}
    assert len(rows) > 1000


@pytest.mark.skipif(not SAMPLE.is_file(), reason=f"no {SAMPLE.name} below NIGHTSHELF_DATA")
@pytest.mark.parametrize("ds", ["2024-12-14", "2025-01-24"])
def test_real_format_sample(deliver: Deliver, ds: str) -> None:
    records = [json.loads(line) for line in gzip.decompress(SAMPLE.read_bytes()).splitlines()]
    asked: dict[str, list[str]] = {}
    for record in records:
        if (
            "user_query" in record
            and "action_name" not in record
            and record["timestamp"].startswith(ds)
        ):
            hits = record.get("query_response_hit_ids") or []
            asked[record["query_id"]] = max(asked.get(record["query_id"], []), hits, key=len)
    acts: dict[tuple[str, str], set[str]] = defaultdict(set)
    for record in records:
        on_item = record.get("action_name") in ("impression", "click", "item_click", "add_to_cart")
        if on_item and str(record["timestamp"]).startswith(ds) and record["query_id"] in asked:
            name = record["query_id"], record["event_attributes"]["object"]["object_id"]
            acts[name].add(record["action_name"])
    with_impressions = {name for (name, _), names in acts.items() if "impression" in names}
    wanted = set(acts) | {
        (name, item)
        for name, hits in asked.items()
        if name not in with_impressions
        for item in hits
    }
    rows, manifest = run(deliver(f"log/ds={ds}", {SAMPLE.name: SAMPLE.read_bytes()}))
    assert {(row["search_id"], row["item_id"]) for row in rows} == wanted
    assert sum(row["is_click"] for row in rows) == sum("click" in names for names in acts.values())
    assert sum(row["is_cart"] for row in rows) == sum(
        "add_to_cart" in names for names in acts.values()
    )
    lines = next(row for row in manifest.accounting if row.unit == "log lines")
    assert lines.rows_in == len(records)


def test_manifest_fields_are_plain(deliver: Deliver) -> None:
    log = deliver(f"log/ds={DS}", {"l.ndjson": ndjson(search("s"), act("impression", "s", "a", 1))})
    manifest = run(log)[1]
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert dataclasses.asdict(manifest)["facts"]["lines_read"]["search"] == 1
