"""The cross-encoder as a job: what it learns from, kill and go on; what mining and the towers do with it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file

from jobs.bundle.tower_files import write_towers
from jobs.lake.partitions import CROSS_ENCODER, NEGATIVES, QRELS, Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin, read_table
from jobs.towers import negatives, train_cross_encoder
from jobs.towers import train as towers
from jobs.towers.bert_checkpoint import write_bert
from jobs.towers.cross_encoder_files import read_pair_scorer
from jobs.towers.dataset import read_dataset
from models.cross_encoder.model import CrossEncoder, PairScorer
from models.text.tokens import train_tokenizer
from models.towers.space_id import space_id
from models.towers.tower import new_bert
from tests.jobs.towers.classroom import DS, IN_BATCH, ITEM_IDS, QUERY_IDS, SMALL, STAR, TABLES, Args, publish_learning
from tests.killed import killed_at
from tests.models.shop import BERT, ITEMS, QUERIES, positives
from tests.models.shop import towers as untrained

MADE, ANOTHER, JUDGED = CROSS_ENCODER.at(ds=DS), CROSS_ENCODER.at(ds="2026-02-28"), QRELS.at(ds=DS)
NOISY = {**BERT, "hidden_size": 32, "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
RIGHT = {tuple(pair) for pair in positives().tolist()}


@pytest.fixture
def start(lake: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small BERT of random weights, as a folder."""
    publish_learning()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    torch.manual_seed(0)
    tokenizer, folder = train_tokenizer(ITEMS + QUERIES, 200), lake.parent / "bert"
    folder.mkdir()
    write_bert(new_bert(NOISY, tokenizer.get_vocab_size(), 0), tokenizer, folder, 16)
    return folder


def settings(start: Path, **more: object) -> dict[str, Any]:
    small = {"max_tokens": 8, "epochs": 3, "batch_size": 16, "lr": 3e-3, "patience": 9}
    return {**TABLES, "cross_encoder": MADE, "start": str(start), **small, **more}


def learn(start: Path, **more: object) -> dict[str, object]:
    return train_cross_encoder.main(train_cross_encoder.Args(**settings(start, **more)))


def judge(rows: list[tuple[int, int, float, str]]) -> None:
    with publish(JUDGED, Args(JUDGED)) as out:
        out.facts.update(min_relevance=2.0, zero_gain=0.0)
        out.write_table(
            pa.table(
                {
                    "query_id": [QUERY_IDS[row[0]] for row in rows],
                    "item_id": [ITEM_IDS[row[1]] for row in rows],
                    "relevance": [row[2] for row in rows],
                    "split": [row[3] for row in rows],
                    "source": ["labels"] * len(rows),
                }
            )
        )


def of_dataset() -> Any:
    return read_dataset(*(pin(TABLES[name]) for name in ("pairs", "queries", "items")))


def test_it_learns_clicks_and_is_published_whole(start: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read back scores as what was trained did, in the rows of another process's dataset."""
    trained: list[CrossEncoder] = []
    write = train_cross_encoder.write_cross_encoder

    def written(model: CrossEncoder, *rest: Any) -> None:
        trained.append(model)
        write(model, *rest)

    monkeypatch.setattr(train_cross_encoder, "write_cross_encoder", written)
    said = learn(start, epochs=8)
    made = pin(MADE)
    files = {"config.json", "tokenizer.json", "weights.safetensors", "head.safetensors", "curves.parquet"}
    assert {entry.name for entry in made.entries()} == files
    assert said["examples"] == sum(row % 5 != 4 for row, _ in positives().tolist())
    curves = pq.read_table(made.path("curves.parquet")).to_pylist()
    assert curves[-1]["loss"] < 0.95 * curves[0]["loss"]
    best = max((point for point in curves if point["dev_in_order"]), key=lambda point: point["dev_in_order"])
    assert (best["epoch"], best["dev_in_order"]) == (said["best_epoch"], said["dev_in_order"])
    read = read_pair_scorer(made, of_dataset(), torch.device("cpu"), "fp32")
    query, item = np.arange(20), np.arange(20)[::-1]
    expected = PairScorer(trained[0], read.tokens, "fp32")(query, item)
    assert np.array_equal(read(query, item), expected)
    assert np.ptp(expected) > 0


def test_labels_are_learnt_as_graded_and_win_over_clicks(start: Path) -> None:
    """Gains of 0, .55, .775 and 1 of the least relevant item's become 0, 0, .5 and 1; a dev label teaches nothing."""
    clicked = next(i for q, i in positives().tolist() if q == 0)
    rows = [(0, clicked, 0.0, "train"), (0, 20, 1.1, "train"), (0, 21, 1.55, "train"), (1, 22, 3.0, "train")]
    judge([*rows, (4, 3, 3.0, "dev"), (4, 2, 0.0, "dev")])
    args = train_cross_encoder.Args(**settings(start, qrels=JUDGED, learn="labels"))
    dataset, inputs = of_dataset(), {"qrels": pin(JUDGED)}
    made = train_cross_encoder._examples(args, inputs, dataset, "train")
    targets = dict(zip(zip(made.query.tolist(), made.item.tolist(), strict=True), made.target.tolist(), strict=True))
    ids = dataset.query_ids.to_pylist(), dataset.item_ids.to_pylist()
    expected = {(0, clicked): 0.0, (0, 20): 0.0, (0, 21): 0.5, (1, 22): 1.0}
    rows_of = {(ids[0].index(QUERY_IDS[q]), ids[1].index(ITEM_IDS[i])): value for (q, i), value in expected.items()}
    assert targets == pytest.approx(rows_of, abs=1e-6)
    assert made.known.contains(*np.array(list(rows_of)).T).all(), "what was judged is never drawn"
    both = train_cross_encoder._examples(
        train_cross_encoder.Args(**settings(start, qrels=JUDGED, learn="both")), inputs, dataset, "train"
    )
    of_train = sum(row % 5 != 4 for row, _ in positives().tolist())
    assert len(both) == 4 + of_train - 1, "the clicked item that was labelled is learnt as labelled"
    dev = train_cross_encoder._examples(args, inputs, dataset, "dev")
    assert sorted(dev.target.tolist()) == [0.0, 1.0]


def test_killed_and_started_again_it_ends_as_if_nothing_had_been(start: Path) -> None:
    learn(start, checkpoint_s=0.0)
    killed_at("cross_encoder.step:4", lambda: learn(start, cross_encoder=ANOTHER, checkpoint_s=0.0))
    (checkpoint,) = (Path(os.environ["NIGHTSHELF_HOME"]) / "checkpoints").iterdir()
    learn(start, cross_encoder=ANOTHER, checkpoint_s=0.0)
    assert not checkpoint.exists()
    assert pin(ANOTHER).facts == pin(MADE).facts
    for name in ("weights.safetensors", "head.safetensors"):
        straight, again = (load_file(pin(at).path(name)) for at in (MADE, ANOTHER))
        assert straight.keys() == again.keys()
        assert all(torch.equal(again[key], one) for key, one in straight.items())


def publish_towers() -> Partition:
    torch.manual_seed(0)
    made = untrained(bert=False)
    with publish(IN_BATCH, Args(IN_BATCH)) as out:
        write_towers(made, out.folder)
        out.facts.update(space_id=space_id(made), plateau=True)
    return NEGATIVES.at(ds=DS, space=space_id(made))


def mine(at: Partition, **more: object) -> dict[str, list[Any]]:
    given: dict[str, Any] = {"r_min": 2, "r_max": 20, "per_query": 4, **more}
    negatives.main(negatives.Args(towers=IN_BATCH, **TABLES, negatives=at, **given))
    return {row["query_id"]: row for row in read_table(pin(at)).to_pylist()}


class Oracle:
    """A cross-encoder that knows a planted item: for each query, one that nobody clicked."""

    def __init__(self, planted: dict[str, str]) -> None:
        self.planted, self.dataset = planted, of_dataset()

    def __call__(self, query: np.ndarray, item: np.ndarray) -> np.ndarray:
        ids = self.dataset.query_ids.to_pylist(), self.dataset.item_ids.to_pylist()
        right = [self.planted[ids[0][q]] == ids[1][i] for q, i in zip(query.tolist(), item.tolist(), strict=True)]
        return np.where(right, 5.0, -5.0).astype(np.float32)


def test_a_planted_false_negative_is_no_negative_but_a_pair_to_learn(
    start: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn(start, max_steps=1)
    at = publish_towers()
    before = mine(at)
    with pytest.raises(ValueError, match="found no pseudo-positives.*--cross_encoder"):
        train(negatives=at, pseudo_weight=1.0)
    planted = {query: row["item_ids"][1] for query, row in before.items()}
    monkeypatch.setattr(negatives, "read_pair_scorer", lambda *_: Oracle(planted))
    after = mine(at, cross_encoder=MADE, pseudo_positives=20)
    for query, row in before.items():
        kept = [item for item in row["item_ids"] if item != planted[query]]
        assert after[query]["item_ids"][:3] == kept
        assert len(after[query]["item_ids"]) == 4, "the next in rank takes the place"
        assert after[query]["pseudo_positives"] == [planted[query]]
    facts = pin(at).facts
    assert (facts["dropped cross-encoder"], facts["pseudo_positives"]) == (len(before), len(before))
    # kept as negatives without a drop where the limit is above every score
    same = mine(at, cross_encoder=MADE, negative_below=1.0, positive_above=1.0)
    assert {query: row["item_ids"] for query, row in same.items()} == {q: row["item_ids"] for q, row in before.items()}
    mine(at, cross_encoder=MADE, pseudo_positives=20)
    train(negatives=at, pseudo_weight=2.0, max_steps=2)
    assert pin(STAR).facts["pseudo_pairs"] == len(before)


def train(**more: object) -> None:
    given: dict[str, Any] = {**SMALL, "fallback": "off", **more}
    towers.main(towers.Args(**TABLES, towers=STAR, start=IN_BATCH, **given))


def test_the_teacher_reaches_the_weights(start: Path) -> None:
    learn(start)
    at = publish_towers()
    mine(at)
    weights = []
    for more in ({}, {"cross_encoder": MADE}, {"cross_encoder": MADE, "distillation_weight": 1.0}):
        train(negatives=at, max_steps=3, **more)
        weights.append(load_file(pin(STAR).path("weights.safetensors")))
    name = "item_tower.trigrams.bag.weight"
    assert not torch.equal(weights[0][name], weights[1][name])
    assert not torch.equal(weights[1][name], weights[2][name])
    assert str(MADE) in [source.partition for source in pin(STAR).manifest.inputs]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"cross_encoder": MADE}, "it teaches the margin to listed negatives"),
        (
            {"cross_encoder": MADE, "start": IN_BATCH, "negatives": NEGATIVES.at(ds=DS, space="0" * 16), "heads": 2},
            "one",
        ),
        ({"pseudo_weight": 1.0}, "give `negatives`"),
    ],
)
def test_towers_refuse_what_would_have_no_effect(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        towers.Args(**TABLES, towers=STAR, **more)


def test_refusals_of_the_other_commands(start: Path) -> None:
    with pytest.raises(ValueError, match="pseudo_positives=3: give `cross_encoder`"):
        negatives.Args(towers=IN_BATCH, **TABLES, negatives=NEGATIVES.at(ds=DS, space="0" * 16), pseudo_positives=3)
    with pytest.raises(ValueError, match=r"negative_below=0.9, positive_above=0.8: expected negative_below <="):
        at = NEGATIVES.at(ds=DS, space="0" * 16)
        negatives.Args(towers=IN_BATCH, **TABLES, negatives=at, negative_below=0.9, positive_above=0.8)
    with pytest.raises(ValueError, match="learn=labels: give `qrels`"):
        train_cross_encoder.Args(**settings(start, learn="labels"))
    with pytest.raises(ValueError, match="max_tokens=48: .* reads 32 tokens of both texts"):
        learn(start, max_tokens=48)


def test_files_of_two_versions_are_refused(start: Path) -> None:
    with publish(MADE, Args(MADE)) as out:
        for name in ("config.json", "tokenizer.json", "weights.safetensors"):
            (out.folder / name).write_bytes((start / name).read_bytes())
        save_file({"score.weight": torch.zeros(1, 32)}, out.folder / "head.safetensors")
    with pytest.raises(ValueError, match="head.safetensors has score.weight, expected norm.weight, .*score.bias"):
        read_pair_scorer(pin(MADE), of_dataset(), torch.device("cpu"))
