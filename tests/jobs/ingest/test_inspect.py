"""Inspection of a delivery: damaged files, the limit that stops a day, the earlier days to compare with."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from jobs.ingest.inspect import Inspection, inspect
from jobs.lake.manifest import VERDICT
from jobs.lake.partitions import IMPRESSIONS, ITEMS, Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin
from tests.conftest import Delivery
from tests.jobs.ingest.ubi_records import Deliver, Record, act, ndjson, search

DS = "2026-01-31"
DAY = IMPRESSIONS.at(ds=DS)


def records(ds: str = DS, searches: int = 60, name: str = "click") -> list[Record]:
    at = {"timestamp": f"{ds}T10:00:00Z", "application": "web"}
    found = []
    for n in range(searches):
        found.append(search(f"s{n}", **at))
        found += [act("impression", f"s{n}", f"i{place}", place, **at) for place in range(3)]
        found.append(act(name, f"s{n}", "i0", 0, **at))
    return found


def looked(log: Partition, frac: float = 0.05, accept: int = 0, max_unpacked_gb: float = 1.0) -> Inspection:
    return inspect(pin(log), IMPRESSIONS.at(ds=log.ds), frac, accept, max_unpacked_gb)


def published(ds: str, facts: dict[str, Any], verdict: str = "pass") -> None:
    """A day of impressions that has been, with what its manifest says."""
    to = IMPRESSIONS.at(ds=ds)
    with publish(to, Delivery(to)) as out:
        (out.folder / "a").write_bytes(b"")
        out.facts |= facts
    Path(pin(to).uri, VERDICT).write_text(json.dumps({"verdict": verdict, "stops": ["x"]}))


def test_damaged_files_are_left_out_by_name(deliver: Deliver) -> None:
    whole = ndjson(*records(searches=400))
    log = deliver(
        f"log/ds={DS}",
        {"a.ndjson": whole, "b.ndjson.gz": gzip.compress(whole)[:1_000], "c.parquet": b"PAR1", "d.ndjson": b"{}\n\0\0"},
    )
    found = looked(log)
    assert [uri.rsplit("/", 1)[-1] for uri in found.undamaged.files()] == ["a.ndjson"]
    assert {one["name"]: one["bytes"] for one in found.rejected} == {
        "b.ndjson.gz": 1_000,
        "c.parquet": 4,
        "d.ndjson": 5,
    }
    # lineage names the version that was delivered
    assert found.undamaged.source == pin(log).source
    assert "log/ds=2026-01-31: c.parquet set aside (4 bytes): no readable Parquet footer" in "\n".join(found.alerts)
    assert found.profile["records"] == {"web": {"act": 400, "impression": 1200, "search": 400}}


@pytest.mark.parametrize(("frac", "stops"), [(0.02, True), (0.05, False), (1.0, False)])
def test_more_damage_than_may_be_stops_the_day(deliver: Deliver, frac: float, stops: bool) -> None:
    whole = ndjson(*records(searches=400))
    torn = whole[: len(whole) // 33]
    log = deliver(f"log/ds={DS}", {"a.ndjson": whole, "torn.ndjson": torn})
    if not stops:
        assert len(looked(log, frac).rejected) == 1
        return
    expected = r"log/ds=2026-01-31: 1 of 2 files, 2\.9% of the bytes, are damaged \(torn\.ndjson: cut off .*\), expected 2\.0% at most; deliver the day again"
    with pytest.raises(ValueError, match=expected):
        looked(log, frac)


def test_a_day_of_damaged_files_alone_stops_whatever_may_be(deliver: Deliver) -> None:
    with pytest.raises(ValueError, match="1 of 1 files"):
        looked(deliver(f"log/ds={DS}", {"a.ndjson.gz": b""}), 1.0)


def test_a_file_that_changed_since_it_was_landed_is_an_error(deliver: Deliver) -> None:
    """The raw zone itself was changed: that is no damage of a delivery, and nothing of it is set aside."""
    whole = ndjson(*records(searches=400))
    log = deliver(f"log/ds={DS}", {"a.ndjson": whole, "b.ndjson.gz": gzip.compress(b"{}\n")})
    path = Path(pin(log).uri, "b.ndjson.gz")
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(RuntimeError, match=r"b\.ndjson\.gz has sha256 .*its manifest says"):
        looked(log)


def test_it_is_compared_with_the_newest_days_that_were_not_stopped(deliver: Deliver) -> None:
    profile = looked(deliver("log/ds=2026-01-20", {"a.ndjson": ndjson(*records("2026-01-20"))})).profile
    other = looked(deliver("log/ds=2026-01-21", {"a.ndjson": ndjson(*records("2026-01-21", name="tap"))})).profile
    published("2026-01-12", {"profile": other})  # too long ago
    for ds in ("2026-01-24", "2026-01-25", "2026-01-26"):
        published(ds, {"profile": profile})
    published("2026-01-27", {"profile": profile}, "warn")
    published("2026-01-28", {})  # from before there were profiles
    published("2026-01-30", {"profile": other}, "stop")
    published("2026-02-01", {"profile": other})  # a later day is never looked at
    log = deliver(f"log/ds={DS}", {"a.ndjson": ndjson(*records())})
    clean = looked(log)
    assert clean.drift == {
        "stop": 0,
        "warn": 0,
        "findings": [],
        "compared_with": ["2026-01-25", "2026-01-26", "2026-01-27"],
    }
    assert clean.alerts == []
    log = deliver(f"log/ds={DS}", {"a.ndjson": ndjson(*records(name="tap"))})
    found = looked(log)
    sentence = (
        "web: action click is now tap (20.0% of the records, 20.0% now); if it means the same, add --actions tap=click"
    )
    assert found.drift["findings"] == [f"stop: {sentence}"]
    assert (found.drift["stop"], found.drift["warn"]) == (1, 0)
    assert found.alerts == [f"{log}: stop: {sentence}"]
    accepted = looked(log, accept=1)
    assert (accepted.drift["stop"], accepted.drift["warn"]) == (0, 1)
    assert accepted.drift["findings"] == [f"accepted: {sentence}"]


@pytest.mark.parametrize("begins", [0.05, 0.5, 0.9, 0.98])
def test_a_change_that_begins_in_the_middle_of_a_long_file(deliver: Deliver, begins: float) -> None:
    """3 MiB a tenth: head, tail and the blocks between all have a part in it."""
    before = records("2026-01-30", 12_000)
    deliver("log/ds=2026-01-30", {"a.ndjson.gz": gzip.compress(ndjson(*before), 1)})
    published("2026-01-30", {"profile": looked(Partition.parse("log/ds=2026-01-30")).profile})
    today = records(DS, 12_000)
    for record in today[int(begins * len(today)) :]:
        if "user_query" in record:
            record["query_text"] = record.pop("user_query")
    found = looked(deliver(f"log/ds={DS}", {"a.ndjson.gz": gzip.compress(ndjson(*today), 1)}))
    said = "; ".join(found.drift["findings"])
    assert "query_text" in said
    assert (found.drift["stop"] > 0) == (begins <= 0.9), said


def test_a_catalogue_in_three_formats(deliver: Deliver) -> None:
    rows = [{"item_id": str(n), "title": "but, zimowy", "brand": ""} for n in range(40)]
    lines = "item_id,title,brand\n" + "".join(f'{n},"but,\n zimowy",\n' for n in range(40))
    for name, data in (
        ("a.csv", lines.encode()),
        ("a.csv.gz", gzip.compress(b"\xef\xbb\xbf" + lines.encode())),
        ("a.ndjson", ndjson(*rows)),
    ):
        found = inspect(pin(deliver(f"catalogue/ds={DS}", {name: data})), ITEMS.at(ds=DS), 0.05, 0)
        assert found.profile["records"] == {"": {"item": 40}}
        fields = found.profile["fields"][""]["item"]
        assert fields["item_id"] == fields["title"] == {"string": 1.0}
        assert found.drift["stop"] == 0
    log = deliver(f"catalogue/ds={DS}", {"a.csv": lines.replace("title", "name").encode()})
    assert inspect(pin(log), ITEMS.at(ds=DS), 0.05, 0).drift["stop"] == 1


def test_a_zip_bomb_is_set_aside_and_many_small_ones_stop_the_day(deliver: Deliver) -> None:
    whole = ndjson(*records(searches=400))
    bomb = gzip.compress(b"\n" * 20_000_000)
    log = deliver(f"log/ds={DS}", {"a.ndjson": whole, "bomb.ndjson.gz": bomb})
    found = looked(log, frac=0.5, max_unpacked_gb=0.01)
    assert [file["name"] for file in found.rejected] == ["bomb.ndjson.gz"]
    assert "bomb.ndjson.gz set aside (" in found.alerts[0] and "unpacks to more than 0.01 GB" in found.alerts[0]
    small = {f"{number}.ndjson.gz": gzip.compress(b"\n" * 4_000_000) for number in range(3)}
    log = deliver(f"log/ds={DS}", {"a.ndjson": whole, **small})
    with pytest.raises(ValueError, match=r"unpack to 12,000,000 bytes, expected at most 0.01 GB \(max_unpacked_gb\)"):
        looked(log, max_unpacked_gb=0.01)
