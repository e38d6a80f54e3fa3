"""Recall of an index as the gate reads it, where many items are equal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa
import pytest

from jobs.bundle.reader import Bundle
from jobs.evaluation import index_health
from jobs.lake.partitions import EMBEDDINGS
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from models.ann.codes import filled
from models.ann.train import train
from models.evaluation.gate import GateLimits
from tests.models.ann.vectors import DIM, items, queries

ASKED, COPIES = queries(60), 30
SOLD = np.repeat(items(100), COPIES, axis=0)[np.random.default_rng(0).permutation(100 * COPIES)]


@dataclass(frozen=True)
class Args:
    """x  anything"""

    x: str = ""


@pytest.fixture
def shards(lake: Path) -> list[Pinned]:
    """Vectors of 100 titles, 30 offers each."""
    at = EMBEDDINGS.at(ds="2026-01-31", space="7f3a5c1e9b2d4a60", shard="0of1")
    with publish(at, Args()) as out:
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(SOLD.ravel()), DIM)
        ids = [f"i{row:04d}" for row in range(len(SOLD))]
        out.write_table(pa.table({"item_id": ids, "content_hash": ids, "embedding": vectors}))
    return [pin(at)]


def bundle(index: faiss.Index, shards: list[Pinned], rows: np.ndarray) -> Bundle:
    """A bundle of these rows of the catalogue, whose encoder knows the queries by number."""
    if not index.ntotal:
        index.add(SOLD[rows])
    ids = pa.array([f"i{row:04d}" for row in rows], pa.large_string())
    facts = {"recall_depth": 100, "nprobe": 0, "search": {}}
    return Bundle(shards[0], lambda texts: ASKED[[int(text) for text in texts]], index, ids, ids, facts)


def test_a_flat_index_of_equal_items_reads_1_and_passes_the_gate(shards: list[Pinned]) -> None:
    asked = [str(number) for number in range(len(ASKED))]
    every = np.arange(len(SOLD))
    flat = bundle(faiss.IndexFlatIP(DIM), shards, every)
    found = index_health.recall(flat, asked, shards)
    assert found["index_recall"] == 1.0 >= GateLimits.min_index_recall
    assert index_health.recall(flat, asked, [])["index_recall"] == 1.0


def test_what_an_index_lost_is_still_missing(shards: list[Pinned]) -> None:
    """A whole title gone from the index costs what it was worth; an item that only the index has is never wanted."""
    asked = [str(number) for number in range(len(ASKED))]
    first = shards[0]
    title = np.flatnonzero(np.equal(SOLD, SOLD[0]).all(axis=1))
    left = np.setdiff1d(np.arange(len(SOLD)), title)
    scores = ASKED @ SOLD.T
    hundredth = -np.sort(-scores, axis=1)[:, 99]
    above = (scores > hundredth[:, None] + 1e-6).sum(axis=1)
    own = scores[:, title[0]]
    lost = np.where(own > hundredth + 1e-6, COPIES, np.where(np.abs(own - hundredth) <= 1e-6, 100 - above, 0))
    found = index_health.recall(bundle(faiss.IndexFlatIP(DIM), shards, left), asked, [first])["index_recall"]
    assert lost.sum() > 0
    assert found == pytest.approx(1 - lost.sum() / (100 * len(ASKED)), abs=1e-3)


def test_few_lists_visited_are_told_from_equal_codes(shards: list[Pinned]) -> None:
    """Without vectors an exhaustive search of the index itself is the measure: equal codes stand for each other."""
    asked = [str(number) for number in range(len(ASKED))]
    index = filled(train(SOLD, "IVF16,SQ8"), "IVF16,SQ8", SOLD)[0]
    made = bundle(index, shards, np.arange(len(SOLD)))
    made.facts["search"] = {"nprobe": 16}
    assert index_health.recall(made, asked, [])["index_recall"] == 1.0
