"""Real-life days: delivered twice, split, late, unordered, across a clock change; and queries that few people type."""

from __future__ import annotations

import gzip
import hashlib
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from jobs.datasets import click_counts, pairs, queries
from jobs.ingest import impressions
from jobs.ingest.late_events import IMPRESSION_COLUMNS, current_impressions, earlier_days
from jobs.lake.partitions import (
    CLICK_COUNTS,
    IMPRESSIONS,
    ITEMS,
    LATE_IMPRESSIONS,
    LOG,
    PAIRS,
    QUERIES,
    QUERY_COUNTS,
    QUERY_USERS,
)
from jobs.lake.read import pin, read_table
from models.text.normalise import query_id
from tests.jobs.datasets.test_tables import Put, put
from tests.jobs.ingest.etl import DERIVED, texts_of
from tests.jobs.ingest.ubi_records import Deliver, Record, act, ndjson, random_log, search

__all__ = ["put"]
pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("spark")]
FIRST, SECOND = "2026-01-31", "2026-02-01"


def attributed(ds: str, **settings: int) -> str:
    """The digest of a day's impressions."""
    args = impressions.Args(LOG.at(ds=ds), IMPRESSIONS.at(ds=ds), **{"min_searchers": 1, **settings})  # type: ignore[arg-type]
    return str(impressions.main(args)["content_sha256"])


def summed(ds: str, **settings: int) -> None:
    click_counts.main(
        click_counts.Args(
            IMPRESSIONS.at(ds=ds),
            LATE_IMPRESSIONS.at(ds=ds),
            ITEMS.at(ds=FIRST),
            CLICK_COUNTS.at(ds=ds),
            QUERY_COUNTS.at(ds=ds),
            **settings,
        )
    )  # type: ignore[arg-type]


def visits(seed: int, searches: int, ds: str = FIRST) -> list[Record]:
    """A day's records with sessions that the shop itself names."""
    found = []
    for record in random_log(np.random.default_rng(seed), searches):
        moved = record["timestamp"].replace("2026-01-31", ds).replace("2026-02-01", ds)
        name = f"{ds}-{record['query_id']}"
        found.append({**record, "query_id": name, "timestamp": moved, "session_id": f"t{record['client_id']}"})
    return found


def test_a_day_delivered_twice_in_pieces_and_out_of_order_is_the_same_day(deliver: Deliver) -> None:
    records = visits(3, 250)
    deliver(f"log/ds={FIRST}", {"a.ndjson": ndjson(*records)})
    once = attributed(FIRST)
    rows = pin(IMPRESSIONS.at(ds=FIRST)).manifest.rows
    assert attributed(FIRST) == once, "a re-run replaces the day with the same bytes"
    order = np.random.default_rng(4).permutation(2 * len(records))
    twice = [[*records, *records][int(n)] for n in order]
    files = {"b.ndjson": ndjson(*twice[:300]), "c.ndjson.gz": gzip.compress(ndjson(*twice[300:]))}
    deliver(f"log/ds={FIRST}", files)
    assert attributed(FIRST) == once
    (account,) = [one for one in pin(IMPRESSIONS.at(ds=FIRST)).manifest.accounting if one.unit == "log lines"]
    assert account.rows_in == 2 * len(records)
    assert rows > 500


def sums(days: Iterable[str]) -> pd.DataFrame:
    """All click_counts of the days, summed: what a window sees."""
    frames = [read_table(pin(CLICK_COUNTS.at(ds=ds))).to_pandas() for ds in days]
    keys = ["day", "query_id", "item_id", "position"]
    found = pd.concat(frames).groupby(keys)[["impressions", "clicks", "carts", "purchases"]].sum()
    return found[(found != 0).any(axis=1)].sort_index()


def test_what_comes_late_is_as_good_as_what_comes_in_time(deliver: Deliver, put: Put, spark: object) -> None:
    """Clicks, carts and searches that the next day's log brings: the corrected day and its sums are the same."""
    put(ITEMS.at(ds=FIRST), [{"item_id": f"i{n}", "group_id": f"g{n % 3}"} for n in range(9)])
    rng = np.random.default_rng(5)
    first, second = visits(1, 250), visits(2, 60, SECOND)
    bought = [
        r | {"action_name": ("add_to_cart", "purchase")[n % 2]}
        for n, r in enumerate(first)
        if r.get("action_name") == "click"
    ]
    first += bought
    whole = {record["query_id"] for record in first if rng.random() < 0.02}
    is_late = [
        r["query_id"] in whole or (r.get("action_name", "impression") != "impression" and rng.random() < 0.5)
        for r in first
    ]
    late = [record for record, waits in zip(first, is_late, strict=True) if waits]
    in_time = [record for record, waits in zip(first, is_late, strict=True) if not waits]
    assert min(len(whole), len(late)) > 10

    found = []
    for day, day_after in ((first, second), (in_time, second + late)):
        for ds, records in ((FIRST, day), (SECOND, day_after)):
            deliver(f"log/ds={ds}", {"a.ndjson": ndjson(*records)})
            attributed(ds)
            summed(ds, max_item_votes=2)
        versions = earlier_days("2026-02-02", 3).versions(spark)  # type: ignore[arg-type]
        table = current_impressions(versions).select(*IMPRESSION_COLUMNS, "day").toPandas()
        found.append((table.sort_values(["search_id", "item_id"], ignore_index=True), sums((FIRST, SECOND)), asked()))
    assert pin(LATE_IMPRESSIONS.at(ds=SECOND)).facts["days_changed"] == {
        FIRST: pin(LATE_IMPRESSIONS.at(ds=SECOND)).manifest.rows
    }
    pd.testing.assert_frame_equal(found[0][0], found[1][0])
    pd.testing.assert_frame_equal(found[0][1], found[1][1])
    pd.testing.assert_series_equal(found[0][2], found[1][2])
    booked = read_table(pin(CLICK_COUNTS.at(ds=SECOND))).to_pandas()
    # a vote that moved from another position
    assert (booked["clicks"] < 0).any()


def asked() -> pd.Series[int]:
    rows = pd.concat([read_table(pin(QUERY_COUNTS.at(ds=ds))).to_pandas() for ds in (FIRST, SECOND)])
    found: pd.Series[int] = rows.groupby(["day", "query_id", "query"])["searches"].sum()
    return found


@pytest.mark.parametrize(("ds", "hours"), [("2026-03-29", 23), ("2026-10-25", 25)])
def test_every_event_is_in_one_day_when_clocks_change(
    deliver: Deliver, monkeypatch: pytest.MonkeyPatch, ds: str, hours: int
) -> None:
    """Searches every ten minutes over three days of Warsaw, each log with all of them: a day has those of its own date."""
    monkeypatch.setenv("NIGHTSHELF_TIME_ZONE", "Europe/Warsaw")
    warsaw = ZoneInfo("Europe/Warsaw")
    noon = datetime.fromisoformat(f"{ds}T12:00:00").replace(tzinfo=UTC)
    stamps = [noon + timedelta(minutes=10 * step) for step in range(-6 * 34, 6 * 34)]
    records: list[Record] = []
    for number, at in enumerate(stamps):
        who = {"client_id": f"c{number}", "timestamp": at.isoformat()}
        records += [search(f"s{number}", **who), act("impression", f"s{number}", "a", 1, **who)]
    of_day: dict[str, set[str]] = {}
    for number, at in enumerate(stamps):
        of_day.setdefault(f"{at.astimezone(warsaw):%Y-%m-%d}", set()).add(f"s{number}")
    before, after = (f"{noon + timedelta(days=n):%Y-%m-%d}" for n in (-1, 1))
    # the day before was never published, so its searches are late once; after that nothing is new
    for day, late in ((ds, of_day[before]), (after, set())):
        deliver(f"log/ds={day}", {"a.ndjson": ndjson(*records)})
        attributed(day)
        rows = read_table(pin(IMPRESSIONS.at(ds=day))).to_pylist()
        assert {row["search_id"] for row in rows} == of_day[day]
        assert set(read_table(pin(LATE_IMPRESSIONS.at(ds=day)))["search_id"].to_pylist()) == late
        if day == ds:
            per_hour = Counter(row["searched_at"].replace(minute=0) for row in rows)
            assert set(per_hour.values()) == {6}
            assert len(per_hour) == hours


def asking(name: str, query: str, client: str, at: datetime) -> list[Record]:
    who = {"client_id": client, "timestamp": at.isoformat()}
    return [search(name, query, **who), act("impression", name, "a", 1, **who), act("click", name, "a", 1, **who)]


def test_a_query_of_too_few_people_is_nowhere_until_one_more_types_it(deliver: Deliver, put: Put) -> None:
    put(ITEMS.at(ds=FIRST), [{"item_id": "a", "group_id": "a"}])
    start = datetime(2026, 1, 31, tzinfo=UTC)
    rng = np.random.default_rng(6)
    records = []
    for n in range(5):
        records += asking(f"all{n}", "buty", f"c{n}", start + timedelta(hours=n))
    for n in range(4):
        records += asking(f"few{n}", "Kowalski z Grunwaldzkiej", f"c{n}", start + timedelta(hours=n, minutes=7))
    # one person a thousand times
    for n, second in enumerate(sorted(rng.choice(86_000, 1_000, replace=False))):
        typed = asking(f"one{n}", "choroba mojej matki", "c9", start + timedelta(seconds=int(second)))
        records += typed if n % 10 == 0 else typed[:2]  # no robot clicks so little
    # ten robots, each within a minute
    for n in range(300):
        records += asking(f"bot{n}", "tajny kod 77aa", f"robot{n % 10}", start + timedelta(seconds=n // 10))
    # people whom nothing tells apart are one
    for n in range(30):
        records += [
            {key: value for key, value in record.items() if key != "client_id"}
            for record in asking(f"nobody{n}", "bez imienia", "", start + timedelta(minutes=n))
        ]
    deliver(f"log/ds={FIRST}", {"a.ndjson": ndjson(*records)})
    day(FIRST)
    rare = ("kowalski z grunwaldzkiej", "choroba mojej matki", "tajny kod 77aa", "bez imienia")
    texts = texts_of(DERIVED)
    assert query_id("buty") in texts
    assert not [text for text in rare if text in texts or query_id(text) in texts]
    # nor does the raw zone's count of people say what they typed, or who they are
    counted = texts_of([QUERY_USERS]).split("\n")
    clear = [*rare, *(f"c{n}" for n in range(10))]
    assert len(counted) > 10
    assert not {*clear, *map(digest, clear), *map(query_id, clear)} & set(counted)

    next_day = start + timedelta(days=1, hours=3)
    records = asking("few5", "KOWALSKI z Grunwaldzkiej", "c5", next_day)
    records += asking("one5", "choroba mojej matki", "c9", next_day)
    deliver(f"log/ds={SECOND}", {"a.ndjson": ndjson(*records)})
    day(SECOND)
    texts = texts_of(DERIVED)
    assert query_id(rare[0]) in texts
    assert rare[0] in texts
    assert not [text for text in rare[1:] if text in texts or query_id(text) in texts]
    # the day before is not written again
    assert {row["query"] for row in read_table(pin(IMPRESSIONS.at(ds=FIRST))).to_pylist()} == {"buty"}


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def day(ds: str) -> None:
    attributed(ds, min_searchers=5)
    summed(ds)
    queries.main(queries.Args(QUERIES.at(ds=ds), QUERY_COUNTS.at(ds=ds)))
    pairs.main(pairs.Args(PAIRS.at(ds=ds), CLICK_COUNTS.at(ds=ds), ITEMS.at(ds=FIRST), QUERIES.at(ds=ds)))
