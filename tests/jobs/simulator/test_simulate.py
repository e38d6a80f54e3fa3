"""The simulated log: valid UBI, every planted fault counted, held-out queries never typed."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from jobs.lake.partitions import CATALOGUE, LABELS
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin, read_table
from jobs.simulator import marketplace
from models.simulator.fake_personal_data import KINDS as PERSONAL
from models.simulator.identities import ranking
from models.simulator.traffic import KINDS, is_bot
from tests.jobs.simulator.simulated import APPLICATIONS, DS, records, simulated, truths

RATES = {"searches": 1500, "duplicate_frac": 0.03, "late_frac": 0.02, "malformed_frac": 0.01}


def a_day(**settings: object) -> tuple[Pinned, Pinned]:
    return simulated(**RATES | settings)


@pytest.fixture
def shop(lake: Path) -> None:
    marketplace.main(marketplace.Args(CATALOGUE.at(ds=DS), LABELS.at(ds=DS), items=1500, queries=200))


@pytest.mark.usefixtures("shop")
def test_the_log_is_ubi_and_the_truth_counts_its_faults() -> None:
    log, truth = a_day()
    counts = json.loads(truth.path("counts.json").read_text())
    seen: Counter[str] = Counter()
    events: Counter[tuple[object, ...]] = Counter()
    for application, first in (("shop-web", 1), ("shop-app", 0)):
        good, bad = records(log, application)
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
    log, truth = a_day(searches=6000, bot_frac=0.4, storm_searches=300)
    events, searches, counts = truths(truth)
    assert searches["is_bot"].sum() == counts["bot_searches"] == 2400 + 300
    assert len(searches) == counts["searches"] == 6300
    robots = [kind for kind in KINDS if is_bot(KINDS.index(kind))]  # type: ignore[arg-type]
    assert (searches["is_bot"] == searches["kind"].isin(robots)).all()
    found = searches["kind"].value_counts()
    assert {kind: counts[f"{kind}_searches"] for kind in KINDS} == found.to_dict()
    for name in ("is_bot", "kind", "application"):
        assert (searches[name].loc[events["search_id"]].to_numpy() == events[name]).all()
    assert set(searches["query"]) <= set(read_table(pin(LABELS.at(ds=DS)))["query"].to_pylist())
    assert not searches[["personal", "rare_clients", "made_from"]].notna().any(axis=None)
    head = ranking(7, searches["query"].unique().astype(object))[0]
    assert set(searches.loc[searches["kind"] == "storm", "query"]) == {searches["query"].unique()[head]}
    assert searches["skew_s"].eq(0).all()
    assert not events["delayed_days"].any()
    assert "propensities" not in json.dumps(log.facts)


@pytest.mark.usefixtures("shop")
def test_each_kind_clicks_as_its_kind_does() -> None:
    events, searches, _ = truths(a_day(searches=6000, bot_frac=0.4, duplicate_frac=0.0)[1])
    shown = events[events["action"] == "impression"].groupby("kind").size()
    clicks = events[events["action"] == "click"]
    rate = (clicks.groupby("kind").size() / shown).fillna(0.0)
    assert rate["burst_clicks"] == 1
    assert not rate[["burst_silent", "metronome", "quiet"]].any()
    assert 0.01 < rate["crawler"] < 0.02
    assert rate["person"] == pytest.approx(rate["keen"], rel=0.15)
    client = searches["client_id"].loc[events["search_id"]].to_numpy()
    price_bots = events[events["kind"] == "clicker"].assign(client=client[events["kind"] == "clicker"])
    of_each = price_bots.groupby(["client", "action"]).size().unstack()
    assert (of_each["click"] / of_each["impression"]).between(0.6, 1).all()
    # a farm clicks its target wherever it stands, and nothing else
    target = searches["target"]
    assert (target.notna() == (searches["kind"] == "farm")).all()
    farm = events[events["kind"] == "farm"]
    is_target = farm["item_id"] == target.loc[farm["search_id"]].to_numpy()
    acted = farm["action"] != "impression"
    assert is_target[acted].all()
    assert (farm["action"] == "click").sum() == (is_target & ~acted).sum() > 100
    assert farm.loc[acted, "position"].nunique() > 5
    assert (farm["action"] == "add_to_cart").any()
    assert not (farm["action"] == "purchase").any()


def test_clicks_of_people_follow_the_propensities(lake: Path) -> None:
    """Each query has three items of the best grade, of none, and between: the click rate of each by place."""
    rows = [
        (f"but {n}", f"{kind}{copy}{n}", grade, None)
        for n in range(40)
        for copy in "abc"
        for kind, grade in (("best", 3.0), ("half", 2.0), ("none", 0.0))
    ]
    labelled(rows, {key: f"but {key[5:]} {key[:4]}" for _, key, _, _ in rows})
    _, truth = a_day(searches=20_000, results=8, eta=0.8, click_noise=0.1, bot_frac=0.3)
    events, searches, _ = truths(truth)
    propensities = json.loads(truth.path("propensities.json").read_text())
    places = np.arange(1, 9)
    assert [propensities[str(place)] for place in places] == pytest.approx(places**-0.8)
    people = events[events["kind"].isin(["person", "keen"]) & ~events["is_duplicate"]]
    own = people["item_id"].str[5:] == searches["query"].loc[people["search_id"]].str[4:].to_numpy()
    grade = people["item_id"].str[:4].where(own, "none")
    table = people.groupby([grade, "position", "action"]).size().unstack(fill_value=0)
    attraction = {"best": 1.0, "half": 0.1 + 0.9 * 3 / 7, "none": 0.1}
    chi2 = cells = 0.0
    for (kind, place), row in table.iterrows():
        expected, shown = attraction[kind] * propensities[str(place)], row["impression"]
        if shown * expected >= 10 and expected < 1:
            chi2 += (row["click"] - shown * expected) ** 2 / (shown * expected * (1 - expected))
            cells += 1
    assert cells == 23  # three grades at eight places, without the place where all click
    assert chi2 < cells + 3.1 * (2 * cells) ** 0.5  # one in a thousand
    at_top = table.loc[("best", 1)]
    assert at_top["click"] == at_top["impression"]
    # robots would bend it: their clicks do not fall with rank
    robots = events[events["is_bot"]].groupby(["position", "action"]).size().unstack(fill_value=0)
    rate = robots["click"] / robots["impression"]
    assert rate[8] > 0.5 * rate[1]


@pytest.mark.usefixtures("shop")
def test_what_only_few_type_is_marked_and_shown_like_its_query() -> None:
    log, truth = a_day(personal_frac=0.05, rare_frac=0.1, malformed_frac=0.0)
    events, searches, counts = truths(truth)
    known = set(read_table(pin(LABELS.at(ds=DS)))["query"].to_pylist())
    private, rare = searches["personal"].notna(), searches["rare_clients"].notna()
    people = int((~searches["is_bot"]).sum())
    assert private.sum() == counts["personal"] == round(0.05 * people)
    assert rare.sum() == counts["rare"] == round(0.1 * people)
    assert set(searches.loc[private, "personal"]) == set(PERSONAL)
    planted = private | rare
    assert (searches["made_from"].notna() == planted).all()
    assert set(searches.loc[~planted, "query"]) | set(searches.loc[planted, "made_from"]) <= known
    assert not set(searches.loc[planted, "query"]) & known
    clients = searches.groupby("query")["client_id"].transform("nunique")
    assert (clients[private] == 1).all()
    assert (clients[rare] == searches.loc[rare, "rare_clients"]).all()
    typed = {
        record["query_id"]: record["user_query"]
        for application in APPLICATIONS
        for record in records(log, application)[0]
        if "user_query" in record
    }
    assert typed == searches["query"].to_dict()
    # shown what its query is shown: of queries that are typed often all items are known
    shown = events[events["action"] == "impression"]
    stands_for = searches["made_from"].fillna(searches["query"])
    pairs = pd.DataFrame(
        {
            "query": stands_for.loc[shown["search_id"]].to_numpy(),
            "item": shown["item_id"].to_numpy(),
            "planted": planted.loc[shown["search_id"]].to_numpy(),
        }
    )
    often = searches.loc[~planted, "query"].value_counts().gt(30)
    pairs = pairs[pairs["query"].isin(often[often].index)]
    plain = set(pairs.loc[~pairs["planted"], ["query", "item"]].itertuples(index=False))
    theirs = list(pairs.loc[pairs["planted"], ["query", "item"]].itertuples(index=False))
    assert len(theirs) > 300
    assert np.mean([pair in plain for pair in theirs]) > 0.97


@pytest.mark.usefixtures("shop")
def test_same_seed_same_bytes_another_day_another_log() -> None:
    one, other, third = a_day()[0], a_day()[0], a_day(seed=8)[0]
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
    log, truth = a_day(searches=300, malformed_frac=0.0)
    typed = {
        record["user_query"]
        for application in ("shop-web", "shop-app")
        for record in records(log, application)[0]
        if "user_query" in record
    }
    assert typed == {hostile, "seen"}
    assert truth.facts["queries_held_out"] == 1
    assert truth.facts["judgements_without_item"] == 1


def test_labels_of_another_shop_are_refused(lake: Path) -> None:
    labelled([("but", "a", 1.0, None)], {"z": "inny sklep"})
    with pytest.raises(LookupError, match=r"labels/ds=2026-01-31.*none is of an item of catalogue"):
        a_day()


@pytest.mark.parametrize(
    "settings",
    [
        {"searches": 0},
        {"bot_frac": 1.0},
        {"eta": -1.0},
        {"click_noise": 2.0},
        {"late_frac": 0.9},
        {"zipf": float("nan")},
        {"personal_frac": 1.1},
        {"delayed_frac": -0.1},
        {"storm_searches": -1},
        {"layout": "csv"},
        {"before": "simulated_truth/ds=2026-01-31"},
        {"before": "simulated_truth/ds=2026-01-27"},
        {"before": "log/ds=2026-01-30"},
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        a_day(**settings)
