"""The simulated log: valid UBI, every planted fault counted, held-out queries never typed."""

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs import marketplace, simulate
from jobs.lake import CATALOGUE, LABELS, LOG, TRUTH
from jobs.publish import publish
from jobs.reading import Pinned, pin, read_table

DS = "2026-01-31"
RATES = {"searches": 1500, "duplicate_frac": 0.03, "late_frac": 0.02, "malformed_frac": 0.01}


def simulated(**settings: float) -> tuple[Pinned, Pinned]:
    args = simulate.Args(
        LABELS.at(ds=DS), CATALOGUE.at(ds=DS), LOG.at(ds=DS), TRUTH.at(ds=DS),
        **RATES | settings,  # type: ignore[arg-type]
    )  # fmt: skip
    simulate.main(args)
    return pin(args.log), pin(args.truth)


@pytest.fixture
def shop(lake: Path) -> None:
    marketplace.main(
        marketplace.Args(CATALOGUE.at(ds=DS), LABELS.at(ds=DS), items=1500, queries=200)
    )


def documents(log: Pinned, application: str) -> tuple[list[dict[str, Any]], list[str]]:
    """(readable records, unreadable lines) of one application, bulk action lines left out."""
    good, bad = [], []
    lines = gzip.decompress(log.path(f"{application}.ndjson.gz").read_bytes()).decode().splitlines()
    for line in lines:
        if line.startswith('{"index":'):
            continue
        try:
            found = json.loads(line)
        except json.JSONDecodeError:
            found = None
        if isinstance(found, dict):
            good.append(found)
        else:
            bad.append(line)
    return good, bad


@pytest.mark.usefixtures("shop")
def test_the_log_is_ubi_and_the_truth_counts_its_faults() -> None:
    log, truth = simulated()
    counts = json.loads(truth.path("counts.json").read_text())
    seen: Counter[str] = Counter()
    events: Counter[tuple[object, ...]] = Counter()
    for application, first in (("shop-web", 1), ("shop-app", 0)):
        good, bad = documents(log, application)
        seen["unreadable"] += len(bad)
        clean = []
        for record in good:
            assert record["application"] == application
            if "user_query" in record:
                assert {"query_id", "client_id", "timestamp", "object_id_field"} <= record.keys()
                hits = record.get("query_response_hit_ids", record.get("query_response_object_ids"))
                assert len(hits) == len(set(hits)) <= 20
                seen["query"] += 1
            elif "action_name" not in record:
                seen["no_field"] += 1
            elif record["timestamp"] == "yesterday":
                seen["bad_timestamp"] += 1
            else:
                clean.append(record)
        ordinals = set()
        for record in clean:  # required: action_name, timestamp, position, object.object_id
            at = record["event_attributes"]
            ordinals.add(at["position"]["ordinal"])
            key = record["query_id"], record["action_name"], at["object"]["object_id"]
            events[(*key, at["position"]["ordinal"])] += 1
            assert ("session_id" in record) <= (application == "shop-web")
        assert ordinals == set(range(first, first + 20))
        kind = int if application == "shop-app" else str
        assert all(isinstance(record["timestamp"], kind) for record in clean)
    assert seen["query"] == counts["searches"] == 1500
    assert seen["unreadable"] == counts["malformed_truncated"] + counts["malformed_not_object"]
    assert seen["no_field"] == counts["malformed_no_action"] + counts["malformed_no_user_query"]
    assert seen["bad_timestamp"] == counts["malformed_bad_timestamp"]
    assert events.total() == counts["events"]
    assert sum(n - 1 for n in events.values()) == counts["duplicates"]
    for rate, planted in (("duplicate_frac", "duplicates"), ("late_frac", "late")):
        assert counts[planted] / counts["events"] == pytest.approx(RATES[rate], rel=0.2)
    assert log.manifest.simulated
    assert truth.manifest.simulated


@pytest.mark.usefixtures("shop")
def test_the_truth_knows_whose_each_event_is() -> None:
    log, truth = simulated(bot_frac=0.1)
    events = pq.read_table(truth.path("events.parquet")).to_pandas()
    searches = pq.read_table(truth.path("searches.parquet")).to_pandas().set_index("search_id")
    assert searches["is_bot"].sum() == 150
    assert (searches["is_bot"].loc[events["search_id"]].to_numpy() == events["is_bot"]).all()
    clicks = events[(events["action"] == "click") & ~events["is_duplicate"]]
    by_bot = clicks.groupby("search_id").size()[
        searches.index[searches["is_bot"]].intersection(clicks["search_id"])
    ]
    assert (by_bot == searches["results"].loc[by_bot.index]).all()  # all of it, or nothing
    assert set(searches["query"]) <= set(read_table(pin(LABELS.at(ds=DS)))["query"].to_pylist())
    propensities = json.loads(truth.path("propensities.json").read_text())
    assert propensities["4"] == pytest.approx(0.25)
    assert "propensities" not in json.dumps(log.facts)
    shown = events[(events["action"] == "impression") & ~events["is_bot"] & ~events["is_duplicate"]]
    people = clicks[~clicks["is_bot"]]
    rate = people.groupby("position").size() / shown.groupby("position").size()
    assert rate[1] > 2 * rate[4] > 4 * rate[15]  # attention falls with rank


@pytest.mark.usefixtures("shop")
def test_same_seed_same_bytes_another_day_another_log() -> None:
    one, other, third = simulated()[0], simulated()[0], simulated(seed=8)[0]
    assert one.manifest.content_sha256 == other.manifest.content_sha256
    assert one.manifest.content_sha256 != third.manifest.content_sha256


def labelled(rows: list[tuple[str, str, float, str | None]], titles: dict[str, str]) -> None:
    columns = list(zip(*rows, strict=True))
    names = ["query", "item_id", "relevance", "split"]
    args = marketplace.Args(CATALOGUE.at(ds=DS), LABELS.at(ds=DS))
    with publish(args.catalogue, args) as out:
        text = "\n".join(["item_id,title", *(f"{key},{title}" for key, title in titles.items())])
        (out.folder / "items.csv").write_text(text)
    with publish(args.labels, args) as out:
        types = [pa.string(), pa.string(), pa.float64(), pa.string()]
        arrays = [pa.array(values, kind) for values, kind in zip(columns, types, strict=True)]
        out.write_table(pa.table(dict(zip(names, arrays, strict=True))))


def test_test_queries_are_never_typed_and_hostile_text_stays_text(lake: Path) -> None:
    hostile = '"},{"user_query":"x\\'
    labelled(
        [
            (hostile, "a", 1.0, "train"),
            ("kept secret", "a", 1.0, "test"),
            ("seen", "b", 0.0, "dev"),
            ("seen", "gone", 1.0, "dev"),  # judged, and no longer in the catalogue
        ],
        {"a": "first thing", "b": "second thing"},
    )
    log, truth = simulated(searches=300, malformed_frac=0.0)
    typed = {
        record["user_query"]
        for application in ("shop-web", "shop-app")
        for record in documents(log, application)[0]
        if "user_query" in record
    }
    assert typed == {hostile, "seen"}
    assert truth.facts["queries_held_out"] == 1
    assert truth.facts["judgements_without_item"] == 1


def test_labels_of_another_shop_are_refused(lake: Path) -> None:
    labelled([("but", "a", 1.0, None)], {"z": "inny sklep"})
    with pytest.raises(LookupError, match=r"labels/ds=2026-01-31.*none is of an item of catalogue"):
        simulated()


@pytest.mark.parametrize(
    "settings",
    [{"searches": 0}, {"bot_frac": 1.0}, {"eta": -1.0}, {"noise": 2.0}, {"late_frac": 0.9}],
)
def test_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        simulated(**settings)
