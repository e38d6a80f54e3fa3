"""Labels beside clicks: which pairs are trained on and how often, who wins, and which items become hard negatives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from jobs.lake.partitions import NEGATIVES, QRELS, UNCLICKED
from jobs.lake.publish import publish
from jobs.lake.read import pin
from jobs.towers import train as towers
from jobs.towers.dataset import TowerDataset, read_dataset
from jobs.towers.train_labels import TrainLabels, read_train_labels, with_labels, with_pseudo_positives
from models.towers.two_tower import TwoTower
from models.training.batches import epoch_order
from tests.jobs.towers.classroom import DS, IN_BATCH, ITEM_IDS, QUERY_IDS, SMALL, TABLES, Args, publish_learning
from tests.models.shop import positives
from tests.models.shop import towers as untrained

JUDGED = QRELS.at(ds=DS)
BUTY, LAMPA, KURTKA = 0, 1, 4  # queries of one word; kurtka is of split dev
CLICKED = 0  # an item of `buty` that is clicked, and that people labelled irrelevant
FAR = [8, 12]  # items of other nouns that people labelled relevant to `buty`
# grades 1 to 3, as on Home Depot: relevant from 2.33
LABELS = [
    (BUTY, CLICKED, 1.0, "train", "labels"),
    (BUTY, FAR[0], 2.33, "train", "labels"),
    (BUTY, FAR[1], 3.0, "train", "labels"),
    (BUTY, 16, 2.0, "train", "labels"),  # neither relevant nor irrelevant
    (LAMPA, 20, 1.67, "train", "labels"),
    (LAMPA, 21, 1.0, "train", "rules"),  # a rule
    (LAMPA, 20, 3.0, "train", "rules"),  # people win over a rule
    (KURTKA, 1, 3.0, "dev", "labels"),  # of no train query: never read
    (KURTKA, 2, 3.0, "train", "labels"),  # `queries` has it in dev: the stricter of the two counts
    (LAMPA, 2, 3.0, "train", "clicks"),  # no label
]


@pytest.fixture
def dataset(lake: Path) -> TowerDataset:
    publish_learning()
    rows = [(QUERY_IDS[q], ITEM_IDS[i], *rest) for q, i, *rest in LABELS]
    names = ("query_id", "item_id", "relevance", "split", "source")
    with publish(JUDGED, Args(JUDGED)) as out:
        out.write_table(pa.table({name: [row[place] for row in rows] for place, name in enumerate(names)}))
        out.facts.update(min_relevance=2.33, zero_gain=1.0)
    return read_dataset(*(pin(TABLES[name]) for name in ("pairs", "queries", "items")))


def named(dataset: TowerDataset, query: np.ndarray, item: np.ndarray) -> set[tuple[int, int]]:
    """Rows of the dataset as places in QUERIES and ITEMS."""
    ids = dataset.query_ids.to_pylist(), dataset.item_ids.to_pylist()
    return {
        (QUERY_IDS.index(ids[0][q]), ITEM_IDS.index(ids[1][i]))
        for q, i in zip(query.tolist(), item.tolist(), strict=True)
    }


def labels_of(dataset: TowerDataset) -> TrainLabels:
    return read_train_labels(pin(JUDGED), dataset, 0.55)


def test_labels_are_read_as_people_meant_them(dataset: TowerDataset) -> None:
    labels = labels_of(dataset)

    def pick(rows: np.ndarray) -> set[tuple[int, int]]:
        return named(dataset, labels.query[rows], labels.item[rows])

    assert pick(labels.relevant) == {(BUTY, item) for item in FAR}
    assert pick(labels.irrelevant) == {(BUTY, CLICKED), (LAMPA, 20), (LAMPA, 21)}
    assert len(labels.item) == 6  # and the one between


@pytest.mark.parametrize("learn", ["both", "labels"])
def test_labels_join_the_clicks_or_replace_them_and_win(dataset: TowerDataset, learn: str) -> None:
    clicks = {tuple(pair) for pair in positives().tolist()}
    of_train = {(q, i) for q, i in clicks if q % 5 != 4}
    taught = with_labels(dataset, labels_of(dataset), learn)
    rows = taught.of_split("train")
    trained = named(taught, taught.pair_query[rows], taught.pair_item[rows])
    labelled = {(BUTY, item) for item in FAR}
    assert trained == (labelled if learn == "labels" else labelled | of_train - {(BUTY, CLICKED)})
    known = named(taught, *(side[taught.pair_split != "test"] for side in (taught.pair_query, taught.pair_item)))
    assert known == clicks - {(BUTY, CLICKED)} | labelled  # clicks are no negatives, whatever is learnt
    dev = taught.of_split("dev")
    assert named(taught, taught.pair_query[dev], taught.pair_item[dev]) == clicks - of_train
    assert taught.learnt_from == {"label_pairs": 2, "overruled": 1}


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_a_label_pair_is_drawn_as_often_as_its_weight_says(dataset: TowerDataset, power: float) -> None:
    taught = with_labels(dataset, labels_of(dataset), "both")
    found = new_towers()
    pairs = taught.examples(found, power, None, label_weight=5.0).pairs
    assert pairs.weight is not None
    drawn = sum(np.bincount(epoch_order(pairs, 0, epoch), minlength=len(pairs)) for epoch in range(400)) / 400
    clicks, labels = drawn[:-2], drawn[-2:]
    assert labels.mean() / clicks.mean() == pytest.approx(5.0, rel=0.02)
    # gains of 1 and 1.504 times that of the least relevant grade
    assert labels.max() / labels.min() == pytest.approx((2.0 / 1.33) ** power, rel=0.02)


def test_pseudo_positives_are_drawn_beside_clicks_and_labels_each_by_its_own_weight(dataset: TowerDataset) -> None:
    at = NEGATIVES.at(ds=DS, space="0" * 16)
    lists = {
        "item_ids": [[ITEM_IDS[0]]],
        "ranks": [[3]],
        "scores": [[0.5]],
        "pseudo_positives": [[ITEM_IDS[5], "gone"]],
    }
    with publish(at, Args(at)) as out:
        out.write_table(pa.table({"query_id": [QUERY_IDS[BUTY]], **lists}))
    taught = with_pseudo_positives(with_labels(dataset, labels_of(dataset), "both"), pin(at))
    assert named(taught, taught.pair_query[-1:], taught.pair_item[-1:]) == {(BUTY, 5)}
    assert taught.learnt_from == {"label_pairs": 2, "overruled": 1, "pseudo_pairs": 1}
    assert taught.known.contains(taught.pair_query[-1:], taught.pair_item[-1:]).all(), "no negative of that query"
    weight = taught.examples(new_towers(), 0.0, None, 5.0, 0.5).pairs.weight
    assert weight is not None
    assert weight.tolist() == [1.0] * (len(weight) - 3) + [5.0, 5.0, 0.5]
    assert taught.examples(new_towers(), 0.0, None).pairs.weight is None


def new_towers() -> TwoTower:
    return untrained(bert=False)


def train(**settings: object) -> dict[str, object]:
    """The classroom's towers, with labels."""
    wanted = {**TABLES, "towers": IN_BATCH, **SMALL, "qrels": JUDGED, "synthetic_queries": 0.0, **settings}
    return towers.main(towers.Args(**wanted))  # type: ignore[arg-type]


def lists(dataset: TowerDataset, **settings: object) -> dict[str, dict[int, set[int]]]:
    """Lists of negatives by kind, as places in QUERIES and ITEMS; queries without any are left out."""
    args = towers.Args(**{**TABLES, "towers": IN_BATCH, **SMALL, "qrels": JUDGED, **settings})  # type: ignore[arg-type]
    inputs = {name: pin(getattr(args, name)) for name in towers.INPUTS if getattr(args, name)}
    found = {}
    for kind, ragged in towers._lists(args, inputs, dataset).items():
        pairs = named(dataset, np.repeat(np.arange(len(ragged)), ragged.lengths), ragged.values.astype(np.int64))
        found[kind] = {query: {i for q, i in pairs if q == query} for query, _ in pairs}
    return found


def test_items_labelled_irrelevant_are_negatives_of_their_query(dataset: TowerDataset) -> None:
    assert lists(dataset, judged_negatives=2) == {"judged": {BUTY: {CLICKED}, LAMPA: {20, 21}}}
    assert lists(dataset) == {}
    plain = train(learn="both")["space_id"]
    assert train(learn="both", judged_negatives=2)["space_id"] != plain


def test_items_viewed_and_not_clicked_are_negatives_of_their_query(dataset: TowerDataset) -> None:
    viewed = UNCLICKED.at(ds=DS)
    with publish(viewed, Args(viewed)) as out:
        columns = {"query_id": [QUERY_IDS[LAMPA]] * 2, "item_id": [ITEM_IDS[20], "gone"]}
        out.write_table(pa.table({**columns, "impressions": [9, 9], "expected_clicks": [4.0, 4.0]}))
    settings = {"unclicked": viewed, "unclicked_negatives": 2}
    assert lists(dataset, **settings) == {"unclicked": {LAMPA: {20}}}
    plain = train()["space_id"]
    assert train(**settings)["space_id"] != plain


def test_auto_learns_from_labels_only_where_there_are_some(dataset: TowerDataset) -> None:
    both, auto = (train(learn=learn, max_steps=2)["space_id"] for learn in ("both", "auto"))
    assert both == auto
    clicks = train(learn="clicks", max_steps=2)["space_id"]
    assert clicks != both
    rows = [(QUERY_IDS[LAMPA], ITEM_IDS[2], 1.0, "train", "clicks")]
    names = ("query_id", "item_id", "relevance", "split", "source")
    with publish(JUDGED, Args(JUDGED)) as out:
        out.write_table(pa.table({name: [row[place] for row in rows] for place, name in enumerate(names)}))
    assert train(learn="auto", max_steps=2)["space_id"] == clicks
    with pytest.raises(ValueError, match="learn=both: found 0 labels of queries of split train, none relevant"):
        train(learn="both", max_steps=2)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"learn": "both"}, "give `qrels`"),
        ({"judged_negatives": 1}, "give `qrels`"),
        ({"unclicked_negatives": 1}, "give both the partition"),
        ({"unclicked": UNCLICKED.at(ds=DS)}, "give both the partition"),
    ],
)
def test_what_would_be_ignored_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        towers.Args(**{**TABLES, "towers": IN_BATCH, **wrong})  # type: ignore[arg-type]
