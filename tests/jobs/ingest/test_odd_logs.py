"""Logs as shops and their tools write them: other forms, ids that tell no people apart, searches that share an id."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pandas as pd
import pytest

from jobs.ingest import impressions
from jobs.lake.manifest import Manifest
from jobs.lake.partitions import IMPRESSIONS, LATE_IMPRESSIONS
from jobs.lake.read import pin, read_table
from tests.jobs.ingest.ubi_records import DS, Deliver, Record, act, dropped, ndjson, run, search, shown

NEXT = "2026-02-01"

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("spark")]


def records_in(manifest: Manifest) -> int:
    return next(row.rows_in for row in manifest.accounting if row.unit == "log lines")


def at(minute: int, second: int = 0) -> str:
    return f"{DS}T10:{minute:02d}:{second:02d}Z"


def visit(name: str, query: str = "buty", clicked: Any = "a", **fields: Any) -> list[Record]:
    """A search, two items shown, one clicked."""
    events = [act("impression", name, item, place, **fields) for place, item in enumerate(("a", "b"), 1)]
    return [search(name, query, **fields), *events, act("click", name, clicked, 1, **fields)]


def as_parquet(frame: pd.DataFrame) -> bytes:
    buffer = BytesIO()
    frame.to_parquet(buffer)
    return buffer.getvalue()


def test_every_form_of_a_record_is_read(deliver: Deliver) -> None:
    """Each file holds one visit, wrapped or written another way: the same two rows, the first clicked."""
    columns = ["action_name", "query_id", "user_query", "timestamp", "event_attributes"]

    def frame(name: str) -> pd.DataFrame:
        return pd.DataFrame([{column: record.get(column) for column in columns} for record in visit(name)])

    wrapped = [{"_index": "ubi", "_id": str(n), "_source": record} for n, record in enumerate(visit("elastic"))]
    panda = frame("pandas")
    panda["timestamp"] = pd.to_datetime(panda["timestamp"], utc=True).astype("datetime64[ns, UTC]")
    unloaded = frame("unload")
    unloaded["event_attributes"] = [json.dumps(value) if value else None for value in unloaded["event_attributes"]]
    floats = [json.loads(json.dumps(record).replace('"a"', "10000000001.0")) for record in visit("floats")]
    lists = [
        json.loads(json.dumps(record).replace('"a"', '["a"]').replace('"b"', '["b"]')) for record in visit("lists")
    ]
    log = deliver(
        f"log/ds={DS}",
        {
            "elasticdump.ndjson": ndjson(*wrapped),
            "firehose.ndjson": b"".join(json.dumps(record).encode() for record in visit("joined")),
            "pandas.parquet": as_parquet(panda),
            "unload.parquet": as_parquet(unloaded),
            "floats.ndjson": ndjson(*floats),
            "lists.ndjson": ndjson(*lists),
            "braces.ndjson": ndjson(*visit("braces", "}{ klucz")),
            "basket.ndjson": ndjson(
                *visit("basket"),
                {
                    **act("purchase", "basket", None),
                    "event_attributes": {"object": [{"object_id": "a"}, {"object_id": "b"}]},
                },
            ),
            "one.ndjson": ndjson({**search("one"), "query_response_hit_ids": "a"}, act("click", "one", "a")),
        },
    )
    rows, manifest = run(log)
    found = shown(rows)
    for name in ("elastic", "joined", "pandas", "unload", "lists", "braces", "basket"):
        assert (found[name, "a"], found[name, "b"]) == ((1, True), (2, False)), name
    assert found["floats", "10000000001"] == (1, True)
    assert found["one", "a"] == (1, True)
    assert {row["item_id"] for row in rows if row["is_purchase"]} == {"a", "b"}
    assert len(rows) == 8 * 2 + 1
    # records, not lines: a basket of two is one
    assert records_in(manifest) == 8 * 4 + 1 + 2
    assert not dropped(manifest)
    assert not manifest.facts["drift"]["findings"]


def test_people_and_searches_are_told_apart_where_ids_are_shared(deliver: Deliver) -> None:
    records: list[Record] = []
    # people without consent, 25 within a minute: the tracker's word is no id, the session is
    for n in range(25):
        records += visit(f"consent{n}", "lampa", client_id="undefined", session_id=f"t{n}", timestamp=at(0, 2 * n))
    # a server that logs itself as the client, of its own records alone and of everything
    for n in range(3):
        records += [
            r | {"client_id": f"c{n}" if "action_name" in r else "backend"} for r in visit(f"backend{n}", "stol")
        ]
    for n in range(120):
        records += visit(f"server{n}", "krzeslo", client_id="ssr", session_id=f"s{n}", timestamp=at(1, n // 10))
    # an answer from a cache: one id for several people
    for n in range(3):
        records += visit("cached", "kubek", client_id=f"k{n}", clicked="ab"[n % 2], timestamp=at(2, n))
    # a page that keeps its id while its texts change
    records += visit("texts", "zmywarka", client_id="z", timestamp=at(3))
    records += visit("texts", "karma dla kota", clicked="b", client_id="z", timestamp=at(4))
    # the second page begins at the first place again
    page = {"client_id": "p", "timestamp": at(6)}
    records += [
        r | {"query_response_hit_ids": ["a", "b"]} if "user_query" in r else r
        for r in visit("pages", client_id="p", timestamp=at(5))
    ]
    records += [search("pages", query_response_hit_ids=["c", "d"], **page)]
    records += [act("impression", "pages", item, place, **page) for place, item in ((1, "c"), (2, "d"))]
    records += [act("click", "pages", "d", 2, **page)]
    # a box that searches at every key
    for n in range(1, 30):
        records.append(
            search(f"key{n:02d}", "rower miejski damski czerwony"[:n], client_id="typist", timestamp=at(7, n))
        )
    records += [act(name, "key29", "a", 1, client_id="typist", timestamp=at(8)) for name in ("impression", "click")]
    # a record that lost its text, beside one that has it
    records += [
        *visit("beside", "taca", client_id="b", timestamp=at(9)),
        search("beside", "", client_id="b", timestamp=at(9)),
    ]
    # clicks on pages that no search made, and pages without a query
    browsing = [{k: v for k, v in act("click", "", "a", 1).items() if k != "query_id" or n % 2} for n in range(40)]
    listings = [search(f"listing{n}", None, client_id=f"l{n}") for n in range(30)]  # type: ignore[arg-type]

    rows, manifest = run(deliver(f"log/ds={DS}", {"a.ndjson": ndjson(*records, *browsing, *listings)}))
    found = shown(rows)
    of = {
        name: {row["client_id"] for row in rows if row["search_id"].startswith(name)}
        for name in ("consent", "backend", "server")
    }
    assert of["consent"] == of["server"] == {None}
    assert len(of["backend"]) == 3
    assert sum(clicked for (name, _), (_, clicked) in found.items() if name.startswith(("consent", "server"))) == 145
    sessions = {row["session_id"] for row in rows if row["search_id"].startswith(("consent", "server"))}
    assert len(sessions) == 145
    assert [found[name, item] for name, item in (("cached", "a"), ("cached//2", "b"), ("cached//3", "a"))] == [
        (1, True),
        (2, True),
        (1, True),
    ]
    assert len({row["client_id"] for row in rows if row["query"] == "kubek"}) == 3
    queries = {row["search_id"]: row["query"] for row in rows}
    assert (queries["texts"], queries["texts//2"]) == ("zmywarka", "karma dla kota")
    assert (found["texts", "a"], found["texts//2", "b"]) == ((1, True), (2, True))
    places = {item: place for (name, item), (place, _) in found.items() if name == "pages"}
    assert places == {"a": 1, "b": 2, "c": 3, "d": 4}
    assert found["pages", "d"] == (4, True)
    assert found["key29", "a"] == (1, True)
    assert dropped(manifest) == {"typed_on": 28, "no_query_id": 40, "empty_query": 31}
    assert records_in(manifest) == len(records) + 70
    assert not manifest.facts["drift"]["stop"]

    # what they clicked after midnight comes with the next day's log, and goes to the search of who clicked
    late = [act("cart", "cached", "b", 2, client_id=f"k{n}", timestamp=f"{NEXT}T00:01:00Z") for n in (1, 2)]
    late += [act("cart", "texts", "a", 1, client_id="z", timestamp=at(3, 30))]
    run(deliver(f"log/ds={NEXT}", {"a.ndjson": ndjson(*visit("new", timestamp=f"{NEXT}T10:00:00Z"), *late)}))
    corrected = read_table(pin(LATE_IMPRESSIONS.at(ds=NEXT))).to_pylist()
    assert sorted((row["search_id"], row["item_id"], row["is_cart"]) for row in corrected) == [
        ("cached//2", "b", True),
        ("cached//3", "b", True),
        ("texts", "a", True),
    ]


def test_a_shops_own_clock_and_names(deliver: Deliver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first day says which actions it did not take; once they have a name, the next day knows it."""
    monkeypatch.setenv("NIGHTSHELF_TIME_ZONE", "Europe/Warsaw")
    names = {"impression": "view", "click": "select_item"}

    def day(ds: str) -> bytes:
        visits = [record for n in range(30) for record in visit(f"{ds}-{n}", timestamp=f"{ds} 23:{n:02d}:00")]
        return ndjson(*(r | {"action_name": names[r["action_name"]]} if "action_name" in r else r for r in visits))

    log = deliver(f"log/ds={DS}", {"a.ndjson": day(DS)})
    with pytest.raises(ValueError, match="0 searches kept"):
        run(log)
    out = IMPRESSIONS.at(ds=DS)
    told = impressions.main(impressions.Args(log, out, min_searchers=1, actions="view=impression"))
    rows, manifest = read_table(pin(out)).to_pylist(), pin(out).manifest
    assert len(rows) == 60
    assert dropped(manifest) == {"other_action": 30}
    assert {row["searched_at"].hour for row in rows} == {22}  # 23 in Warsaw
    alerts = " ".join(told["alerts"])  # type: ignore[arg-type]
    assert (
        "action select_item is not used (25.0% of the records); if it means click, add --actions select_item=click"
        in alerts
    )
    assert "no click on any search" in alerts

    rows, manifest = run(log, actions="view=impression,select_item=click")
    assert sum(row["is_click"] for row in rows) == 30
    assert not dropped(manifest)
    rows, manifest = run(deliver("log/ds=2026-02-01", {"a.ndjson": day("2026-02-01")}))
    assert sum(row["is_click"] for row in rows) == 30, "as on the day before"
    assert manifest.facts["actions"] == "view=impression,select_item=click"
    with pytest.raises(ValueError, match="expected name=action with one of impression, click, cart, purchase"):
        impressions.Args(log, IMPRESSIONS.at(ds=DS), actions="view=look")


def test_events_that_do_not_fit_their_searches_are_told(deliver: Deliver) -> None:
    """Half of the clicks are on items that were not shown; a third of the events have no search in the log."""
    records = [record for n in range(20) for record in visit(f"v{n}", clicked="a" if n % 2 else f"other{n}")]
    records += [act("click", f"lost{n}", "a", 1) for n in range(30)]
    log = deliver(f"log/ds={DS}", {"a.ndjson": ndjson(*records)})
    told = impressions.main(impressions.Args(log, IMPRESSIONS.at(ds=DS), min_searchers=1))
    alerts = " ".join(told["alerts"])  # type: ignore[arg-type]
    assert f"log/ds={DS}: 30 events, 33.3% of all, have no search in the log" in alerts
    assert f"log/ds={DS}: 10 clicks, 50.0% of all, are on items that their search did not show" in alerts
    facts = pin(IMPRESSIONS.at(ds=DS)).facts
    assert (facts["events_without_search_frac"], facts["clicks_not_shown_frac"]) == (0.3333, 0.5)
    assert len(read_table(pin(IMPRESSIONS.at(ds=DS)))) == 50


def test_clocks_shippers_and_values_that_are_none(deliver: Deliver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every visit is of 10:00 UTC, whatever its clock, its shipper and its words for nothing; 11:00 in the shop."""
    monkeypatch.setenv("NIGHTSHELF_TIME_ZONE", "Europe/Warsaw")
    clocks = {
        "gmt1": f"{DS}T11:00:00GMT+1",
        "utc1": f"{DS} 11:00:00 UTC+1",
        "glued": f"{DS}T10:00:00UTC",
        "java": f"{DS}T11:00:00.000+01:00[Europe/Warsaw]",
        "log4j": f"{DS} 11:00:00,000",
        "slashes": f"{DS.replace('-', '/')} 11:00:00",
        "blanks": f" {DS}T10:00:00Z ",
        "ruby": f"{DS} 11:00:00 +0100",
        "bst": f"{DS} 10:00:00 BST",
    }
    records = [record for name, clock in clocks.items() for record in visit(name, timestamp=clock)]
    shippers = {
        "logstash": [{"@timestamp": "t", "message": json.dumps(r), "host": {"name": "h"}} for r in visit("logstash")],
        "docker": [{"log": json.dumps(r) + "\n", "stream": "stdout"} for r in visit("docker")],
        "kafka": [{"payload": r, "schema": {"type": "struct"}} for r in visit("kafka")],
        "events": [{"specversion": "1.0", "time": "t", "data": r} for r in visit("events")],
        "twice": [json.dumps(r) for r in visit("twice")],
    }
    # pandas and trackers write words where there is nothing
    blank = [record | {"action_name": ""} if "user_query" in record else record for record in visit("blank")]
    nan = [record | {"action_name": float("nan")} if "user_query" in record else record for record in visit("nan")]
    padded = [r | {"action_name": " Click "} if r.get("action_name") == "click" else r for r in visit("padded")]
    edges = json.loads(json.dumps(visit("edges")).replace('"a"', '"\\u00a0a\\u200b"'))
    nowhere = [act("click", word, "a", 1) for word in ("undefined", "NaN", "null")]
    nothing = [act("impression", "edges", word, 3) for word in ("undefined", float("nan"))]
    lines = ndjson(*records, *blank, *nan, *padded, *edges, *nowhere, *nothing)
    commas = b"".join(json.dumps(record).encode() + b",\n" for record in visit("commas"))
    printed = b"".join(repr(record | {"client_id": None}).encode() + b"\n" for record in visit("printed"))
    files = {f"{name}.ndjson": ndjson(*wrapped) for name, wrapped in shippers.items()}
    log = deliver(f"log/ds={DS}", {"a.ndjson": lines, "b.ndjson": commas, "c.ndjson": printed, **files})
    rows, manifest = run(log, max_rejected_frac=0.1)
    found = shown(rows)
    for name in [*clocks, *shippers, "blank", "nan", "padded", "edges", "commas", "printed"]:
        if name != "bst":
            assert (found[name, "a"], found[name, "b"]) == ((1, True), (2, False)), name
    assert {str(row["searched_at"]) for row in rows} == {f"{DS} 10:00:00+00:00"}
    assert len(rows) == 2 * (len(clocks) - 1 + len(shippers) + 6)
    # Java takes BST for Bangladesh's time
    assert dropped(manifest) == {"bad_timestamp": 4, "no_query_id": 3, "missing_field": 2}


def test_searches_that_a_tracker_names_like_events(deliver: Deliver) -> None:
    records = [
        record | {"action_name": "on_search"} if "user_query" in record else record
        for n in range(30)
        for record in visit(f"v{n}")
    ]
    log = deliver(f"log/ds={DS}", {"a.ndjson": ndjson(*records)})
    with pytest.raises(ValueError, match="found 0 searches"):
        run(log)
    rows, manifest = run(log, actions="on_search=search")
    assert len(rows) == 60
    assert not dropped(manifest)
    assert not manifest.facts["drift"]["findings"]
