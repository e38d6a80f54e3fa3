"""session_events: from a log and from orders, day after day; late events are added, nothing is counted twice."""

from __future__ import annotations

import gzip
import hashlib
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jobs.ingest import impressions, session_events
from jobs.lake.partitions import IMPRESSIONS, ITEM_EVENTS, LATE_IMPRESSIONS, LOG, ORDERS, QUERY_USERS, SESSION_EVENTS
from jobs.lake.read import pin, read_table
from models.text.normalise import query_id
from tests.jobs.ingest.test_etl_days import FIRST, SECOND, visits
from tests.jobs.ingest.ubi_records import Deliver, Record, act, ndjson, search
from tests.real_data import DATA, needs

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("spark")]


@pytest.fixture(autouse=True)
def pepper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHELF_SALT", "pepper")


def hashed(name: str) -> str:
    return hashlib.sha256(f"pepper{name}".encode()).hexdigest()


def logged(ds: str, **settings: Any) -> None:
    given = {"min_searchers": 1, **settings}
    impressions.main(impressions.Args(LOG.at(ds=ds), IMPRESSIONS.at(ds=ds), **given))  # type: ignore[arg-type]
    session_events.main(session_events.Args(SESSION_EVENTS.at(ds=ds), ITEM_EVENTS.at(ds=ds)))


def events(*days: str) -> pd.DataFrame:
    frames = [read_table(pin(SESSION_EVENTS.at(ds=ds))).to_pandas() for ds in days]
    return pd.concat(frames).sort_values(["session_id", "ordinal"], ignore_index=True)


def browse(name: str, item: str, at: str, client: str, **fields: Any) -> Record:
    record = act(name, "", item, timestamp=at, client_id=client, **fields)
    return {key: value for key, value in record.items() if key != "query_id"}


def test_a_visit_is_one_session_in_searches_and_outside(deliver: Deliver) -> None:
    """Search, click, look at the offer, another one in its carousel, the basket; and what is none of it."""
    who = {"client_id": "anna", "session_id": "t1"}
    at = f"{FIRST}T10:00:0"
    placed = {"attributes": {"placement": "carousel"}}
    records = [
        search("s1", "buty", timestamp=f"{at}0Z", **who),
        act("impression", "s1", "a", 1, timestamp=f"{at}0Z", **who),
        act("click", "s1", "a", 1, timestamp=f"{at}1Z", **who),
        act("view", "s1", "a", timestamp=f"{at}2Z", **who),
        browse("click", "b", f"{at}3Z", "anna", session_id="t1", **placed),
        browse("view", "b", f"{at}4Z", "anna", session_id="t1"),
        browse("add_to_cart", "b", f"{at}5Z", "anna", session_id="t1"),
        browse("purchase", "b", f"{at}6Z", "anna", session_id="t1"),
        browse("impression", "c", f"{at}7Z", "anna", session_id="t1"),  # a list that nobody searched
        browse("wishlist", "c", f"{at}7Z", "anna", session_id="t1"),
    ]
    deliver(f"log/ds={FIRST}", {"log.ndjson": ndjson(*records)})
    logged(FIRST)
    rows = events(FIRST)
    assert rows[["ordinal", "item_id", "action", "placement"]].values.tolist() == [
        [1, "a", "click", "search"],
        [2, "a", "view", "offer_page"],
        [3, "b", "click", "recommendation"],
        [4, "b", "view", "offer_page"],
        [5, "b", "cart", "basket"],
        [6, "b", "purchase", "basket"],
    ]
    assert set(rows["session_id"]) == {hashed("t1")} and set(rows["client_id"]) == {hashed("anna")}
    # the look was led to by the search; nothing else outside it was
    assert rows["query_id"].tolist() == [query_id("buty")] * 2 + [None] * 4
    assert rows["occurred_at"].tolist() == [pd.Timestamp(f"{at}{second}Z") for second in range(1, 7)]
    # impressions has dropped them by their reason, and says where they went
    account = {one.unit: one for one in pin(IMPRESSIONS.at(ds=FIRST)).manifest.accounting}
    assert account["log lines"].dropped == {"other_action": 3, "no_query_id": 4}
    taken = pin(ITEM_EVENTS.at(ds=FIRST))
    assert (taken.manifest.rows, taken.facts["outside_searches"]) == (6, 4)


def test_a_source_may_say_that_its_views_are_impressions(deliver: Deliver) -> None:
    records = [search("s1"), act("view", "s1", "a", 1), act("click", "s1", "a", 1)]
    deliver(f"log/ds={FIRST}", {"log.ndjson": ndjson(*records)})
    logged(FIRST, actions="view=impression")
    assert events(FIRST)["action"].tolist() == ["click"]
    assert pin(IMPRESSIONS.at(ds=FIRST)).manifest.rows == 1


def test_people_without_a_session_are_told_apart_by_their_pauses(deliver: Deliver) -> None:
    """A look at an offer before the search, one 20 minutes after it, one an hour later."""
    records = [browse("view", "a", f"{FIRST}T10:00:00Z", "anna")]
    records += [search("s1", timestamp=f"{FIRST}T10:05:00Z", client_id="anna")]
    records += [act("click", "s1", "b", 1, timestamp=f"{FIRST}T10:05:10Z", client_id="anna")]
    records += [browse("view", "c", f"{FIRST}T10:25:00Z", "anna"), browse("view", "d", f"{FIRST}T11:25:00Z", "anna")]
    records += [browse("view", "a", f"{FIRST}T10:01:00Z", "bert")]
    deliver(f"log/ds={FIRST}", {"log.ndjson": ndjson(*records)})
    logged(FIRST)
    visits = events(FIRST).groupby("session_id")["item_id"].agg("".join)
    assert sorted(visits) == ["a", "abc", "d"]


def test_bots_are_told_by_what_they_do_outside_searches_too(deliver: Deliver) -> None:
    """30 looks within a minute; 160 different offers over the day. 60 looks by a person, who also searches once."""
    records = [search("s1", client_id="anna"), act("click", "s1", "a", 1, client_id="anna")]
    rng = np.random.default_rng(7)
    start = datetime.fromisoformat(f"{FIRST}T09:00:00+00:00").timestamp()

    def looks(client: str, seconds: Any, items: Any) -> list[Record]:
        stamps = [datetime.fromtimestamp(start + second, UTC).isoformat() for second in seconds]
        return [browse("view", f"i{item}", at, client) for item, at in zip(items, stamps, strict=True)]

    records += looks("fast", range(30), [1] * 30)
    records += looks("crawler", np.cumsum(rng.integers(20, 300, 160)), range(160))
    records += looks("anna", np.cumsum(rng.integers(20, 600, 60)), rng.integers(0, 20, 60))
    # a search of the fast one, which alone would pass
    records += [search("s2", client_id="fast"), act("click", "s2", "a", 1, client_id="fast")]
    deliver(f"log/ds={FIRST}", {"log.ndjson": ndjson(*records)})
    logged(FIRST)
    rows = events(FIRST)
    assert set(rows["client_id"]) == {hashed("anna")} and len(rows) == 61
    (account,) = pin(ITEM_EVENTS.at(ds=FIRST)).manifest.accounting
    assert account.dropped == {"bot_rate": 31, "bot_breadth": 160}
    # impressions judges by searches alone, as before
    assert pin(IMPRESSIONS.at(ds=FIRST)).manifest.rows == 2


def test_a_query_of_few_people_is_not_in_the_events_either(deliver: Deliver) -> None:
    records = []
    for number in range(5):
        who = {"client_id": f"c{number}", "session_id": f"t{number}"}
        for name, text in ((f"s{number}", "buty"), (f"r{number}", "choroba mojej matki")):
            if text == "buty" or number == 0:
                records += [search(name, text, **who), act("click", name, name[0], 1, **who)]
    deliver(f"log/ds={FIRST}", {"log.ndjson": ndjson(*records)})
    logged(FIRST, min_searchers=5)
    rows = events(FIRST)
    assert len(rows) == 6
    assert set(rows["query_id"].dropna()) == {query_id("buty")} and rows["query_id"].isna().sum() == 1


def test_what_comes_late_is_added_and_nothing_twice(deliver: Deliver) -> None:
    """Half of a day's clicks, and whole searches, come with the next log, with some that came before."""
    records, second = visits(1, 250), visits(2, 60, SECOND)
    rng = np.random.default_rng(3)
    waits = [r.get("action_name") == "click" and rng.random() < 0.5 for r in records]
    whole = {r["query_id"] for r in records if rng.random() < 0.02}
    late = [r for r, waits in zip(records, waits, strict=True) if waits or r["query_id"] in whole]
    in_time = [r for r, waits in zip(records, waits, strict=True) if not waits and r["query_id"] not in whole]
    again = [r for r in in_time if r.get("action_name") == "click"][:20]
    assert min(len(whole), len(late), len(again)) > 8
    found = []
    for day, day_after in ((records, second), (in_time, second + late + again)):
        for ds, lines in ((FIRST, day), (SECOND, day_after)):
            deliver(f"log/ds={ds}", {"a.ndjson": ndjson(*lines)})
            logged(ds)
        found.append(events(FIRST, SECOND))
    columns = ["session_id", "client_id", "item_id", "action", "occurred_at", "query_id", "placement", "day"]
    expected, window = (
        rows.sort_values(columns, ignore_index=True)[columns].astype(object).where(rows.notna(), None) for rows in found
    )
    known = ["client_id", "session_id", "item_id", "action", "occurred_at", "day", "placement"]
    pd.testing.assert_frame_equal(expected[known], window[known])
    assert not found[1].duplicated(["session_id", "ordinal"]).any()
    manifest = pin(SESSION_EVENTS.at(ds=SECOND)).manifest
    assert manifest.facts["late_rows"] > 8
    assert manifest.accounting[0].dropped["said_before"] >= 8
    # by time within a day's partition
    for ds in (FIRST, SECOND):
        rows = events(ds)
        steps = rows.groupby("session_id")[["ordinal", "occurred_at"]].diff().dropna()
        assert (steps["ordinal"] == 1).all() and (steps["occurred_at"] >= pd.Timedelta(0)).all()


def ordered(ds: str = FIRST, **settings: Any) -> pd.DataFrame:
    args = session_events.Args(SESSION_EVENTS.at(ds=ds), orders=ORDERS.at(ds=ds), **settings)
    session_events.main(args)
    return events(ds)


CSV = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID\n"
# the order's own columns are on its first line alone; a second order was paid back; two files behind each other
SHOPIFY = f"""Name,Customer,Financial Status,Created at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku
1,17850,paid,{FIRST} 09:26:00 +0100,2,Lamp,2.55,i1
1,,,,1,Vase,1.00,i2
\ufeffName,Customer,Financial Status,Created at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku
2,17850,refunded,{FIRST} 09:26:00 +0100,1,Lamp,2.55,i1
2,,,,1,Vase,1.00,i2
"""
PLAIN = f"{CSV}1,i1,Lamp,2,{FIRST} 08:26,2.55,17850.0\n1,i2,Vase,1,{FIRST} 08:26,1.00,17850.0\n"


def parquet() -> bytes:
    frame = pd.DataFrame(
        {
            "order_id": [1, 1],
            "sku": ["i1", "i2"],
            "qty": [2, 1],
            "unit_price": [2.55, 1.0],
            "customer_id": [17850.0, 17850.0],
            "created_at": pd.to_datetime([f"{FIRST} 08:26:00"] * 2),
        }
    )
    buffer = BytesIO()
    frame.to_parquet(buffer)
    return buffer.getvalue()


LINES = "".join(
    f'{{"order_id": "1", "sku": "i{item}", "qty": 1, "price": 1.5, "customer_id": 17850, "date": "{FIRST}T08:26:00Z"}}\n'
    for item in "12"
)
QUOTED = (
    f'{CSV}1,i1,"A ""big"" lamp,\nof brass",2,{FIRST} 08:26,2.55,17850\n1,i2,"8"" vase",1,{FIRST} 08:26,1.00,17850\n'
)
POLISH = "nr;towar;szt;data\n1;i1;2;31.01.2026 08:26\n1;i2;1;31.01.2026 08:26\n"
UCI = f"{CSV}1,i1,Lamp,2,1/31/2026 8:26,2.55,17850\n1,i2,Vase,1,1/31/2026 8:26,1,17850\n"


@pytest.mark.parametrize(
    ("name", "data", "settings"),
    [
        ("plain.csv", PLAIN.encode(), {}),
        ("packed.csv.gz", gzip.compress(PLAIN.encode()), {}),
        ("bom.csv", ("\ufeff" + PLAIN.replace("\n", "\r\n")).encode(), {}),
        ("comma.csv", PLAIN.replace(",", ";").replace("2.55", "2,55").encode(), {}),
        ("quoted.csv", QUOTED.encode(), {}),
        ("latin.csv", PLAIN.replace("Vase", "Vase \xa33").encode("latin-1"), {}),
        ("uci.csv", UCI.encode(), {}),
        ("columns.parquet", parquet(), {}),
        ("lines.ndjson", LINES.encode(), {}),
        ("shopify.csv", SHOPIFY.encode(), {"order_columns": "invoice=Name"}),
        ("own.csv", POLISH.encode(), {"order_columns": "invoice=nr,item_id=towar,quantity=szt,occurred=data"}),
    ],
)
def test_orders_as_shops_export_them(deliver: Deliver, name: str, data: bytes, settings: dict[str, str]) -> None:
    """Each file is the same basket of two lines."""
    deliver(f"orders/ds={FIRST}", {name: data})
    rows = ordered(**settings)
    assert rows[["ordinal", "item_id", "action", "placement"]].values.tolist() == [
        [1, "i1", "purchase", "basket"],
        [2, "i2", "purchase", "basket"],
    ]
    assert set(rows["client_id"]) == ({None} if name == "own.csv" else {hashed("17850")})
    assert set(rows["session_id"]) == {hashed("invoice 1")}
    assert set(rows["occurred_at"]) == {pd.Timestamp(f"{FIRST} 08:26:00Z")}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"InvoiceNo,StockCode\n1,a\n", r"orders.csv has no column for occurred; found InvoiceNo, StockCode, expected"),
        (
            CSV.encode() + b"1,i1,Lamp,2,1/2/2026 8:26,2.55,1\n",
            r"no date that tells which number is the month, .* --date_order",
        ),
        (UCI.encode() + b"2,i1,Lamp,2,31/1/2026 8:26,2.55,1\n", r"found dates of both orders"),
        (CSV.encode() + b'1,a,"Lamp,2,2026-01-31,2.55,1\n2,i1,Lamp,2,2026-01-31,2.55,1\n', r"line 2 .*a quoted field"),
        (CSV.replace("Description", "StockCode").encode(), r"has the column StockCode twice"),
        (CSV.encode() + b"1,i1,Lamp,2,2025-01-31,2.55,1\n", r"0 purchases in 1 lines \(dropped: {'outside_day': 1}\)"),
        (PLAIN.encode("utf-16"), r"UTF-16"),
    ],
)
def test_orders_that_cannot_be_read_are_refused_with_the_reason(deliver: Deliver, data: bytes, message: str) -> None:
    deliver(f"orders/ds={FIRST}", {"orders.csv": data})
    with pytest.raises(ValueError, match=rf"orders/ds={FIRST}.*{message}"):
        ordered()


def test_a_cut_off_file_of_orders_is_refused(deliver: Deliver) -> None:
    deliver(f"orders/ds={FIRST}", {"a.csv": PLAIN.encode(), "b.csv.gz": gzip.compress(PLAIN.encode() * 50)[:-20]})
    with pytest.raises(ValueError, match=rf"orders/ds={FIRST}: b.csv.gz: .*deliver the day again"):
        ordered()


@needs("online-retail/transactions.csv.gz")
def test_a_real_shop_keeps_every_line_in_its_account(deliver: Deliver) -> None:
    """A month of Online Retail, counted once more by pandas."""
    path = DATA / "online-retail/transactions.csv.gz"
    ds = "2011-10-31"
    raw = pd.read_csv(path, dtype=str, keep_default_na=False)
    raw = raw[raw["InvoiceDate"].str.startswith("2011-10")]
    deliver(f"orders/ds={ds}", {"october.csv.gz": gzip.compress(raw.to_csv(index=False).encode())})
    rows = ordered(ds, order_days=30)
    quantity, price = raw["Quantity"].astype(int), raw["UnitPrice"].astype(float)
    codes = session_events.Args.service_codes.lower().split(",")
    cancelled = raw["InvoiceNo"].str.startswith("C")
    fee = ~cancelled & raw["StockCode"].str.lower().isin(codes)
    back = ~cancelled & ~fee & (quantity <= 0)
    free = ~cancelled & ~fee & ~back & (price <= 0)
    kept = raw[~(cancelled | fee | back | free)]
    lines, of_events = pin(SESSION_EVENTS.at(ds=ds)).manifest.accounting
    assert lines.dropped == {
        "cancelled": cancelled.sum(),
        "no_product": fee.sum(),
        "negative_quantity": back.sum(),
        "no_price": free.sum(),
    }
    baskets = kept.drop_duplicates(["InvoiceNo", "StockCode"]).groupby("InvoiceNo")["StockCode"].agg(list)
    expected = {hashed(f"invoice {invoice}"): items for invoice, items in baskets.items()}
    assert rows.groupby("session_id")["item_id"].agg(list).to_dict() == expected
    assert of_events.dropped["duplicate"] == len(kept) - sum(map(len, expected.values()))
    assert rows["client_id"].nunique() == kept.loc[kept["CustomerID"] != "", "CustomerID"].nunique()


def test_impressions_are_the_same_bytes_with_and_without_events_outside_searches(deliver: Deliver) -> None:
    records = visits(4, 200)
    rng = np.random.default_rng(8)
    looks = [
        browse("view", f"i{rng.integers(9)}", f"{FIRST}T{hour:02d}:{minute:02d}:30Z", f"c{rng.integers(30)}")
        for hour in range(24)
        for minute in range(0, 60, 5)
    ]
    digests = []
    for lines in (records, [*records, *looks]):
        deliver(f"log/ds={FIRST}", {"a.ndjson": ndjson(*lines)})
        logged(FIRST)
        tables = (IMPRESSIONS, LATE_IMPRESSIONS, QUERY_USERS)
        digests.append([pin(table.at(ds=FIRST)).manifest.content_sha256 for table in tables])
    assert digests[0] == digests[1]
    assert (events(FIRST)["action"] == "view").sum() > 200
