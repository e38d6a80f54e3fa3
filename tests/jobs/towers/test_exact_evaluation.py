"""Towers judged without an index: against a plain search by hand, by slice, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from jobs.bundle.tower_files import load_towers
from jobs.lake.partitions import TOWER_METRICS
from jobs.lake.read import pin, read_table
from jobs.towers import exact_evaluation as measure
from models.text.tokens import train_tokenizer
from models.towers.encode import encode_items, encode_queries
from models.towers.two_tower import TowerConfig, TwoTower
from tests.jobs.shop import DS, Shop, publish_tables, publish_trained, titles

RELEVANT = 2.0


@pytest.fixture
def shop(lake: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    # chunks that do not divide the catalogue: 401 items
    monkeypatch.setattr(measure, "CHUNK_ITEMS", 70)
    publish_tables()
    # so few dimensions that much goes wrong
    torch.manual_seed(0)
    config = TowerConfig(dim=8, trigram_buckets=1 << 14)
    return publish_trained(TwoTower(config, train_tokenizer(titles(), 500)).eval(), "star")


def judge(shop: Shop, **settings: object) -> dict[str, object]:
    at = TOWER_METRICS.at(ds=DS, space=shop.space)
    given = (shop.towers, shop.items, shop.queries, shop.qrels, at)
    wanted = {"min_relevance": RELEVANT, "resamples": 200} | settings
    return measure.main(measure.Args(*given, **wanted))  # type: ignore[arg-type]


def test_every_figure_is_that_of_a_plain_search(shop: Shop) -> None:
    said = judge(shop, split="dev,test")
    found = pin(TOWER_METRICS.at(ds=DS, space=shop.space))
    rows = pq.read_table(found.path("measures.parquet")).to_pylist()
    items = read_table(pin(shop.items)).to_pylist()
    texts = {row["query_id"]: row for row in read_table(pin(shop.queries)).to_pylist()}
    judged: dict[str, dict[str, float]] = {}
    for row in read_table(pin(shop.qrels)).to_pylist():
        judged.setdefault(row["query_id"], {})[row["item_id"]] = row["relevance"]
    towers = load_towers(pin(shop.towers))
    vectors = encode_items(towers, [row["text"] for row in items])
    assert len(rows) == sum(max(found.values()) >= RELEVANT for found in judged.values())
    for row in rows:
        name = row["query_id"]
        scores = vectors @ encode_queries(towers, [texts[name]["query"]])[0]
        # by score, and among equals the larger id
        order = sorted(zip(scores.round(6), (item["item_id"] for item in items), strict=True))[::-1]
        shown = [item for _, item in order]
        right = {item for item, grade in judged[name].items() if grade >= RELEVANT}
        only = [item for item in shown if item in judged[name]]
        assert row["R@60"] == pytest.approx(len(right & set(shown[:60])) / len(right))
        assert row["R@10"] == pytest.approx(len(right & set(shown[:10])) / len(right))
        assert row["R@10 judged"] == pytest.approx(len(right & set(only[:10])) / len(right))
        for names, rank in (("RR@60", 60), ("RR@10", 10)):
            places = [place for place, item in enumerate(shown[:rank], 1) if item in right]
            assert row[names] == pytest.approx(1 / places[0] if places else 0.0)
        places = [place for place, item in enumerate(only[:60], 1) if item in right]
        assert row["RR@60 judged"] == pytest.approx(1 / places[0] if places else 0.0)
        assert row["split"] == texts[name]["split"]
        assert row["segment"] == texts[name]["segment"]
    dev = [row["R@60"] for row in rows if row["split"] == "dev"]
    assert said["R@60"] == pytest.approx(np.mean(dev), abs=1e-5)
    told = found.facts["splits"]["dev"]
    mean, low, high = told["all"]["R@60"]
    assert mean == pytest.approx(np.mean(dev))
    assert low < mean < high
    assert mean < 0.9  # or the test would see little
    assert told["all"]["queries"] == len(dev)
    assert sum(told[name]["queries"] for name in ("head", "tail")) == len(dev)
    assert told["2 words"]["queries"] == len(dev)
    assert "model_number" not in told  # no such query, no row


def test_judged_items_far_below_the_list_are_ranked_among_themselves(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The measures over judged items are the same whether 100 items were searched or 5."""
    judge(shop)
    address = TOWER_METRICS.at(ds=DS, space=shop.space)
    deep = pq.read_table(pin(address).path("measures.parquet"))
    monkeypatch.setattr(measure, "SEARCHED", 5)
    judge(shop)
    shallow = pq.read_table(pin(address).path("measures.parquet"))
    for name in ("R@60 judged", "RR@60 judged", "nDCG@10 judged"):
        assert shallow.column(name).to_pylist() == pytest.approx(deep.column(name).to_pylist())


def test_what_cannot_be_measured_is_refused(shop: Shop) -> None:
    with pytest.raises(ValueError, match="has space id"):
        judge(Shop("0" * 16, shop.towers))
    with pytest.raises(ValueError, match="split='train': expected one of test, dev"):
        judge(shop, split="train")
    with pytest.raises(ValueError, match="resamples=3: expected 100 or more"):
        judge(shop, resamples=3)
    with pytest.raises(LookupError, match="are not in queries"):
        from tests.jobs import shop as made

        table = read_table(pin(shop.queries)).slice(0, 3)
        with made.publish(shop.queries, made.Args(shop.queries)) as out:
            out.write_table(table)
        judge(shop)
