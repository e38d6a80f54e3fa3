"""Training as a job: steps 1 and 3, what reaches the model, kill and go on, refusals."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.bundle.tower_files import check_golden, load_towers
from jobs.lake.arrow_schema import arrow_schema
from jobs.lake.partitions import NEGATIVES
from jobs.lake.publish import publish
from jobs.lake.read import pin, read_table
from jobs.platform.tracking import client
from jobs.towers import negatives
from jobs.towers import train as towers
from jobs.towers.dataset import read_dataset
from models.text.normalise import query_id
from models.towers.encode import encode_items
from models.towers.space_id import space_id
from models.towers.two_tower import TwoTower
from models.training.tower_training import TowerTraining
from tests.jobs.towers.classroom import DS, IN_BATCH, ITEM_IDS, QUERY_IDS, SECRET, SMALL, STAR, TABLES, publish_learning
from tests.killed import killed_at
from tests.models.shop import ITEMS, QUERIES, positives


def train(**settings: object) -> dict[str, object]:
    return towers.main(towers.Args(**{**TABLES, "towers": IN_BATCH, **SMALL, **settings}))  # type: ignore[arg-type]


@pytest.fixture
def classroom(lake: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    publish_learning()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return lake


def test_the_corridor_of_training(classroom: Path) -> None:
    """Step 1, mining, step 3: every figure in its place, every contract kept."""
    said = train()
    first = pin(IN_BATCH)
    assert said["space_id"] == first.facts["space_id"]
    assert {"config.json", "tokenizer.json", "weights.safetensors", "golden.json", "curves.parquet"} == {
        entry.name for entry in first.entries()
    }
    found = load_towers(first)
    check_golden(found, first)
    assert found.config.dim == first.facts["dim"] == 16
    counted = first.manifest.accounting[0]
    assert counted.dropped["query or item unknown"] == 1  # the pair of the item that is gone
    curves = pq.read_table(first.path("curves.parquet"))
    assert curves.column("R@60").drop_null().length() == 3  # one per epoch
    assert not (Path(os.environ["NIGHTSHELF_HOME"]) / "checkpoints").exists() or not any(
        (Path(os.environ["NIGHTSHELF_HOME"]) / "checkpoints").iterdir()
    )
    measures = client().get_run(first.manifest.mlflow_run_id).data.metrics
    assert {"loss", "lr", "R_at_60", "RR_at_60"} <= measures.keys()

    # only what may: no text of a test query in the tokenizer
    assert SECRET not in first.path("tokenizer.json").read_text("utf-8")
    assert SECRET not in first.path("golden.json").read_text("utf-8")

    mined_at = NEGATIVES.at(ds=DS, space=space_id(found))
    negatives.main(negatives.Args(towers=IN_BATCH, **TABLES, negatives=mined_at, r_min=1, r_max=20, per_query=6))
    check_negatives(found)

    train(towers=STAR, start=IN_BATCH, negatives=mined_at, hard_negatives=2)
    second = pin(STAR)
    assert second.facts["best_epoch"] >= 0.0  # 0: step 1's towers, when no epoch bettered them
    assert [source.partition for source in second.manifest.inputs][3:] == [str(IN_BATCH), str(mined_at)]

    train(towers=STAR, seed=5, max_steps=1)
    other = NEGATIVES.at(ds=DS, space=pin(STAR).facts["space_id"])
    negatives.main(negatives.Args(towers=STAR, **TABLES, negatives=other))
    with pytest.raises(ValueError, match="mined in another space"):
        train(towers=STAR, start=IN_BATCH, negatives=other)
    with pytest.raises(ValueError, match="has space id"):
        wrong = NEGATIVES.at(ds=DS, space="0" * 16)
        negatives.main(negatives.Args(towers=IN_BATCH, **TABLES, negatives=wrong))


def test_negatives_of_another_catalogue_are_refused(classroom: Path) -> None:
    dataset = read_dataset(*(pin(TABLES[name]) for name in ("pairs", "queries", "items")))
    mined = NEGATIVES.at(ds=DS, space="0" * 16)
    for gone in (2, 3):  # of four; half may have left since
        lists = [[*ITEM_IDS[: 4 - gone], *(f"gone {n}" for n in range(gone))]]
        figures = {"ranks": [[1, 2, 3, 4]], "scores": [[0.5] * 4], "pseudo_positives": [[]]}
        rows = {"query_id": QUERY_IDS[:1], "item_ids": lists, **figures}
        with publish(mined, towers.Args(**TABLES, towers=IN_BATCH)) as out:
            out.write_table(pa.table(rows, schema=arrow_schema(NEGATIVES)))
        if gone == 2:
            assert len(dataset.negatives(pin(mined)).values) == 2
    with pytest.raises(ValueError, match=r"of 4 mined items 1 are in items/ds=.*expected half"):
        dataset.negatives(pin(mined))


def check_negatives(found: TwoTower) -> None:
    """One list per train query; by brute force over the catalogue; never a known positive."""
    mined = pin(NEGATIVES.at(ds=DS, space=space_id(found)))
    rows = {row["query_id"]: row for row in read_table(mined).to_pylist()}
    assert set(rows) == {QUERY_IDS[q] for q in range(len(QUERIES)) if q % 5 != 4}
    assert query_id(SECRET) not in rows
    right = {(QUERY_IDS[q], ITEM_IDS[i]) for q, i in positives().tolist()}
    items = encode_items(found, ITEMS)
    for name, row in rows.items():
        assert not {(name, item) for item in row["item_ids"]} & right
        assert len(set(row["item_ids"])) == len(row["item_ids"]) == len(row["ranks"]) == 6
        scores = found.encode_queries([QUERIES[QUERY_IDS.index(name)]]).numpy()[0] @ items.T
        order = [ITEM_IDS[i] for i in np.argsort(-scores)]
        near = [item for item in order[1:20] if (name, item) not in right][:6]
        close = [item for item, rank in zip(row["item_ids"], row["ranks"], strict=True) if rank]
        assert close == near[: len(close)]
        assert [order[rank - 1] for rank in row["ranks"] if rank] == close
        assert all((score is None) == (rank == 0) for score, rank in zip(row["scores"], row["ranks"], strict=True))


def test_killed_and_started_again_it_ends_as_if_nothing_had_been(classroom: Path) -> None:
    straight = train(towers=IN_BATCH, checkpoint_s=0.0)["space_id"]
    killed_at("towers.step:8", lambda: train(towers=STAR, checkpoint_s=0.0))
    (checkpoint,) = (Path(os.environ["NIGHTSHELF_HOME"]) / "checkpoints").iterdir()
    again = train(towers=STAR, checkpoint_s=0.0)
    assert again["space_id"] == straight
    assert not checkpoint.exists()
    steps = pq.read_table(pin(STAR).path("curves.parquet")).column("step").to_pylist()
    assert steps == list(range(1, len(steps) + 1))


def test_a_checkpoint_of_other_settings_is_not_gone_on_from(classroom: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(towers, "write_trained", stop)
        train(checkpoint_s=0.0)
    first = train(seed=1)["space_id"]
    assert train(seed=1)["space_id"] == first  # the same arguments, the same weights


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"preset": "huge"}, "expected one of tiny"),
        ({"share_hard_negatives": "yes"}, "expected one of on, off"),
        ({"negatives": NEGATIVES.at(ds=DS, space="0" * 16)}, "give `start`"),
        ({"hard_negatives": 0}, "hard_negatives"),
        ({"temperature": 5.0}, "temperature=5.0: expected 0.001 to 1"),
        ({"temperature": 0.0001}, "temperature=0.0001: expected 0.001 to 1"),
        ({"max_steps": -1}, "max_steps=-1: expected 0 or more"),
        ({"checkpoint_s": -1.0}, "checkpoint_s=-1.0: expected 0 or more"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_read(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        towers.Args(**{**TABLES, "towers": IN_BATCH, **wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize("settings", [{}, {"loss": "pairwise"}, {"start": IN_BATCH, "towers": STAR}])
def test_towers_that_had_no_negative_are_not_published(classroom: Path, settings: dict[str, object]) -> None:
    """Every query of a batch shares its positive: the loss is 0 throughout."""
    from tests.jobs.towers import classroom as made

    if "start" in settings:
        train(max_steps=1)
    target = TABLES["pairs"]
    table = read_table(pin(target))
    one = table.set_column(1, "item_id", pa.array([ITEM_IDS[0]] * len(table)))
    with made.publish(target, made.Args(target)) as out:
        out.write_table(one)
    name = settings.get("towers", IN_BATCH)
    with pytest.raises(RuntimeError, match=rf"{name}: the loss stayed 0 without a gradient in .* nothing is published"):
        train(synthetic_queries=0.0, **settings)
    with pytest.raises(LookupError):
        pin(name)  # type: ignore[arg-type]
    # made-up queries bring other items along
    assert train(**settings)["space_id"]


def test_towers_whose_items_all_read_the_same_are_not_published(classroom: Path) -> None:
    """The loss is the logarithm of the batch's items and no step changes it: a constant above 0."""
    from tests.jobs.towers import classroom as made

    target = TABLES["items"]
    table = read_table(pin(target))
    for name in ("title", "text"):
        table = table.set_column(table.column_names.index(name), name, pa.array(["kubek"] * len(table)))
    with made.publish(target, made.Args(target)) as out:
        out.write_table(table)
    with pytest.raises(RuntimeError, match=r"the loss stayed \d\.\d+ without a gradient in each of the \d+ steps"):
        train(synthetic_queries=0.0)
    with pytest.raises(LookupError):
        pin(IN_BATCH)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        # the loss came before the update
        (1, r"weights hold values that are no finite numbers, .*trigrams.* among them"),
        (2, "step 2: the loss is nan; lower the learning rate"),
    ],
)
def test_a_training_that_diverged_publishes_nothing(
    classroom: Path, monkeypatch: pytest.MonkeyPatch, steps: int, said: str
) -> None:
    update = TowerTraining.update

    def spoilt(self: TowerTraining) -> None:
        update(self)
        self.towers.item_tower.trigrams.bag.weight.data.fill_(float("nan"))

    monkeypatch.setattr(TowerTraining, "update", spoilt)
    with pytest.raises(RuntimeError, match=said):
        train(max_steps=steps)
    with pytest.raises(LookupError):
        pin(IN_BATCH)


def test_more_dimensions_than_there_are_cannot_be_kept(classroom: Path) -> None:
    with pytest.raises(ValueError, match="truncate_dim=17: expected at most the 16"):
        train(truncate_dim=17)


def test_pairs_of_other_queries_are_no_training(classroom: Path) -> None:
    """Asked for a day without train pairs, the job says so."""
    from tests.jobs.towers import classroom as made

    target = TABLES["pairs"]
    table = read_table(pin(target))
    none = table.filter(np.array(table.column("split").to_pylist()) == "dev")
    with made.publish(target, made.Args(target)) as out:
        out.write_table(none)
    with pytest.raises(ValueError, match="none is of split train"):
        train()


def test_golden_vectors_that_moved_are_refused(classroom: Path) -> None:
    train(max_steps=1)
    found = pin(IN_BATCH)
    golden = json.loads(found.path("golden.json").read_text())
    assert golden["queries"]
    assert golden["items"]
    twisted = load_towers(found)
    twisted.item_tower.trigrams.bag.weight.data.neg_()
    twisted.item_tower.trigrams.bag.weight.data[::2] = 0.1
    with pytest.raises(RuntimeError, match="golden vector"):
        check_golden(twisted, found)
