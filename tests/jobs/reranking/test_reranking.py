"""From listings to a ranker in service: the same features, a better order, and what must be refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import load_file

from jobs.bundle.files import days_of_features
from jobs.bundle.reader import Bundle, open_bundle
from jobs.bundle.reranker import NEURAL, TREES, TREES_FILE, WEIGHTS_FILE, open_reranker
from jobs.evaluation import report
from jobs.lake.alias import pin_alias
from jobs.lake.arrow import numbers, pick, strings
from jobs.lake.partitions import ITEM_FEATURES, LISTINGS, NOWHERE, QRELS, QUERIES, RANKER, RANKINGS, REPORT, Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin, read_table
from jobs.reranking import listings, rank, seen_days
from jobs.reranking.dataset import read_listings
from jobs.reranking.seen_days import refuse_seen
from jobs.serving import promote
from models.reranking.features import FEATURES, list_features
from models.text.normalise import query_id
from tests.jobs.reranking.ranked_shop import LATER, listings_of, make, make_listings, trained
from tests.jobs.shop import DS, Args, Shop, opened

TEXTS = ["red shoes", "Acme blue lamp", "kubala saw", "", "<script>alert(1)</script>"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with opened(tmp_path_factory.mktemp("reranking")) as made:
        make(made)
        make_listings(made)
        trained(made, TREES)
        trained(made, NEURAL)
        yield made


@pytest.fixture
def bundle(shop: Shop) -> Bundle:
    return open_bundle(pin(shop.index))


def ranker(kind: str) -> Partition:
    return RANKER.at(ds=LATER, kind=kind)


def test_listings_are_the_first_stage_with_labels(shop: Shop, bundle: Bundle) -> None:
    rows = read_table(pin(listings_of(shop)))
    by_query = rows.group_by("query_id").aggregate(
        [("rank", "max"), ("rank", "count_distinct"), ("row", "count_distinct")]
    )
    for name in ("rank_count_distinct", "row_count_distinct"):
        assert numbers(by_query, name).tolist() == numbers(by_query, "rank_max").tolist(), "one row a place and an item"
    assert numbers(by_query, "rank_max").max() <= 300
    ids = pick(bundle.item_ids, numbers(rows, "row").astype(np.int64))
    assert ids.to_pylist() == strings(rows, "item_id"), "the row is the item's in the bundle"
    assert set(numbers(rows, "label").tolist()) == {0.0, 1.0}
    grades = {
        (row["query_id"], row["item_id"]): row["relevance"] for row in read_table(pin(QRELS.at(ds=LATER))).to_pylist()
    }
    for row in rows.slice(0, 2_000).to_pylist():
        assert row["label"] == grades.get((row["query_id"], row["item_id"]), 0.0) / 3


def test_training_and_serving_see_the_same_features_on_100_queries(shop: Shop, bundle: Bundle) -> None:
    data = read_listings(pin(listings_of(shop)))
    assert len(data.queries) >= 100
    for number, text in enumerate(data.queries[:100]):
        stage = bundle.first_stage(text)
        served = list_features(bundle.item_arrays, text, stage.listed)
        np.testing.assert_array_equal(data.features(number), served)
        np.testing.assert_array_equal(data.query_vectors[number], stage.vector)
    place = FEATURES.index("query_segment")
    known = read_table(pin(shop.queries), ["query_id", "segment"]).to_pydict()
    segments = dict(zip(known["query_id"], known["segment"], strict=True))
    found = {text: data.features(number)[0, place] for number, text in enumerate(data.queries)}
    assert found == {
        text: {"head": 2.0, "torso": 1.0}.get(segments.get(query_id(text), ""), 0.0) for text in data.queries
    }
    assert {0.0, 1.0, 2.0} == set(found.values())


def test_a_batch_pads_and_rows_cut_lists_without_changing_a_feature(shop: Shop) -> None:
    lists = read_listings(pin(listings_of(shop))).subset("train")
    whole = np.concatenate([lists.data.features(int(number)) for number in lists.numbers])
    np.testing.assert_array_equal(lists.rows(0, len(whole)), whole)
    for start, stop in ((0, 5), (3, 700), (299, 301), (len(whole) - 7, len(whole))):
        np.testing.assert_array_equal(lists.rows(start, stop), whole[start:stop])
    batch = lists.batch(np.array([2, 0]))
    for place, number in enumerate((2, 0)):
        made = batch.inputs.numbers[place][batch.inputs.mask[place]].numpy()
        np.testing.assert_array_equal(made, lists.data.features(int(lists.numbers[number])))


@pytest.mark.parametrize("kind", [TREES, NEURAL])
def test_a_ranker_beats_the_first_stage_on_dev_queries(shop: Shop, kind: str) -> None:
    facts = pin(ranker(kind)).facts
    assert facts["dev_ndcg10"] > facts["dev_first_stage"] + 0.05
    importances = facts["importances"]
    assert "purchases_28" in sorted(importances, key=lambda name: -importances[name])[:3], (
        "the one number that decides is among the first"
    )


@pytest.mark.parametrize("kind", [TREES, NEURAL])
def test_search_reranks_the_same_items_by_the_rankers_scores(shop: Shop, bundle: Bundle, kind: str) -> None:
    reranker = open_reranker(pin(ranker(kind)))
    for text in TEXTS:
        plain, hits = bundle.search(text), bundle.search(text, rerank=reranker)
        stage = bundle.first_stage(text)
        scores = dict(
            zip(bundle.hits(bundle.reranked([text], reranker)), reranker.scores(bundle, text, stage), strict=True)
        )
        assert sorted(hit.score for hit in scores) == pytest.approx(sorted(scores.values()))
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        assert len(hits) == len(plain), "the ranker decides the order, the cut-off the length"
        assert bundle.search(text, top=3, rerank=reranker) == hits[:3]


def test_it_loads_no_torch(shop: Shop) -> None:
    code = f"""
import sys
from jobs.lake.partitions import Partition
from jobs.lake.read import pin
from jobs.bundle.reader import open_bundle
from jobs.bundle.reranker import open_reranker
bundle = open_bundle(pin(Partition.parse({str(shop.index)!r})))
for kind in ("trees", "neural"):
    bundle.search("red shoes", rerank=open_reranker(pin(Partition.parse(f"ranker/ds={LATER}/kind={{kind}}"))))
print(sorted({{name.partition(".")[0] for name in sys.modules}} & {{"torch", "pyspark", "mlflow", "airflow"}}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_reranking_300_is_judged_and_promoted_and_shuffled_labels_are_stopped(shop: Shop) -> None:
    assert judged(shop, ranker(TREES), ranker(NEURAL))["verdict"] == "pass"
    means = summary(shop, ranker(TREES))
    assert means["reranked"]["nDCG@10"] > means["hybrid"]["nDCG@10"] + 0.05
    assert means["neural"]["nDCG@10"] > means["hybrid"]["nDCG@10"]
    assert {"reranked", "trees", "neural", "static", "hybrid", "dense", "champion_reranked"} <= set(means)
    page = pin(report_of(ranker(TREES))).path("report.html").read_text("utf-8")
    assert page.count('<th scope="row">purchases_28</th>') == 2, "importances of both kinds"
    assert "nDCG@10, trees" in page
    moved = promote.main(promote.Args(report=report_of(ranker(TREES)), alias="reranking/champion"))
    assert moved["champion"] == str(ranker(TREES))
    assert pin_alias("reranking/champion").partition == ranker(TREES)
    bundle = open_bundle(pin(shop.index))
    assert bundle.search("red shoes", rerank=open_reranker(pin_alias("reranking/champion")))

    shuffle_labels(shop)
    bad = trained(shop, TREES, ds="2026-02-08")
    verdict = judged(shop, bad)
    assert verdict["verdict"] == "stop"
    assert any("reranked nDCG@10" in reason for reason in verdict["reasons"])
    with pytest.raises(RuntimeError, match="stopped by the gate"):
        promote.main(promote.Args(report=report_of(bad), alias="reranking/champion", on_stop="fail"))
    make_listings(shop)


def shuffle_labels(shop: Shop) -> None:
    """Plant labels that went astray: each list's in another order."""
    rows = read_table(pin(listings_of(shop)))
    label = np.random.default_rng(0).permutation(numbers(rows, "label"))
    inputs = [pin(table) for table in (shop.index, QUERIES.at(ds=LATER), QRELS.at(ds=LATER))]
    with publish(listings_of(shop), Args(listings_of(shop)), inputs) as out:
        out.write_table(rows.set_column(rows.column_names.index("label"), "label", pa.array(label)))
        out.facts.update(space_id=shop.space)


def report_of(ranked: Partition) -> Partition:
    return REPORT.at(ds=ranked.ds, space=pin(ranked).facts["ranker_id"])


def judged(shop: Shop, ranked: Partition, beside: Partition = NOWHERE) -> dict[str, Any]:
    """Rank and report; returns the report's outcome."""
    rankings = RANKINGS.at(ds=ranked.ds, space=pin(ranked).facts["ranker_id"])
    tables = (shop.index, QUERIES.at(ds=LATER), QRELS.at(ds=LATER), shop.items)
    done = rank.main(rank.Args(ranked, *tables, rankings, beside))
    assert done["rerank_best_of_5_p99_ms"] > 0
    return report.main(report.Args(rankings, *tables, report_of(ranked), min_support=5))


def summary(shop: Shop, ranked: Partition) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = json.loads(pin(report_of(ranked)).path("summary.json").read_text())["measures"]
    return found


def test_a_killed_training_goes_on_to_equal_weights(shop: Shop) -> None:
    straight = load_file(pin(ranker(NEURAL)).path(WEIGHTS_FILE))
    argv = ["ranker", "--listings", str(listings_of(shop)), "--ranker", f"ranker/ds=2026-02-09/kind={NEURAL}"]
    flags = {"epochs": 6, "hidden": 32, "patience": 60, "lr": 3e-3, "rounds": 60, "min_rows": 20, "checkpoint_s": 0}
    argv += [word for name, value in flags.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "jobs", *argv]
    killed = subprocess.run(
        command, env={**os.environ, "NIGHTSHELF_FAULT": "ranker.step:9"}, capture_output=True, check=False
    )
    assert killed.returncode == -9, killed.stderr.decode()[-2000:]
    resumed = subprocess.run(command, capture_output=True, check=False, text=True)
    assert resumed.returncode == 0, resumed.stderr[-2000:]
    assert "continuing from step 9" in resumed.stderr
    ended = load_file(pin(RANKER.at(ds="2026-02-09", kind=NEURAL)).path(WEIGHTS_FILE))
    assert ended.keys() == straight.keys()
    for name, weight in straight.items():
        np.testing.assert_array_equal(weight, ended[name], err_msg=name)


def test_listings_of_days_that_the_bundle_has_seen_are_refused(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    index = pin(shop.index)
    assert days_of_features(index) == {"numbers": DS, "segments": DS}
    refuse_seen(index, "2026-02-01", "the listings")
    with pytest.raises(RuntimeError, match=f"its numbers of items have seen clicks up to {DS}"):
        refuse_seen(index, DS, "the listings")
    # searches of the judged days are in the segments, even where the numbers are older
    monkeypatch.setattr(seen_days, "days_of_features", lambda _: {"numbers": "2026-01-30", "segments": DS})
    with pytest.raises(RuntimeError, match=f"its segments of queries have seen clicks up to {DS}"):
        refuse_seen(index, DS, "the listings")


def test_lists_whose_labels_taught_the_towers_are_left_out(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    before = read_table(pin(listings_of(shop)), ["query_id"]).column("query_id").unique().to_pylist()
    monkeypatch.setattr(listings, "taught_by_labels", lambda _: set(before[:3]))
    make_listings(shop)
    after = read_table(pin(listings_of(shop)), ["query_id"]).column("query_id").unique().to_pylist()
    assert set(before) - set(after) == set(before[:3])
    (account,) = pin(listings_of(shop)).manifest.accounting
    assert account.dropped["its labels taught the towers"] == 3
    monkeypatch.undo()
    make_listings(shop)


def test_a_ranker_in_service_that_serves_no_more_is_compared_as_the_plain_list(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else no new ranker could ever take the place of one of older code or of other towers."""
    serving, index = pin(ranker(TREES)), pin(shop.index)
    assert rank._champion(serving, index) is not None
    assert rank._champion(None, index) is None
    monkeypatch.setitem(serving.facts, "space_id", "0" * 16)
    assert rank._champion(serving, index) is None
    monkeypatch.undo()
    monkeypatch.setitem(serving.facts, "features", ["older"])
    assert rank._champion(serving, index) is None


def test_a_ranker_of_other_towers_or_without_numbers_is_refused(shop: Shop, bundle: Bundle) -> None:
    reranker = open_reranker(pin(ranker(TREES)))
    other = replace(bundle, facts={**bundle.facts, "space_id": "0" * 16})
    with pytest.raises(RuntimeError, match="train the ranker again"):
        other.search("red shoes", rerank=reranker)
    with pytest.raises(ValueError, match="expected the space of"):
        wrong = LISTINGS.at(ds=LATER, space="0" * 16)
        listings.Args(shop.index, QUERIES.at(ds=LATER), wrong, qrels=QRELS.at(ds=LATER))


def test_a_damaged_ranker_and_golden_scores_that_moved_are_refused(shop: Shop) -> None:
    pinned = pin(ranker(TREES))
    path = Path(pinned.uri.removeprefix("file://")) / TREES_FILE
    whole = path.read_bytes()
    try:
        path.write_bytes(whole.replace(b"leaf_value=", b"leaf_value=9", 1))
        with pytest.raises(RuntimeError, match="the file is damaged"):
            open_reranker(pinned)
    finally:
        path.write_bytes(whole)
    # another model under the same golden listings
    other = trained(shop, TREES, ds="2026-02-10", rounds=1, leaves=2, tree_lr=0.01)
    files = {name: pin(other).path(name).read_bytes() for name in (TREES_FILE, "config.json")}
    with publish(other, Args(other), [pin(listings_of(shop))]) as out:
        for name, content in files.items():
            (out.folder / name).write_bytes(content)
        (out.folder / "golden.safetensors").write_bytes(pinned.path("golden.safetensors").read_bytes())
        out.facts.update(pinned.facts)
    with pytest.raises(RuntimeError, match="golden listing 0 has scores"):
        open_reranker(pin(other))


def test_a_bundle_without_numbers_says_what_to_do(shop: Shop, tmp_path: Path) -> None:
    assert ITEM_FEATURES.at(ds=DS)
    bundle = open_bundle(pin(shop.index))
    entries = [entry for entry in bundle.pinned.manifest.files if not entry.name.startswith("item_arrays")]
    bundle.pinned.manifest.files[:] = entries
    with pytest.raises(LookupError, match="build the index with"):
        bundle.search("red shoes", rerank=open_reranker(pin(ranker(TREES))))
