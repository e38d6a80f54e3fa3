"""impressions: every variant of real logs, hostile lines, days without searches."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
from collections import Counter
from datetime import UTC, datetime
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.ingest.impressions import Args, main
from jobs.lake.manifest import Manifest
from jobs.lake.partitions import IMPRESSIONS, LATE_IMPRESSIONS, LOG, QUERY_USERS, Partition
from jobs.lake.read import dataset, pin
from models.text.normalise import normalise_query
from tests.jobs.ingest.ubi_records import DS, Deliver, act, dropped, ndjson, run, search, shown

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("spark")]


def hashed(name: str) -> str:
    return hashlib.sha256(f"pepper{name}".encode()).hexdigest()


def test_one_log_in_every_dialect(deliver: Deliver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHELF_SALT", "pepper")
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
    answers = ndjson({**search("s3"), "query_response_object_ids": ["x", "y"]}, act("click", "s3", "y"))
    # Parquet, with a timestamp of its own type and other columns around it
    columns = pa.Table.from_pylist(
        [
            {"index": 0, "query_id": "s4", "user_query": "buty", "action_name": None, "event_attributes": None},
            {
                "index": 1,
                "query_id": "s4",
                "user_query": None,
                "action_name": "impression",
                "event_attributes": {"object": {"object_id": 9}, "position": {"ordinal": 3}},
            },
        ]
    ).append_column("timestamp", pa.array([datetime(2026, 1, 31, 9, tzinfo=UTC)] * 2))
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
    assert by_search["s1"]["session_id"] == hashed("t1")
    assert by_search["s2"]["session_id"] == hashed("t2")
    assert by_search["s2"]["client_id"] == hashed("bert")
    assert by_search["s2"]["searched_at"] == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert all("anna" not in str(row) and "bert" not in str(row) for row in rows)
    # the manifest's fields are plain
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert dataclasses.asdict(manifest)["facts"]["lines_read"]["search"] == 4


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
    rows, manifest = run(log, max_rejected_frac=1.0)
    assert {row["search_id"]: row["query"] for row in rows} == {
        name: normalise_query(query) for name, query in queries.items()
    }
    assert {row["query"] for row in rows} >= {"buty", "شاشة led", "buty 👟👟"}
    assert dropped(manifest) == {
        "bad_position": 2,
        "bad_timestamp": 1,
        "empty_query": 1,
        "malformed": 3,
        "missing_field": 3,  # two of them on one line
        "no_search": 1,
        "nothing_shown": 1,
        "other_action": 1,
        "query_too_long": 1,
    }
    aside = pq.read_table(BytesIO(_file(manifest, "quarantine/rejected-00000.parquet"))).to_pylist()
    assert Counter(row["reason"] for row in aside) == {
        "bad_position": 2,
        "bad_timestamp": 1,
        "malformed": 3,
        "missing_field": 3,
    }
    assert {row["file"] for row in aside} == {"log.ndjson"}
    assert any(row["raw"] == '{"query_id": "torn", "user_query": "bu' for row in aside)
    assert all(len(row["raw"]) <= 500 for row in aside)
    # what was set aside is not read as data
    assert dataset(pin(IMPRESSIONS.at(ds=DS))).count_rows() == len(rows)


def test_where_positions_begin_is_decided_by_most_searches_and_a_change_is_told(deliver: Deliver) -> None:
    """One click at 0 made a whole application count from 0 once: every row of the day moved by one, and nobody knew."""

    def day(ds: str, begins: list[int], *more: dict[str, object]) -> tuple[set[int], Manifest, list[str]]:
        records = []
        for number, first in enumerate(begins):
            who = {"application": "web", "timestamp": f"{ds}T10:00:00Z"}
            records += [search(f"s{number}", **who)]
            records += [act("impression", f"s{number}", f"i{place}", first + place, **who) for place in range(3)]
        log = deliver(f"log/ds={ds}", {"log.ndjson": ndjson(*records, *more)})
        result = main(Args(log, IMPRESSIONS.at(ds=ds), min_searchers=1))
        pinned = pin(IMPRESSIONS.at(ds=ds))
        positions = set(dataset(pinned).to_table(["position"])["position"].to_pylist())
        return positions, pinned.manifest, list(result["alerts"])  # type: ignore[call-overload]

    stray = act("click", "s0", "i1", 0, application="web", timestamp=f"{DS}T10:00:00Z")
    positions, manifest, alerts = day(DS, [1] * 25, stray)
    assert positions == {1, 2, 3}
    assert manifest.facts["zero_based_applications"] == []
    assert alerts == []
    positions, manifest, alerts = day("2026-02-01", [0] * 20 + [1] * 5)
    assert positions == {1, 2, 3, 4}
    assert manifest.facts["zero_based_applications"] == ["web"]
    known = manifest.facts["ordinal_bases"]
    assert (known["first"], known["changed"], known["mixed"]) == ({"web": 0}, 1, 1)
    said = "\n".join(alerts)
    assert "log/ds=2026-02-01: web: positions begin at 0, 1 on the day before" in said
    assert "web: 80.0% of the searches show a position 0, the others begin at 1; all are read as beginning at 0" in said


def _file(manifest: Manifest, name: str) -> bytes:
    return pin(Partition.parse(manifest.partition)).path(name).read_bytes()


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"log.ndjson": b""}, r"log/ds=2026-01-31: found 0 searches .* made on 2026-01-31 \(UTC\)"),
        (
            {"log.ndjson": ndjson(search("s", timestamp="2026-01-27T23:59:59Z"))},
            r"found 0 searches \(lines not used: \{'outside_day': 1\}.*correct the date",
        ),
        (  # of a day that may be added to, and nothing of its own
            {"log.ndjson": ndjson(search("s", timestamp="2026-01-30T10:00:00Z", query_response_hit_ids=["a"]))},
            r"impressions/ds=2026-01-31: 0 searches kept \(dropped: \{'earlier_day': 1\}\)",
        ),
        (
            {
                "log.ndjson": ndjson(
                    *(search(f"s{n}", client_id=f"c{n}", query_response_hit_ids=["a"]) for n in range(4))
                )
            },
            r"0 searches kept \(dropped: \{'rare_query': 4\}\).*are the bot rules and min_searchers right",
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
        main(Args(log, IMPRESSIONS.at(ds=DS), min_searchers=5 if "rare_query" in expected else 1))
    for table in (IMPRESSIONS, LATE_IMPRESSIONS, QUERY_USERS):
        with pytest.raises(LookupError, match="not published"):
            pin(table.at(ds=DS))


def test_missing_column(deliver: Deliver) -> None:
    buffer = BytesIO()
    pq.write_table(pa.table({"query_id": ["s"], "action": ["click"]}), buffer)
    log = deliver(f"log/ds={DS}", {"events.parquet": buffer.getvalue()})
    expected = r"events\.parquet has no column timestamp, user_query or action_name; found query_id, action"
    with pytest.raises(ValueError, match=expected):
        main(Args(log, IMPRESSIONS.at(ds=DS)))


def test_settings_out_of_range() -> None:
    with pytest.raises(ValueError, match="session_minutes=0: expected 1 or more"):
        Args(LOG.at(ds=DS), IMPRESSIONS.at(ds=DS), session_minutes=0)
