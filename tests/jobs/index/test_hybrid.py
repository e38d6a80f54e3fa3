"""The arms of a ranking: fitted votes in the bundle, a bundle without sparse, run files of other engines."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.bundle.reader import open_bundle
from jobs.bundle.torch_reader import load_bundle
from jobs.evaluation import rankings
from jobs.index import build as index
from jobs.index.hybrid import sampled
from jobs.ingest import land
from jobs.lake.arrow import numbers, strings, where
from jobs.lake.partitions import EXTERNAL_RUNS, Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin, read_table
from jobs.quality import expect
from jobs.serving import search, verify
from models.fusion.fuse import FusionWeights, fuse, fuse_by_class
from models.fusion.ranked_lists import first
from models.text.normalise import normalise_query, query_id
from tests.jobs.index.building import build, embed
from tests.jobs.shop import DS, Args, Shop, copied, opened

ASKED = ["red shoes", "acme blue lamp", "kubala saw 12"]
CHAMPION = ["champion_served", "champion_dense", "champion_sparse", "champion_hybrid"]
HYBRIDS = ["hybrid", "hybrid_rrf", "hybrid_minmax", "hybrid_zscore"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with opened(tmp_path_factory.mktemp("arms")) as made:
        embed(made)
        build(made, qrels=made.qrels, min_relevance=2.0)
        yield made


@pytest.fixture
def changed(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    return copied(shop, tmp_path, monkeypatch)


def rank(shop: Shop, **settings: Any) -> tuple[Pinned, dict[str, dict[str, list[str]]]]:
    """Rank; returns the partition, and arm -> query_id -> item ids, best first."""
    given = (shop.index, shop.queries, shop.qrels, shop.items, shop.rankings)
    rankings.main(rankings.Args(*given, **settings))
    pinned = pin(shop.rankings)
    found: dict[str, dict[str, list[str]]] = {arm: {} for arm in pinned.facts["arms"]}
    rows = read_table(pinned).sort_by([("arm", "ascending"), ("query_id", "ascending"), ("rank", "ascending")])
    for row in rows.to_pylist():
        found[row["arm"]].setdefault(row["query_id"], []).append(row["item_id"])
    return pinned, found


def worth(shop: Shop, shown: dict[str, list[str]], split: str, least: float = 2.0) -> float:
    """R@60 + RR@60, written down again query by query."""
    relevant: dict[str, set[str]] = {}
    for row in where(read_table(pin(shop.qrels)), "split", split).to_pylist():
        if row["relevance"] >= least:
            relevant.setdefault(row["query_id"], set()).add(row["item_id"])
    total = 0.0
    for name, items in relevant.items():
        hits = [place for place, item in enumerate(shown.get(name, [])[:60], 1) if item in items]
        total += len(hits) / len(items) + (1 / hits[0] if hits else 0.0)
    return total / len(relevant)


def test_the_bundle_says_how_hybrid_was_fitted(shop: Shop) -> None:
    facts = pin(shop.index).facts
    rows = facts["fusions"]
    assert [row["method"] for row in rows] == ["rrf", "minmax", "zscore"]
    (chosen,) = [row for row in rows if row["chosen"]]
    assert facts["fusion"] == {name: chosen[name] for name in FusionWeights._fields}
    assert chosen["worth"] >= max(row["worth"] for row in rows) - 0.0005
    # what was fitted is what is served: the same value from the served lists, by a plain loop
    bundle = load_bundle(pin(shop.index))
    asked = where(read_table(pin(shop.queries)), "split", "dev")
    arms = bundle.rank(strings(asked, "query"), 200, 200)
    for row in rows:
        fused = fuse(arms["dense"], arms["sparse"], 60, FusionWeights(*(row[name] for name in FusionWeights._fields)))
        shown = {
            name: [hit.item_id for hit in bundle.hits(fused, place)]
            for place, name in enumerate(strings(asked, "query_id"))
        }
        assert worth(shop, shown, "dev") == pytest.approx(row["worth"], abs=1e-9)


def test_k1_and_b_are_chosen_by_what_they_are_worth(shop: Shop) -> None:
    found = pin(shop.index).facts["bm25"]
    worths = {(row["k1"], row["b"]): row["worth"] for row in found["tried"]}
    assert len(worths) == 16 and (1.2, 0.75) in worths
    assert worths[found["k1"], found["b"]] in (worths[1.2, 0.75], max(worths.values()))
    assert [(row["k1"], row["b"]) for row in found["tried"] if row["chosen"]] == [(found["k1"], found["b"])]
    assert found["items"] == 401
    # the whole catalogue was looked at, so the served arm is worth what was found
    bundle = open_bundle(pin(shop.index))
    asked = where(read_table(pin(shop.queries)), "split", "dev")
    ranked = bundle.lexical(strings(asked, "query"), 60)
    shown = {
        name: [hit.item_id for hit in bundle.hits(ranked, place)]
        for place, name in enumerate(strings(asked, "query_id"))
    }
    assert worth(shop, shown, "dev") == pytest.approx(worths[found["k1"], found["b"]], abs=1e-9)


def test_without_judgements_all_stays_as_usual(changed: Shop) -> None:
    build(changed)
    facts = pin(changed.index).facts
    assert facts["fusion"] == FusionWeights()._asdict() and facts["fusion_by_class"] == {}
    assert [(row["method"], row["worth"], row["queries"]) for row in facts["fusions"]] == [
        ("rrf", None, 0),
        ("minmax", None, 0),
        ("zscore", None, 0),
    ]
    assert facts["bm25"] == {"k1": 1.2, "b": 0.75, "items": 0, "queries": 0, "tried": []}


@pytest.mark.parametrize("wanted", [5, 40, 100, 1000])
def test_a_sample_has_the_judged_items_and_no_more_than_wanted(wanted: int) -> None:
    judged = np.array([7, 99, 7, 3, 50])
    rows = sampled(100, wanted, judged, seed=1)
    assert (np.diff(rows) > 0).all() and set(judged) <= set(rows.tolist())
    assert len(rows) == min(100, max(4, wanted)) and rows.max() < 100


def test_every_hybrid_is_an_arm_and_the_champion_has_its_own_alone(changed: Shop) -> None:
    pinned, shown = rank(changed, champion=changed.index)
    assert list(shown) == ["served", "dense", "sparse", *HYBRIDS, *CHAMPION]
    bundle = load_bundle(pin(changed.index))
    rows = read_table(pin(changed.queries))
    text = dict(zip(strings(rows, "query_id"), strings(rows, "query"), strict=True))
    names = sorted(shown["dense"])[:7]
    arms = bundle.rank([text[name] for name in names], 200, 200)
    for row in bundle.facts["fusions"]:
        vote = FusionWeights(*(row[name] for name in FusionWeights._fields))
        fused = fuse(arms["dense"], arms["sparse"], 100, vote)
        for place, name in enumerate(names):
            expected = [hit.item_id for hit in bundle.hits(fused, place)]
            assert shown[f"hybrid_{vote.method}"][name] == expected
    assert shown["hybrid"] == shown[f"hybrid_{bundle.facts['fusion']['method']}"]
    assert shown["hybrid"] == shown["champion_hybrid"]
    table = read_table(pinned)
    for arm in shown:  # what run files say by score is what ranks say
        mine = where(table, "arm", arm).sort_by([("query_id", "ascending"), ("rank", "ascending")])
        score, query = numbers(mine, "score"), strings(mine, "query_id")
        same = np.array(query[1:]) == np.array(query[:-1])
        assert (np.diff(score)[same] <= 0).all()


def respell(shop: Shop, change: Any) -> Pinned:
    """Publish the bundle with other facts.json."""
    old = pin(shop.index)
    with publish(shop.index, Args(shop.index)) as out:
        for entry in old.manifest.files:
            shutil.copy(old.path(entry.name), out.folder / entry.name)
        facts = json.loads((out.folder / "facts.json").read_text())
        change(facts)
        (out.folder / "facts.json").write_text(json.dumps(facts))
        out.facts.update(old.facts)
    return pin(shop.index)


def test_classes_with_a_vote_of_their_own_are_served_by_it(changed: Shop) -> None:
    own = {"3-4 words": {"dense": 0.1, "sparse": 0.9, "k": 60, "method": "minmax"}}
    pinned = respell(changed, lambda facts: facts.update(fusion_by_class=own))
    bundle = open_bundle(pinned)
    plain = {name: FusionWeights(**vote) for name, vote in own.items()}
    # typed in another spelling than the class is known by
    ranked = bundle.rank(["RED   shoes", *ASKED[1:]], 50)
    wide = bundle.rank(["RED   shoes", *ASKED[1:]], 200)
    classes = np.array(["2 words", "3-4 words", "3-4 words"])
    expected = fuse_by_class(wide["dense"], wide["sparse"], 50, FusionWeights(**bundle.facts["fusion"]), plain, classes)
    np.testing.assert_array_equal(ranked["hybrid"].items, expected.items)
    alone = bundle.rank(ASKED[1:2], 50)["hybrid"]
    np.testing.assert_array_equal(alone.items[0], ranked["hybrid"].items[1])


def test_a_bundle_of_before_the_methods_still_ranks(changed: Shop) -> None:
    def age(facts: dict[str, Any]) -> None:
        for name in ("fusions", "fusion_by_class", "fusion_classes", "bm25", "sparse"):
            facts.pop(name)
        facts["fusion"] = {"dense": 0.6, "sparse": 0.4, "k": 20}

    bundle = open_bundle(respell(changed, age))
    arms = bundle.rank(ASKED, 200)
    expected = fuse(arms["dense"], arms["sparse"], 200, FusionWeights(0.6, 0.4, 20))
    np.testing.assert_array_equal(arms["hybrid"].items, expected.items)
    assert list(rank(changed)[1]) == ["served", "dense", "sparse", "hybrid"]


def test_a_bundle_may_have_no_sparse_arm(
    changed: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_bundle(pin(changed.index)).rank(ASKED, 50)
    build(changed, qrels=changed.qrels, sparse="off")
    pinned = pin(changed.index)
    assert pinned.facts["sparse"] == "off" and "bm25" not in pinned.facts
    assert not [entry.name for entry in pinned.manifest.files if entry.name.startswith("sparse")]
    for bundle in (open_bundle(pinned), load_bundle(pinned)):
        ranked = bundle.rank(ASKED, 50)
        assert list(ranked) == ["dense"]
        for ask in (lambda one=bundle: one.sparse, lambda one=bundle: one.lexical(ASKED, 5)):
            with pytest.raises(LookupError, match="no sparse arm, it was built with sparse=off"):
                ask()
    np.testing.assert_array_equal(first(ranked["dense"], 5).items, before["dense"].items[:, :5])
    assert list(rank(changed)[1]) == ["served", "dense"]
    assert verify.main(verify.Args(changed.index))["sound"] is True
    for width in ("120", "60"):
        monkeypatch.setenv("COLUMNS", width)
        search.main(search.Args("red shoes", changed.index))
        said = capsys.readouterr().out
        assert "served" in said and "cosine" in said and "sparse" not in said and "fused" not in said


@pytest.mark.parametrize("wrong", [{"sparse": "no"}, {"sparse_items": -1}, {"class_queries": -1}, {"language": "xx"}])
def test_settings_out_of_range_are_refused(shop: Shop, wrong: dict[str, Any]) -> None:
    given = (shop.codes(), shop.trained_index, shop.embeddings(), shop.towers, shop.items, shop.queries)
    with pytest.raises(ValueError, match=next(iter(wrong))):
        index.Args(*given, shop.index, **wrong)


# --- other engines ---


def queries_of(shop: Shop, split: str) -> dict[str, str]:
    """query_id -> text."""
    rows = where(read_table(pin(shop.queries)), "split", split)
    return dict(zip(strings(rows, "query_id"), strings(rows, "query"), strict=True))


def engine(shop: Shop, splits: tuple[str, ...]) -> dict[str, list[str]]:
    """Lists of a shop's own engine: nine in ten of the relevant items, some noise, an item of its own."""
    rng = np.random.default_rng(5)
    items = strings(read_table(pin(shop.items)), "item_id")
    relevant: dict[str, list[str]] = {}
    for row in read_table(pin(shop.qrels)).to_pylist():
        if row["relevance"] >= 2:
            relevant.setdefault(row["query_id"], []).append(row["item_id"])
    found = {}
    for split in splits:
        for name in queries_of(shop, split):
            mine = [item for item in relevant.get(name, []) if rng.random() < 0.9]
            noise = [item for item in rng.permutation(items)[:150].tolist() if item not in mine]
            found[name] = ["sold-out", *mine, *noise]
    return found


def deliver(shop: Shop, files: dict[str, dict[str, list[str]]], folder: Path) -> Partition:
    """Land TREC files whose scores fall by one from rank to rank."""
    folder.mkdir(exist_ok=True)
    for name, shown in files.items():
        lines = [
            f"{query} Q0 {item} {rank} {1000 - rank} shop\n"
            for query, items in shown.items()
            for rank, item in enumerate(items, 1)
        ]
        (folder / name).write_text("".join(lines))
    target = EXTERNAL_RUNS.at(ds=DS)
    land.main(land.Args(str(folder), external_runs=target))
    return target


def test_a_run_file_is_an_arm_as_it_was_delivered(changed: Shop, tmp_path: Path) -> None:
    shown = engine(changed, ("test",))
    left_out = min(shown)
    given = {name: items for name, items in shown.items() if name != left_out}
    given["f" * 40] = ["item-0000"]  # a query that nobody judged
    pinned, found = rank(changed, external_runs=deliver(changed, {"shop.trec": given}, tmp_path / "in"))
    assert list(found) == ["served", "dense", "sparse", *HYBRIDS, "run_shop"]  # no dev query: nothing to fit on
    judged = [name for name in found["dense"] if name != left_out]
    assert found["run_shop"] == {name: shown[name][:100] for name in judged}
    facts = pinned.facts["runs"]["shop"]
    assert facts["queries"] == len(given) and facts["rows"] == sum(map(len, given.values()))
    assert facts["judged_queries"] == len(judged)
    assert (facts["unknown_items"], facts["unknown_places"]) == (1, len(judged))
    assert (facts["dev_queries"], facts["fusion"], facts["fusions"]) == (0, None, [])
    assert any(source.partition == str(EXTERNAL_RUNS.at(ds=DS)) for source in pinned.manifest.inputs)


def test_a_run_that_answers_dev_queries_is_fused_with_dense(changed: Shop, tmp_path: Path) -> None:
    shown = engine(changed, ("dev", "test"))
    runs = deliver(changed, {"shop.trec": shown, "odd_2.run": shown}, tmp_path / "in")
    pinned, found = rank(changed, external_runs=runs, min_relevance=2.0)
    assert list(found)[-4:] == ["run_odd_2", "hybrid_run_odd_2", "run_shop", "hybrid_run_shop"]
    facts = pinned.facts["runs"]["shop"]
    assert [row["method"] for row in facts["fusions"]] == ["rrf", "minmax", "zscore"]
    assert facts["dev_queries"] == 40 and set(facts["fusion"]) == {"dense", "run", "k", "method"}
    # the value on dev, again, by a plain loop over what dense and the run show there
    bundle = load_bundle(pin(changed.index))
    asked = queries_of(changed, "dev")
    dense = bundle.rank(list(asked.values()), 200, 200)["dense"]
    (chosen,) = [row for row in facts["fusions"] if row["chosen"]]
    vote = chosen["dense"], chosen["run"], chosen["k"], chosen["method"]
    lists = {
        name: (
            [(hit.item_id, hit.score) for hit in bundle.hits(dense, place)],
            [(item, 999.0 - rank) for rank, item in enumerate(shown[name][:200])],
        )
        for place, name in enumerate(asked)
    }
    fused = {name: by_hand(*both, *vote) for name, both in lists.items()}
    assert worth(changed, fused, "dev") == pytest.approx(chosen["worth"], abs=1e-9)
    # and on test, fused with the vote of dev
    tested = queries_of(changed, "test")
    dense = bundle.rank(list(tested.values()), 200, 200)["dense"]
    for place, name in enumerate(tested):
        if name in found["hybrid_run_shop"]:
            mine = [(hit.item_id, hit.score) for hit in bundle.hits(dense, place)]
            theirs = [(item, 999.0 - rank) for rank, item in enumerate(shown[name][:200])]
            assert found["hybrid_run_shop"][name] == by_hand(mine, theirs, *vote)[:100]
    # every arm has a name that the suite knows, and answers every query
    verdicts = expect.main(expect.Args(str(changed.rankings)))["verdicts"]
    assert verdicts == {str(changed.rankings): "pass"}
    # while settings are still being chosen on dev, no fusion is judged on what it was fitted on
    _, again = rank(changed, external_runs=runs, split="dev")
    assert "run_shop" in again and "hybrid_run_shop" not in again


def by_hand(
    mine: list[tuple[str, float]], theirs: list[tuple[str, float]], weight: float, other: float, k: int, method: str
) -> list[str]:
    """Fusion of two lists of (item id, score), item by item; equals by the larger id."""
    total: dict[str, float] = {}
    for share, one in ((weight, mine), (other, theirs)):
        values = np.array([score for _, score in one], np.float32).astype(float)
        if method == "rrf":
            values, low = 1 / (k + 1 + np.arange(len(one))), 0.0
        elif method == "minmax":
            values, low = (values - values.min()) / (values.max() - values.min()), 0.0
        else:
            values = (values - values.mean()) / values.std()
            low = values.min()
        for item in {item for item, _ in (*mine, *theirs)}:
            total.setdefault(item, 0.0)
            total[item] += share * low
        for (item, _), value in zip(one, values, strict=True):
            total[item] += share * (value - low)
    return sorted(total, key=lambda item: (np.float32(total[item]), item), reverse=True)


def test_a_parquet_file_names_queries_as_they_are_typed(changed: Shop, tmp_path: Path) -> None:
    shown = engine(changed, ("test",))
    text = queries_of(changed, "test")
    rows = [
        {"query": f"  {text[name].upper()} ", "item_id": item, "rank": rank}
        for name, items in shown.items()
        for rank, item in enumerate(items, 1)
    ]
    rows.reverse()
    # one query in two spellings: the better place of an item counts
    red = next(name for name, asked in text.items() if asked == "red drill")
    rows.append({"query": "red drill", "item_id": shown[red][9], "rank": 0})
    folder = tmp_path / "in"
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(rows), folder / "shop.parquet")
    land.main(land.Args(f"{folder}/*", external_runs=EXTERNAL_RUNS.at(ds=DS)))
    _, found = rank(changed, external_runs=EXTERNAL_RUNS.at(ds=DS))
    wanted = {name: items[:100] for name, items in shown.items()}
    moved = shown[red][9]
    wanted[red] = [moved, *(item for item in shown[red] if item != moved)][:100]
    # the hostile query stands in the table as if normalisation had let it through
    sound = [name for name in found["dense"] if query_id(normalise_query(text[name])) == name]
    assert len(sound) == len(found["dense"]) - 1
    assert found["run_shop"] == {name: wanted[name] for name in sound}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"query": ["a"], "item_id": ["1"]}, "expected query, item_id, and score or rank"),
        ({"query": ["a"], "score": [1.0]}, "expected query, item_id, and score or rank"),
        ({"query": ["a", None], "item_id": ["1", "2"], "rank": [1, 2]}, "a row has no query"),
        ({"query": ["a", "a"], "item_id": ["1", "1"], "rank": [1, 2]}, "stand twice"),
        ({"query": ["a"], "item_id": ["1"], "score": [float("nan")]}, "not finite"),
        ({"query": ["a"], "item_id": ["1"], "score": ["best"]}, "not readable as a ranking"),
        ({"query": ["a"], "item_id": ["1"], "score": [1.0]}, "none of its 1 queries is among the judged"),
    ],
)
def test_a_parquet_file_of_another_kind_is_refused(
    changed: Shop, tmp_path: Path, columns: dict[str, list[Any]], message: str
) -> None:
    pq.write_table(pa.table(columns), tmp_path / "shop.parquet")
    land.main(land.Args(str(tmp_path / "shop.parquet"), external_runs=EXTERNAL_RUNS.at(ds=DS)))
    with pytest.raises(ValueError, match=message):
        rank(changed, external_runs=EXTERNAL_RUNS.at(ds=DS))


def test_a_file_whose_name_makes_no_arm_is_refused_when_it_is_delivered(changed: Shop, tmp_path: Path) -> None:
    for names, message in (
        (["Shop.trec"], "expected small letters"),
        (["shop-2.trec"], "expected small letters"),
        (["shop.2.trec"], "expected small letters"),
        (["shop.trec", "shop.run"], "another file makes an arm run_shop too"),
        (["shop.csv"], "1 files of another kind"),
    ):
        folder = tmp_path / "-".join(names)
        folder.mkdir()
        for name in names:
            (folder / name).write_text("q Q0 i 1 1.0 t\n")
        with pytest.raises(ValueError, match=message):
            land.main(land.Args(str(folder), external_runs=EXTERNAL_RUNS.at(ds=DS)))
