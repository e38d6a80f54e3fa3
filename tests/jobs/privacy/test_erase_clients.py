"""Erasure: a client is nowhere in clear or by hash, in whatever version; made again, a day does not bring them back."""

from __future__ import annotations

import gzip
import hashlib
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.datasets import holdout_sessions
from jobs.ingest import impressions, session_events
from jobs.lake import storage as store
from jobs.lake.erasures import erased_clients
from jobs.lake.fault import POINTS
from jobs.lake.partitions import (
    ERASURES,
    HOLDOUT_QRELS,
    HOLDOUT_QUERIES,
    HOLDOUT_SESSIONS,
    IMPRESSIONS,
    ITEM_EVENTS,
    LOG,
    ORDERS,
    QUERY_USERS,
    SESSION_EVENTS,
    Partition,
)
from jobs.lake.publish import publish
from jobs.lake.read import pin, read_table
from jobs.privacy import erase_clients
from tests.conftest import Delivery
from tests.jobs.ingest.ubi_records import Deliver, Record, act, ndjson, search
from tests.killed import killed_at

ROOT = Path(__file__).resolve().parents[3]
FIRST, SECOND = "2026-01-31", "2026-02-01"
ANNA, SESSION, CUSTOMER = "anna-7f2b", "visit-of-anna-91", "4711"


@pytest.fixture(autouse=True)
def pepper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHELF_SALT", "pepper")


def hashed(name: str) -> str:
    return hashlib.sha256(f"pepper{name}".encode()).hexdigest()


# what would tell that she was there; of query_users a part of her hash
TRACES = (ANNA, SESSION, hashed(ANNA), hashed(SESSION), hashed(ANNA)[:16], f",{CUSTOMER}.0", hashed(CUSTOMER), "s-anna")


def visit(name: str, client: str, session: str, ds: str) -> list[Record]:
    who = {"client_id": client, "session_id": session}
    at = f"{ds}T10:00:0"
    view = act("view", "", "b", timestamp=f"{at}2Z", **who)
    return [
        search(name, "buty", timestamp=f"{at}0Z", **who),
        act("impression", name, "a", 1, timestamp=f"{at}0Z", session_id=session),  # its client was not sent
        act("click", name, "a", 1, timestamp=f"{at}1Z", **who),
        {key: value for key, value in view.items() if key != "query_id"},
    ]


def log_of(ds: str) -> dict[str, bytes]:
    others = [visit(f"s-{n}-{ds}", f"client{n}", f"visit{n}", ds) for n in range(3)]
    hers = visit(f"s-anna-{ds}", ANNA, SESSION, ds)
    bulk = b"".join(b'{"index":{"_index":"ubi_events"}}\n' + ndjson(record) for record in hers + others[0])
    nested = ndjson({"message": json.dumps(hers[2])})  # no record, and it names her
    torn = ndjson(hers[0])[:-9] + b"\n"
    return {
        "bulk.ndjson.gz": gzip.compress(bulk, mtime=0),
        "plain.ndjson": ndjson(*hers, *(record for visit in others for record in visit)) + nested + torn,
        "columns.parquet": columns(
            [*visit(f"s-anna-p-{ds}", ANNA, SESSION, ds), *visit("s-9", "client9", "visit9", ds)]
        ),
    }


def columns(records: list[Record]) -> bytes:
    buffer = BytesIO()
    names = ("query_id", "client_id", "session_id", "user_query", "action_name", "timestamp", "event_attributes")
    pq.write_table(pa.Table.from_pylist([{name: record.get(name) for name in names} for record in records]), buffer)
    return buffer.getvalue()


ORDER_LINES = f"nr,sku,date,customer\n1,a,{FIRST} 09:00:00,{CUSTOMER}.0\n1,b2,{FIRST} 09:00:00,{CUSTOMER}.0\n2,a,{FIRST} 09:00:00,12\n2,b2,{FIRST} 09:00:00,12\n"


def made(ds: str) -> None:
    impressions.main(impressions.Args(LOG.at(ds=ds), IMPRESSIONS.at(ds=ds), min_searchers=1, max_rejected_frac=1.0))
    given = (SESSION_EVENTS.at(ds=ds), ITEM_EVENTS.at(ds=ds), ORDERS.at(ds=ds))
    session_events.main(session_events.Args(*given, order_columns="invoice=nr"))
    holdout_sessions.main(holdout_sessions.Args(SESSION_EVENTS.at(ds=ds), HOLDOUT_SESSIONS.at(ds=ds)))


def texts(file: Path) -> str:
    """All that a file says, unpacked."""
    if file.suffix == ".parquet":
        return json.dumps(pq.read_table(file).to_pydict(), default=str)
    data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    return data.decode("utf-8", "replace")


def traces(lake: Path) -> set[str]:
    """Tables of files that still tell of her; the record of the erasure keeps her hash."""
    found = set()
    for file in lake.rglob("*"):
        if file.is_file() and not file.is_symlink() and "erasures_v1" not in file.parts:
            said = texts(file)
            found |= {file.relative_to(lake).parts[0] for trace in TRACES if trace in said}
    return found


def rows(at: Partition) -> int:
    return sum(pq.ParquetFile(uri).metadata.num_rows for uri in pin(at).files())


def erase(**settings: Any) -> dict[str, object]:
    return erase_clients.main(erase_clients.Args(ERASURES.at(ds=SECOND), **settings))


@pytest.mark.spark
@pytest.mark.usefixtures("spark")
def test_an_erased_client_is_nowhere_and_stays_away(lake: Path, deliver: Deliver, tmp_path: Path) -> None:
    deliver(f"log/ds={FIRST}", log_of(FIRST))
    deliver(f"orders/ds={FIRST}", {"orders.csv": ORDER_LINES.encode()})
    made(FIRST)
    deliver(f"log/ds={FIRST}", log_of(FIRST))
    made(FIRST)  # versions that were replaced lie beside
    tables = {"log", "orders", "impressions", "item_events", "session_events", "query_users", "holdout_sessions"}
    assert traces(lake) == {f"{table}_v1" for table in tables}
    ids = tmp_path / "ids.txt"
    ids.write_text(f"{ANNA}\n{CUSTOMER}\n")
    planned = erase(client_file=str(ids), dry_run=1)
    assert len(planned["would_delete"]) >= len(tables) and traces(lake)  # type: ignore[arg-type]
    before = {str(at): rows(at) for at in (IMPRESSIONS.at(ds=FIRST), SESSION_EVENTS.at(ds=FIRST))}
    erase(client_file=str(ids))
    assert traces(lake) == set()
    # the others are all there, and what is told of the partitions is true of them
    assert rows(IMPRESSIONS.at(ds=FIRST)) == before[str(IMPRESSIONS.at(ds=FIRST))] - 2  # two searches of hers
    events = read_table(pin(SESSION_EVENTS.at(ds=FIRST))).to_pandas()
    assert set(events["client_id"]) == {hashed(name) for name in ("client0", "client1", "client2", "client9", "12")}
    for at in (IMPRESSIONS.at(ds=FIRST), SESSION_EVENTS.at(ds=FIRST), LOG.at(ds=FIRST), QUERY_USERS.at(ds=FIRST)):
        manifest = pin(at).manifest
        assert manifest.job == {"log": "tests.conftest", "session_events": "session_events"}.get(at.name, "impressions")
        assert manifest.accounting[-1].unit == "erased rows" and manifest.accounting[-1].dropped["erased"] > 0
        assert manifest.rows == sum(entry.rows or 0 for entry in manifest.files if entry.role == "data")
    held = read_table(pin(HOLDOUT_SESSIONS.at(ds=FIRST)))["query_id"].to_pylist()
    for at in (HOLDOUT_QUERIES.at(ds=FIRST), HOLDOUT_QRELS.at(ds=FIRST)):
        assert sorted(read_table(pin(at))["query_id"].to_pylist()) == sorted(held)
    # made again of what is left; and of what the shop delivers once more, with her in it
    made(FIRST)
    assert traces(lake) == set()
    assert len(read_table(pin(SESSION_EVENTS.at(ds=FIRST)))) == len(events)
    deliver(f"log/ds={FIRST}", log_of(FIRST))
    deliver(f"orders/ds={FIRST}", {"orders.csv": ORDER_LINES.encode()})
    made(FIRST)
    assert traces(lake) == {"log_v1", "orders_v1", "impressions_v1"}  # the delivery itself, and its torn lines
    (account,) = [each for each in pin(IMPRESSIONS.at(ds=FIRST)).manifest.accounting if each.unit == "searches"]
    assert account.dropped["erased"] == 2
    assert pin(SESSION_EVENTS.at(ds=FIRST)).manifest.accounting[0].dropped == {"erased": 2}
    again = read_table(pin(SESSION_EVENTS.at(ds=FIRST))).to_pandas()
    pd.testing.assert_frame_equal(again, events)
    erase(client_file=str(ids))
    assert traces(lake) == set()
    record = json.loads((store.local_path(pin(ERASURES.at(ds=SECOND)).uri) / "erasure.json").read_text())
    assert hashed(ANNA) in record["clients"] and {row["what"] for row in record["deleted"]} == {"rows of clients"}
    assert {row["name"].partition("/")[0] for row in record["deleted"]} >= tables


def small(lake: Path) -> None:
    """Two tables of two people, one version of the first beside its successor."""
    people = pa.table({"client_id": [hashed(ANNA), hashed("client1"), None], "session_id": ["t", "u", "t"]})
    for at, times in ((IMPRESSIONS.at(ds=FIRST), 2), (SESSION_EVENTS.at(ds=FIRST), 1)):
        for number in range(times):
            with publish(at, Delivery(at)) as out:
                pq.write_table(people, out.folder / "part-00000.parquet")
                out.facts["number"] = number
    with publish(LOG.at(ds=FIRST), Delivery(LOG.at(ds=FIRST))) as out:
        (out.folder / "a.ndjson").write_bytes(
            ndjson(*visit("s-anna", ANNA, SESSION, FIRST), *visit("s1", "client1", "u", FIRST))
        )


@pytest.mark.parametrize("fault", [point for point in POINTS if point.startswith("erase.")] + ["erase.published:2"])
def test_killed_anywhere_readers_see_whole_versions_and_the_next_call_ends_it(lake: Path, fault: str) -> None:
    small(lake)
    killed_at(fault, lambda: erase(clients=hashed(ANNA)))
    # from its first step on no job takes her up, and each partition is whole: before or after
    assert erased_clients() == [hashed(ANNA)]
    for at in (IMPRESSIONS.at(ds=FIRST), SESSION_EVENTS.at(ds=FIRST)):
        assert read_table(pin(at)).num_rows in (1, 3)
    erase()  # the list of the day is known
    assert traces(lake) == set()
    assert read_table(pin(IMPRESSIONS.at(ds=FIRST))).to_pylist() == [
        {"client_id": hashed("client1"), "session_id": "u"}
    ]
    assert pin(IMPRESSIONS.at(ds=FIRST)).facts == {"number": 1, "erased": 2}
    assert len(pin(LOG.at(ds=FIRST)).path("a.ndjson").read_bytes().splitlines()) == 4
    names = {
        row["name"].partition("/")[0]
        for row in json.loads((store.local_path(pin(ERASURES.at(ds=SECOND)).uri) / "erasure.json").read_text())[
            "deleted"
        ]
    }
    assert names == {"impressions", "session_events", "log"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "nobody is named; expected --clients or --client_file"),
        ({"clients": ANNA}, "found 1 that are no keyed hash, expected 64 hexadecimal digits"),
    ],
)
def test_a_call_that_names_nobody_is_refused(lake: Path, settings: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        erase(**settings)
    assert not lake.exists()


def test_a_version_that_is_left_is_an_error_that_names_it(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The audit looks by itself: a deletion that skipped a table is noticed."""
    small(lake)
    skipped = erase_clients.erase_from

    def lazy(at: Partition, *rest: Any) -> int:
        return 0 if at.name == "impressions" else skipped(at, *rest)

    monkeypatch.setattr(erase_clients, "erase_from", lazy)
    with pytest.raises(RuntimeError, match=rf"versions still have rows of the clients.*impressions/ds={FIRST}"):
        erase(clients=hashed(ANNA))
