"""Epochs are chosen by people's labels of dev queries where there are enough, else by clicks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from jobs.bundle.tower_files import load_towers
from jobs.lake.partitions import QRELS
from jobs.lake.publish import publish
from jobs.lake.read import pin
from jobs.towers import dev_evaluation
from jobs.towers import train as towers
from jobs.towers.dataset import read_dataset
from jobs.towers.dev_evaluation import DevEvaluator
from models.text.normalise import query_id
from models.towers.encode import encode_items, encode_queries
from tests.jobs.towers.classroom import (
    DS,
    IN_BATCH,
    ITEM_IDS,
    QUERY_IDS,
    SECRET,
    SMALL,
    STAR,
    TABLES,
    Args,
    publish_learning,
    split_of,
)
from tests.models.shop import ITEMS, QUERIES

LABELS = QRELS.at(ds=DS)
DEV = [row for row in range(len(QUERIES)) if split_of(row) == "dev"]


def train(**settings: object) -> dict[str, object]:
    said = towers.main(towers.Args(**{**TABLES, **SMALL, **settings}))  # type: ignore[arg-type]
    assert said is not None
    return said


def publish_labels(rows: list[tuple[str, str, float, str]], source: str = "labels") -> None:
    """(query_id, item_id, relevance, split); relevant from 2 on."""
    names = ("query_id", "item_id", "relevance", "split")
    columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    with publish(LABELS, Args(LABELS)) as out:
        out.facts["min_relevance"] = 2.0
        out.write_table(pa.table({**columns, "source": [source] * len(rows)}))


def nearest_items() -> list[list[str]]:
    """The three nearest items of each query by the towers of step 1."""
    first = load_towers(pin(IN_BATCH))
    scores = encode_queries(first, QUERIES) @ encode_items(first, ITEMS).T
    return [[ITEM_IDS[item] for item in order[:3]] for order in np.argsort(-scores, axis=1)]


@pytest.fixture
def step_1(lake: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Towers of a single step, and a cut-off below the 32 items of the shop."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(dev_evaluation, "CUTOFF", 3)
    monkeypatch.setattr(dev_evaluation, "MIN_LABELLED", len(DEV))
    publish_learning()
    train(towers=IN_BATCH, max_steps=1, lr=1e-4)
    return lake


def test_where_clicks_and_labels_disagree_labels_choose(step_1: Path) -> None:
    """Planted: the labels call right what step 1 finds, so that training can only lose; clicks rise with training."""
    best = [(QUERY_IDS[row], item, 3.0, "dev") for row in DEV for item in nearest_items()[row]]
    # judged and not relevant, of another split, or of a query that only the judgements call dev: none may count
    others = [(QUERY_IDS[row], item, 1.0, "dev") for row in DEV for item in ITEM_IDS[:4]]
    others += [(QUERY_IDS[0], item, 3.0, "train") for item in ITEM_IDS[:5]]
    others += [(QUERY_IDS[1], ITEM_IDS[0], 3.0, "dev"), (query_id(SECRET), ITEM_IDS[0], 3.0, "dev")]
    known = {row[:2] for row in best}
    publish_labels(best + [row for row in others if row[:2] not in known])

    by_clicks = train(towers=STAR, start=IN_BATCH)
    assert (by_clicks["chosen_by"], by_clicks["dev_queries"]) == ("clicks", len(DEV))
    assert float(str(by_clicks["best_epoch"])) > 0

    by_labels = train(towers=STAR, start=IN_BATCH, qrels=LABELS)
    assert (by_labels["chosen_by"], by_labels["dev_queries"]) == ("labels", len(DEV))
    assert (by_labels["best_epoch"], by_labels["R@60"]) == (0.0, 1.0)
    assert by_labels["space_id"] == pin(IN_BATCH).facts["space_id"] != by_clicks["space_id"]
    made = pin(STAR)
    assert made.facts["chosen_by"] == "labels"
    assert str(LABELS) in [source.partition for source in made.manifest.inputs]


def test_only_the_dev_queries_are_searched(step_1: Path) -> None:
    publish_labels([(QUERY_IDS[row], ITEM_IDS[0], 3.0, split_of(row)) for row in range(len(QUERIES))])
    dataset = read_dataset(*(pin(TABLES[name]) for name in ("pairs", "queries", "items")))
    first = load_towers(pin(IN_BATCH))
    examples = dataset.examples(first, 0.0, None)
    evaluator = DevEvaluator(dataset, examples.queries, examples.items, pin(LABELS))
    assert {dataset.queries[row] for row in evaluator.queries} == {QUERIES[row] for row in DEV}
    assert {dataset.query_split[row] for row in evaluator.queries} == {"dev"}
    assert len(evaluator.relevant.items) == len(DEV)


def test_too_few_labels_leave_the_choice_to_clicks(
    step_1: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(dev_evaluation, "MIN_LABELLED", len(DEV) + 1)
    publish_labels([(QUERY_IDS[row], ITEM_IDS[0], 3.0, "dev") for row in DEV])
    assert train(towers=STAR, qrels=LABELS, max_steps=1)["chosen_by"] == "clicks"
    assert f"{len(DEV)} dev queries have a relevant label" in caplog.text


def test_judgements_made_of_clicks_are_no_labels(step_1: Path) -> None:
    publish_labels([(QUERY_IDS[row], ITEM_IDS[0], 3.0, "dev") for row in DEV], source="clicks")
    assert train(towers=STAR, qrels=LABELS, max_steps=1)["chosen_by"] == "clicks"
