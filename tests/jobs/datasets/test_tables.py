"""queries, pairs and qrels: the days they read, the input they refuse, and the facts in their manifests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from jobs.datasets import pairs, qrels, queries
from jobs.lake.arrow_schema import arrow_schema
from jobs.lake.partitions import CLICK_COUNTS, ITEMS, LABELS, PAIRS, QRELS, QUERIES, QUERY_COUNTS, Partition, Table
from jobs.lake.publish import publish
from jobs.lake.read import pin, read_table
from jobs.lake.windows import window
from jobs.platform.cli import parse
from models.text.normalise import query_id, split_of
from tests.conftest import Delivery

LAST = "2026-01-31"
Row = dict[str, Any]
Put = Callable[[Partition, list[Row]], Partition]


@pytest.fixture
def put(lake: Path) -> Put:
    """Publish rows as a partition, columns that they leave out NULL."""

    def write(to: Partition, rows: list[Row]) -> Partition:
        with publish(to, Delivery(to)) as out:
            out.write_table(pa.Table.from_pylist(rows, schema=arrow_schema(to.table)))
        return to

    return write


def act(
    query: str, item: str, day: str, clicks: int = 0, cart: int = 0, bought: int = 0, position: int = 1, ds: str = ""
) -> tuple[str, Row]:
    """(ds, row of click_counts): shown once more than clicked; ds: of the log that brought it, where it is a later day's."""
    row = {
        "day": date.fromisoformat(day),
        "query_id": query_id(query),
        "item_id": item,
        "group_id": item,
        "position": position,
        "impressions": 0 if ds else clicks + 1,
        "clicks": clicks,
        "carts": cart,
        "purchases": bought,
    }
    return ds or day, row


def typed(query: str, day: str, searches: int = 1, ds: str = "") -> tuple[str, Row]:
    """(ds, row of asked)."""
    row = {"day": date.fromisoformat(day), "query_id": query_id(query), "query": query, "searches": searches}
    return ds or day, row


def by_day(put: Put, table: Table, rows: list[tuple[str, Row]]) -> None:
    for ds in sorted({ds for ds, _ in rows}):
        put(table.at(ds=ds), [row for day, row in rows if day == ds])


@pytest.fixture
def shop(put: Put) -> None:
    """Three days of click_counts around a missing one, two items, one of them new, and labels."""
    by_day(
        put,
        CLICK_COUNTS,
        [
            act("buty", "a", "2026-01-28", clicks=1, position=2),
            act("buty", "a", "2026-01-30", clicks=1),
            act("buty", "ended", "2026-01-30", clicks=1),
            act("buty", "a", LAST),
            act("buty", "b", LAST, clicks=1, bought=1),
            # what came late on the last day belongs to the day before, and so does not count for the judged one
            act("buty", "b", "2026-01-30", clicks=1, ds=LAST),
            act("kubek", "b", LAST, clicks=1, cart=1),
            # a later day is never read
            act("jutro", "a", "2026-02-01", clicks=1),
        ],
    )
    by_day(
        put,
        QUERY_COUNTS,
        [
            typed("buty", "2026-01-28"),
            typed("buty", "2026-01-30"),
            typed("buty", LAST),
            typed("kubek", LAST),
            typed("jutro", "2026-02-01"),
        ],
    )
    put(ITEMS.at(ds=LAST), [{"item_id": "a"}, {"item_id": "b"}])
    put(
        LABELS.at(ds=LAST),
        [
            {"query": "Buty", "item_id": "a", "relevance": 1.0, "split": "test"},
            {"query": "BUTY ", "item_id": "a", "relevance": 2.0, "split": "test"},
            {"query": "Nikt nie szukał", "item_id": "b", "relevance": 3.0, "split": None},
            {"query": "buty", "item_id": "ended", "relevance": 3.0, "split": "test"},
        ],
    )


def make_queries(**settings: Any) -> dict[str, Row]:
    queries.main(queries.Args(QUERIES.at(ds=LAST), QUERY_COUNTS.at(ds=LAST), **settings))
    return {row["query"]: row for row in read_table(pin(QUERIES.at(ds=LAST))).to_pylist()}


def test_window_reads_what_is_published_and_never_a_later_day(put: Put) -> None:
    for day in ("2026-01-28", "2026-01-30", LAST, "2026-02-01"):
        put(QUERY_COUNTS.at(ds=day), [typed("q", day)[1]])
    found = window(QUERY_COUNTS.at(ds=LAST), 4)
    assert found.facts == {
        "days_read": ["2026-01-28", "2026-01-30", LAST],
        "days_missing": ["2026-01-29"],
        "days_stopped": [],
    }
    assert window(QUERY_COUNTS.at(ds=LAST), 1).facts["days_read"] == [LAST]
    with pytest.raises(LookupError, match="query_counts/ds=2026-01-29: not published"):
        window(QUERY_COUNTS.at(ds="2026-01-29"), 4)
    with pytest.raises(ValueError, match="a window of 0 days"):
        window(QUERY_COUNTS.at(ds=LAST), 0)


@pytest.mark.spark
@pytest.mark.usefixtures("spark", "shop")
def test_queries_of_a_window_and_of_labels() -> None:
    plain = make_queries(window_days=4)
    assert {query: row["searches"] for query, row in plain.items()} == {"buty": 3, "kubek": 1}
    assert plain["buty"]["split"] == split_of(query_id("buty"))
    found = make_queries(labels=LABELS.at(ds=LAST), window_days=2)
    assert {query: (row["searches"], row["segment"]) for query, row in found.items()} == {
        "buty": (2, "head"),
        "kubek": (1, "tail"),
        "nikt nie szukał": (0, "unseen"),
    }
    assert found["buty"]["split"] == "test"
    facts = pin(QUERIES.at(ds=LAST)).facts["window"]
    assert facts["days_read"] == ["2026-01-30", LAST]


@pytest.mark.spark
@pytest.mark.usefixtures("spark", "shop")
def test_labels_with_an_unknown_split_are_refused(put: Put) -> None:
    labels = put(LABELS.at(ds=LAST), [{"query": "q", "item_id": "a", "relevance": 1.0, "split": "valid"}])
    with pytest.raises(ValueError, match="labels/ds=2026-01-31: found split valid, expected train, dev, test"):
        make_queries(labels=labels)


@pytest.mark.spark
@pytest.mark.usefixtures("spark", "shop")
def test_pairs_and_qrels() -> None:
    make_queries(labels=LABELS.at(ds=LAST))
    at = {"click_counts": CLICK_COUNTS.at(ds=LAST), "items": ITEMS.at(ds=LAST), "queries": QUERIES.at(ds=LAST)}
    results = [pairs.main(pairs.Args(**at, pairs=PAIRS.at(ds=LAST), window_days=4)) for _ in range(2)]
    assert results[0] == results[1]
    rows = read_table(pin(PAIRS.at(ds=LAST))).to_pylist()
    shoe, mug = query_id("buty"), query_id("kubek")
    assert {(row["query_id"], row["item_id"]): (row["clicks"], row["weight"]) for row in rows} == {
        (shoe, "a"): (2, 3.0),
        (shoe, "b"): (2, 4.0),
        (mug, "b"): (1, 2.0),
    }
    (account,) = pin(PAIRS.at(ds=LAST)).manifest.accounting
    assert (account.unit, account.rows_in, account.dropped) == ("clicks", 6, {"item_ended": 1})
    # by clicks of the last day
    qrels.main(qrels.Args(**at, qrels=QRELS.at(ds=LAST)))
    rows = read_table(pin(QRELS.at(ds=LAST))).to_pylist()
    assert {(row["query_id"], row["item_id"], row["relevance"], row["source"]) for row in rows} == {
        (shoe, "b", 3.0, "clicks"),
        (mug, "b", 2.0, "clicks"),
    }
    # by labels: two spellings of one query are one
    qrels.main(qrels.Args(**at, qrels=QRELS.at(ds=LAST), labels=LABELS.at(ds=LAST)))
    rows = read_table(pin(QRELS.at(ds=LAST))).to_pylist()
    new = query_id("nikt nie szukał")
    assert {(row["query_id"], row["item_id"], row["relevance"], row["split"]) for row in rows} == {
        (shoe, "a", 1.5, "test"),
        (new, "b", 3.0, split_of(new)),
    }
    (account,) = pin(QRELS.at(ds=LAST)).manifest.accounting
    assert (account.unit, account.rows_in, account.dropped) == ("labels", 4, {"item_ended": 1})


@pytest.mark.spark
@pytest.mark.usefixtures("spark", "shop")
def test_no_pair_is_an_error_that_says_why(put: Put) -> None:
    make_queries()
    items = put(ITEMS.at(ds=LAST), [{"item_id": "other"}])
    args = pairs.Args(PAIRS.at(ds=LAST), CLICK_COUNTS.at(ds=LAST), items=items, queries=QUERIES.at(ds=LAST))
    with pytest.raises(ValueError, match=r"pairs/ds=2026-01-31: 0 pairs of 6 clicks .*'item_ended': 6.*same shop"):
        pairs.main(args)
    with pytest.raises(LookupError):
        pin(PAIRS.at(ds=LAST))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--pairs", "pairs/ds=../../etc"], "found keys ds/../etc, expected ds"),
        (["--pairs", "pairs/ds=.."], "'..' is not a day as YYYY-MM-DD"),
        (["--pairs", "pairs/ds=2026-02-30"], "is not a day as YYYY-MM-DD"),
        (["--pairs", "qrels/ds=2026-01-31"], "is of table qrels, expected pairs"),
        (["--pairs", "pairs/ds=2026-01-31", "--min_clicks", "0"], "min_clicks=0: expected 1 or more"),
    ],
)
def test_wrong_command_lines(flags: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    inputs = [f"--{name}={name}/ds=2026-01-31" for name in ("click_counts", "items", "queries")]
    with pytest.raises(SystemExit) as stop:
        parse(pairs.Args, [*inputs, *flags])
    assert stop.value.code == 2
    assert said in capsys.readouterr().err
