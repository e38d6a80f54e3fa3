"""Days with damaged input through the whole job: lines are kept or rejected by a rule and counted; no crash."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from jobs.ingest import impressions, items
from jobs.lake.partitions import IMPRESSIONS, ITEMS
from jobs.lake.read import pin, read_table
from tests.jobs.ingest.ubi_records import DS, Deliver, act, dropped, ndjson, search

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("spark")]
DAY = IMPRESSIONS.at(ds=DS)
GOOD = [record for n in range(300) for record in (search(f"g{n}"), act("impression", f"g{n}", "a", 1))]


STAMPS: tuple[Any, ...] = (
    10**30,
    -(10**12),
    1.7e308,
    "99999-01-31T10:00:00Z",
    "2026-13-01T10:00:00Z",
    "2026-02-30T10:00:00Z",
    "2026-01-31T25:00:00Z",
    "2026-01-31T10:00:00+99:00",
    "10:00",
    "\u202e2026-01-31",
    {"at": 1},
    [],
)


def with_query(name: str, query: str) -> bytes:
    """A search that shows one item."""
    return ndjson(search(name, query), act("impression", name, "a", 1))


def deep(levels: int, key: str) -> bytes:
    """A line with a value that is nested so deep."""
    record = ndjson(search("deep")).rstrip(b"}\n")
    return record + f', "{key}": '.encode() + b"[" * levels + b"]" * levels + b"}\n"


# reason -> lines that have it
POISON: dict[str, list[bytes]] = {
    "line_too_long": [ndjson(search("long", "x" * (10 << 20))), b"\x00" * 300 + b"x" * (2 << 20) + b"\n"],
    "malformed": [
        b'{"query_id": "nul", "user_query": "bu\x00ty", "timestamp": "2026-01-31T10:00:00Z"}\n',
        b"\x00\x00\x00\n",
        deep(100_000, "user_query"),
        deep(5_000, "trail"),
        b'{"a":' * 50_000 + b"\n",
        b'{"query_id": "digits", "user_query": "a", "timestamp": ' + b"9" * 5_000 + b"}\n",
    ],
    "not_utf8": [
        b'{"query_id": "bytes", "user_query": "\xff\xfe", "timestamp": "2026-01-31T10:00:00Z"}\n',
        # bytes of a surrogate are no UTF-8, though Java writes such
        b'{"query_id": "half", "user_query": "\xed\xa0\x80", "timestamp": "2026-01-31T10:00:00Z"}\n',
    ],
    "bad_timestamp": [ndjson(search("t", timestamp=value)) for value in STAMPS],
    "outside_day": [
        ndjson(search("y", timestamp=value))
        for value in ("0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9" * 13, "1" * 13)
    ],
    "bad_position": [
        ndjson(act("impression", "g0", "b", value))
        for value in (-1, 10_000, 2**63, -(2**63) - 1, 10**400, 1.5, "NaN", "first", {"x": 1}, True)
    ],
    "missing_field": [ndjson(search("")), ndjson(act("click", "g0", "")), b"{}\n"],
    # texts of which nothing is left
    "empty_query": [with_query("zero", "\u200b\u200d\ufeff"), with_query("marks", "\u202e\u202c \u2066\u2069")],
    # a page without a query
    "listing": [ndjson({"query_id": "n", "timestamp": f"{DS}T10:00:00Z"})],
    "query_too_long": [with_query("wordy", "but " * 5_000)],
}
KEPT = {
    "rtl": ("\u202eشاشة\u202c LED", "شاشة led"),
    "hidden": ("bu\u200bty\u00ad", "buty"),
    "escaped": ("bu\u0000ty", "buty"),
    "emoji": ("👩‍👩‍👧 buty", None),
    "stacked": ("z" + "\u0335" * 200 + "algo", None),
}


def test_poison_never_fails_a_day(deliver: Deliver) -> None:
    kept = b"".join(with_query(name, query) for name, (query, _) in KEPT.items())
    # half a surrogate pair, by escape: JSON lets it pass
    kept += rb'{"query_id": "lone", "user_query": "\ud800buty", "timestamp": "2026-01-31T10:00:00Z"}' + b"\n"
    kept += ndjson(act("impression", "lone", "a", 1))
    poison = b"".join(line for lines in POISON.values() for line in lines)
    log = deliver(f"log/ds={DS}", {"a.ndjson": ndjson(*GOOD) + kept, "b.ndjson": poison + b'{"torn\n'})
    impressions.main(impressions.Args(log, DAY, min_searchers=1, max_rejected_frac=0.5))
    pinned = pin(DAY)
    expected = {reason: len(lines) for reason, lines in POISON.items()}
    expected["malformed"] += 1
    # both lines of a search go with it
    expected |= {"empty_query": 4 + expected.pop("listing"), "query_too_long": 2}
    assert dropped(pinned.manifest) == expected
    found = {row["search_id"]: row["query"] for row in read_table(pinned).to_pylist()}
    assert found.keys() == {*(f"g{n}" for n in range(300)), *KEPT, "lone"}
    assert all(text is None or found[name] == text for name, (_, text) in KEPT.items())
    assert not any(mark in text for text in found.values() for mark in "\u202e\u200b\x00\x1b")
    aside = pq.read_table(BytesIO(pinned.path("quarantine/rejected-00000.parquet").read_bytes())).to_pylist()
    counted = Counter(row["reason"] for row in aside)
    assert counted == {
        r: expected[r]
        for r in ("line_too_long", "not_utf8", "malformed", "bad_timestamp", "bad_position", "missing_field")
    }
    assert max(len(row["raw"]) for row in aside) <= 500


def test_too_many_rejected_lines_stop_the_day(deliver: Deliver) -> None:
    bad = b"".join(POISON["malformed"][:4] * 10)
    log = deliver(f"log/ds={DS}", {"a.ndjson": ndjson(*GOOD) + bad})
    expected = r"log/ds=2026-01-31: 6\.2% of its 640 records cannot be read \(\{'malformed': 40\}\), expected 5\.0% at most; repair"
    with pytest.raises(ValueError, match=expected):
        impressions.main(impressions.Args(log, DAY, min_searchers=1))


def test_a_damaged_file_among_many_costs_the_day_nothing_else(deliver: Deliver) -> None:
    whole = ndjson(*GOOD)
    lost = gzip.compress(ndjson(search("lost"), act("impression", "lost", "a", 1)))
    log = deliver(
        f"log/ds={DS}", {"a.ndjson": whole, "b.ndjson.gz": lost[:-9], "c.parquet": b"PAR1" + bytes(90) + b"PAR1"}
    )
    told = impressions.main(impressions.Args(log, DAY, min_searchers=1))
    pinned = pin(DAY)
    assert {row["search_id"] for row in read_table(pinned).to_pylist()} == {f"g{n}" for n in range(300)}
    assert [(one["name"], one["bytes"]) for one in pinned.facts["files_set_aside"]] == [
        ("b.ndjson.gz", len(lost) - 9),
        ("c.parquet", 98),
    ]
    assert pinned.facts["drift"] == {"stop": 0, "warn": 0, "findings": [], "compared_with": []}
    assert pinned.facts["profile"]["records"] == {"": {"impression": 300, "search": 300}}
    alerts = told["alerts"]
    assert isinstance(alerts, list) and len(alerts) == 3
    assert "b.ndjson.gz set aside" in alerts[0]
    assert "no click on any search" in alerts[2]


def test_a_damaged_catalogue_file(deliver: Deliver) -> None:
    rows = "".join(json.dumps({"item_id": str(n), "title": "but"}) + "\n" for n in range(200)).encode()
    # a pattern that takes the square of a text's length would not end on the second line
    rows += b'{"item_id": "deep", "title": "but", "category": "' + b">a" * 400_000 + b'"}\n'
    bad = b'{"item_id": "\xff\xfe", "title": "x"}\n{"item_id": "x", "title": "' + b"y" * (2 << 20) + b'"}\n'
    catalogue = deliver(f"catalogue/ds={DS}", {"a.ndjson": rows, "b.csv.gz": b"\x1f\x8b\x08"})
    told = items.main(items.Args(catalogue, ITEMS.at(ds=DS)))
    assert told["rows"] == 201
    assert [one["name"] for one in pin(ITEMS.at(ds=DS)).facts["files_set_aside"]] == ["b.csv.gz"]
    items.main(items.Args(deliver(f"catalogue/ds={DS}", {"a.ndjson": rows + bad}), ITEMS.at(ds=DS)))
    assert pin(ITEMS.at(ds=DS)).manifest.accounting[0].dropped == {"malformed": 2}
    quarantine = Path(pin(ITEMS.at(ds=DS)).uri) / "quarantine"
    assert sum(path.stat().st_size for path in quarantine.iterdir()) < 10_000
