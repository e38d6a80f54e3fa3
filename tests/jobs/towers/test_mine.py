"""Mining as a job: gate, refusals, kill and go on, both searches, false negatives."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from jobs.bundle.tower_files import write_towers
from jobs.embeddings import embed as embeddings
from jobs.lake.partitions import EMBEDDINGS, ITEMS, NEGATIVES, QRELS, Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin, read_table
from jobs.platform.tracking import client
from jobs.towers import blockwise_search as search
from jobs.towers import negatives
from jobs.towers.resume import Scratch
from models.mining import inverted_lists as lists
from models.towers.space_id import space_id
from models.training.batches import Known
from tests.jobs.towers.classroom import DS, IN_BATCH, ITEM_IDS, QUERY_IDS, TABLES, Args, publish_learning
from tests.killed import killed_at
from tests.models.ann import vectors
from tests.models.shop import ITEMS as TITLES
from tests.models.shop import positives, towers

SETTINGS: dict[str, Any] = {"r_min": 2, "r_max": 20, "per_query": 6}


@pytest.fixture
def mined_at(lake: Path) -> Partition:
    """A lake with towers that were never trained: mining asks no more of them."""
    publish_learning()
    return publish_towers(plateau=True)


def publish_towers(**facts: object) -> Partition:
    torch.manual_seed(0)
    made = towers(bert=False)
    with publish(IN_BATCH, Args(IN_BATCH)) as out:
        write_towers(made, out.folder)
        out.facts.update(space_id=space_id(made), **facts)
    return NEGATIVES.at(ds=DS, space=space_id(made))


def args(mined_at: Partition, **settings: object) -> negatives.Args:
    given = {**SETTINGS, **settings}
    return negatives.Args(towers=IN_BATCH, **TABLES, negatives=mined_at, **given)  # type: ignore[arg-type]


def content(partition: Partition) -> str:
    return pin(partition).manifest.content_sha256


def test_killed_while_encoding_or_searching_it_ends_as_if_nothing_had_been(
    mined_at: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    settings = {**SETTINGS, "block_queries": 5, "chunk_items": 7, "search": "ivf"}
    negatives.main(args(mined_at, **settings))
    straight, said = content(mined_at), pin(mined_at).facts["agreement"]
    scratch = Path(os.environ["NIGHTSHELF_HOME"]) / "scratch"
    for fault, left in (("negatives.items:3", "items.done"), ("negatives.block:2", "block-*.npz")):
        killed_at(fault, lambda: negatives.main(args(mined_at, **settings)))
        (folder,) = scratch.iterdir()
        assert list(folder.glob(left))
    assert (folder / "items.done").read_text() == str(len(TITLES))
    assert len(list(folder.glob("block-*.npz"))) == 2
    encoded: list[int] = []
    monkeypatch.setattr(search.VectorFile, "append", lambda _, part: encoded.append(len(part)))
    negatives.main(args(mined_at, **settings))
    assert encoded == []  # nothing was encoded or sorted twice
    assert content(mined_at) == straight
    assert pin(mined_at).facts["agreement"] == said
    assert not folder.exists()


def test_blocks_embeddings_and_ivf_with_every_list_find_the_same(mined_at: Partition) -> None:
    negatives.main(args(mined_at))
    once = rows(mined_at)
    assert len(pin(mined_at).entries()) == 1
    negatives.main(args(mined_at, block_queries=3, chunk_items=5))
    assert len(pin(mined_at).entries()) > 1
    assert near(rows(mined_at)) == near(once)
    negatives.main(args(mined_at, search="ivf", agreement=1.0))
    assert near(rows(mined_at)) == near(once)
    first = EMBEDDINGS.at(ds=DS, space=mined_at.values["space"], shard="0of2")
    for shard in (first, first.having(shard="1of2")):
        embeddings.main(embeddings.Args(TABLES["items"], IN_BATCH, shard))
    negatives.main(args(mined_at, embeddings=first))
    assert near(rows(mined_at)) == near(once)


def rows(partition: Partition) -> dict[str, dict[str, list[Any]]]:
    return {row["query_id"]: row for row in read_table(pin(partition)).to_pylist()}


def near(found: dict[str, dict[str, list[Any]]]) -> dict[str, list[tuple[str, int]]]:
    """Negatives found by search, without the random items, which follow from the blocks."""
    return {
        name: [(i, r) for i, r in zip(row["item_ids"], row["ranks"], strict=True) if r] for name, row in found.items()
    }


def test_a_bad_index_is_refused(mined_at: Partition, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = lists.layout

    def shuffled(*given: Any) -> Any:
        centroids, offsets, order = layout(*given)
        return centroids, offsets, np.random.default_rng(0).permutation(order)

    def apart(*_: object) -> int:
        return 8

    monkeypatch.setattr(lists, "n_lists", apart)
    monkeypatch.setattr(lists, "layout", shuffled)
    monkeypatch.setattr(lists, "slack_for", lambda *_: -9.0)
    with pytest.raises(RuntimeError, match=r"finds 0\.\d+ of what exact search finds.*search=exact"):
        negatives.main(args(mined_at, search="ivf", r_min=0, r_max=4))


def test_equal_items_are_no_disagreement_of_the_inverted_lists(mined_at: Partition) -> None:
    """100 offers of each of 60 titles: whichever of them a search takes, it has found what exact search finds."""
    sold = np.repeat(vectors.items(60), 100, axis=0)[np.random.default_rng(0).permutation(6_000)]
    asked = vectors.queries(80)
    scratch = Scratch(mined_at, Args(mined_at), [])
    file = scratch.vectors("items", *sold.shape)
    file.append(sold)
    plan = search.SearchPlan("ivf", 10, 60, 40, 0.95, 0)
    found = search.BlockwiseSearch(plan, scratch, file, asked.__getitem__, "cpu")
    nothing = np.zeros(0, np.int64)
    assert len(list(found.blocks(np.arange(80), Known(nothing, nothing, 80)))) == 2
    assert float(str(found.facts["agreement"])) >= 0.95, "by item: .61"
    scratch.remove()


@pytest.mark.parametrize(
    ("facts", "gate", "refused"),
    [
        ({"plateau": False}, "stop", True),
        ({"plateau": False}, "warn", False),
        ({"plateau": True}, "stop", False),
        ({}, "stop", False),
        ({"plateau": False}, "off", False),
    ],
)
def test_the_plateau_gate(
    lake: Path, caplog: pytest.LogCaptureFixture, facts: dict[str, bool], gate: str, refused: bool
) -> None:
    publish_learning()
    mined_at = publish_towers(**facts)
    if refused:
        with pytest.raises(RuntimeError, match="plateau=False.*train step 1 for more epochs"):
            negatives.main(args(mined_at, plateau=gate))
        return
    negatives._check_plateau(args(mined_at, plateau=gate), pin(IN_BATCH))
    warned = "for more epochs" in caplog.text
    assert warned == (not facts.get("plateau") and gate != "off")


def test_false_negatives_where_judged_and_by_estimate(mined_at: Partition) -> None:
    """Judged: everything of query 0, whose right answers are its positives and one that nobody clicked."""
    at = QRELS.at(ds=DS)
    clicked = {i for q, i in positives().tolist() if q == 0}
    negatives.main(args(mined_at, r_min=0, held_out_frac=0.0))
    listed = rows(mined_at)[QUERY_IDS[0]]
    unclicked = listed["item_ids"][2]
    right = {ITEM_IDS[i] for i in clicked} | {unclicked}
    with publish(at, Args(at)) as out:
        out.facts["min_relevance"] = 2.0
        out.write_table(
            pa.table(
                {
                    "query_id": [QUERY_IDS[0]] * len(ITEM_IDS),
                    "item_id": ITEM_IDS,
                    "relevance": [2.0 if item in right else 1.0 for item in ITEM_IDS],
                    "split": ["train"] * len(ITEM_IDS),
                    "source": ["labels"] * len(ITEM_IDS),
                }
            )
        )
    said = negatives.main(args(mined_at, r_min=0, qrels=at, held_out_frac=0.5))
    found = pin(mined_at)
    total = found.facts["false_negatives"][-1]
    assert (total["judged"], total["relevant"]) == (6, 1)
    assert said["false_negatives_relevant_of_judged"] == pytest.approx(1 / 6, abs=1e-6)
    assert total["held_out"] > 0
    assert total["estimate"] > 0
    assert sum(row["mined"] for row in found.facts["false_negatives"][:-1]) == total["mined"]
    logged = client().get_run(found.manifest.mlflow_run_id).data.metrics
    assert logged["false_negatives_relevant_of_judged"] == pytest.approx(1 / 6, abs=1e-6)
    files = {one.path for one in client().list_artifacts(found.manifest.mlflow_run_id)}
    assert {"false_negatives.json", "false_negatives.svg"} <= files
    # judgements measure, they filter nothing
    assert rows(mined_at)[QUERY_IDS[0]]["item_ids"] == listed["item_ids"]


def test_no_negative_is_of_a_positives_group(mined_at: Partition) -> None:
    """Items in pairs of one group: what was clicked takes its neighbour along, random fill included."""
    table = read_table(pin(ITEMS.at(ds=DS)))
    groups = [f"g{ITEM_IDS.index(name) // 2}" for name in table.column("item_id").to_pylist()]
    place = table.schema.get_field_index("group_id")
    with publish(ITEMS.at(ds=DS), Args(ITEMS.at(ds=DS))) as out:
        out.write_table(table.set_column(place, "group_id", pa.array(groups)))
    negatives.main(args(mined_at, r_min=10, r_max=14, per_query=20))
    right: dict[str, set[int]] = {}
    for q, i in positives().tolist():
        right.setdefault(QUERY_IDS[q], set()).add(i // 2)
    for name, row in rows(mined_at).items():
        assert not {ITEM_IDS.index(item) // 2 for item in row["item_ids"]} & right[name]
    assert pin(mined_at).facts["dropped same group"] > 0
    assert pin(mined_at).facts["filled"] > 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"search": "hnsw"}, "expected one of exact, ivf"),
        ({"margin": "much"}, "expected one of off"),
        ({"plateau": "maybe"}, "expected one of stop"),
        ({"near_duplicate": 1.5}, "near_duplicate"),
        ({"block_queries": 0}, "block_queries"),
        ({"r_max": 1}, "r_min"),
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        args(NEGATIVES.at(ds=DS, space="0" * 16), **wrong)


def test_embeddings_of_another_space_are_refused(mined_at: Partition) -> None:
    other = EMBEDDINGS.at(ds=DS, space="0" * 16, shard="0of1")
    with publish(other, Args(other), [pin(ITEMS.at(ds=DS))]) as out:
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.ones(16, np.float32)), 16)
        out.write_table(pa.table({"item_id": ["a"], "content_hash": ["h"], "embedding": vectors}))
        out.facts["space_id"] = "0" * 16
    with pytest.raises(ValueError, match="of another space"):
        negatives.main(args(mined_at, embeddings=other))
