"""Bulk encoding: by position, like one by one, bounded."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.text.text_store import buckets, even_chunks, padded, padding_frac
from models.towers import encode
from models.towers.encode import encode_items, encode_queries, encode_store, item_vectors, store_vectors
from tests.models.shop import ITEMS, QUERIES, towers


@pytest.mark.parametrize("budget", [1, 40, 100_000])
@pytest.mark.parametrize("bert", [False, True])
def test_vectors_stand_where_their_texts_stand(bert: bool, budget: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "_CHUNK", 7)
    found = towers(bert)
    texts = [*ITEMS, "", "x", *QUERIES]
    alone = torch.cat([found.encode_items([text]) for text in texts]).numpy()
    assert np.allclose(encode_items(found, texts, budget, "fp32"), alone, atol=1e-5)
    near = (encode_items(found, texts, budget, "bf16") * alone).sum(axis=1)
    assert near.min() > 0.999
    typed = [text.upper() for text in QUERIES]
    alone = torch.cat([found.encode_queries([text]) for text in QUERIES]).numpy()
    assert np.allclose(encode_queries(found, typed, budget, "fp32"), alone, atol=1e-5)
    assert encode_items(found, []).shape == (0, 16)


def test_one_chunk_is_read_at_a_time() -> None:
    read: list[int] = []

    def chunks() -> object:
        for start in range(0, 30, 10):
            read.append(start)
            yield ITEMS[start : start + 10]

    vectors = item_vectors(towers(bert=False), chunks())  # type: ignore[arg-type]
    assert not read
    assert next(vectors).shape == (10, 16)
    assert read == [0]


@pytest.mark.parametrize("precision", ["auto", "bf16", "fp32"])
def test_twice_the_same_vectors_to_the_bit(precision: str) -> None:
    found = towers()
    first, second = (encode_items(found, ITEMS, precision=precision) for _ in range(2))
    assert np.array_equal(first, second)


def test_a_store_chunk_by_chunk() -> None:
    found = towers()
    store = found.store([*ITEMS, "bardzo " * 30])
    parts = list(store_vectors(found.forward_items, store, found, precision="fp32", chunk=10))
    assert [len(part) for part in parts] == [10, 10, 10, 3]
    whole = encode_store(found.forward_items, store, 4096, found, "fp32")
    assert np.allclose(np.concatenate(parts), whole, atol=1e-6)


def test_padding_by_hand() -> None:
    sizes = np.array([5, 3, 0, 2])
    groups = [np.array([0, 1]), np.array([3, 2]), np.array([2])]
    assert padded(sizes, groups) == (10, 4)  # 2 + 2 in rectangles of 2 x 5, 2 x 2 and 1 x 0
    assert padding_frac(sizes, groups) == pytest.approx(4 / 14)
    assert padding_frac(sizes, []) == 0.0
    assert padding_frac(sizes, [np.array([2])]) == 0.0


def test_even_chunks_waste_less_than_chunks_of_so_many_texts() -> None:
    sizes = np.random.default_rng(0).geometric(0.1, 1000)
    groups = even_chunks(sizes, 50)
    assert sorted(np.concatenate(groups).tolist()) == list(range(1000))
    order = np.argsort(-sizes)
    plain = [order[start : start + 50] for start in range(0, 1000, 50)]
    assert len(groups) <= 1.2 * len(plain)
    assert padding_frac(sizes, groups) < 0.75 * padding_frac(sizes, plain)
    largest = [max(len(rows) * sizes[rows].max() for rows in one) for one in (groups, plain)]
    assert largest[0] < 0.5 * largest[1]
    assert even_chunks(np.zeros(0, np.int64), 5) == []
    assert [rows.tolist() for rows in even_chunks(np.array([1, 9]), 1)] == [[1], [0]]


def test_training_goes_on_as_it_was() -> None:
    found = towers().train()
    encode_items(found, ITEMS)
    assert found.training
    assert not any(p.grad is not None for p in found.parameters())


def test_buckets_hold_every_row_once_within_the_budget() -> None:
    sizes = np.random.default_rng(0).integers(0, 60, 1000)
    groups = list(buckets(sizes, 256))
    assert sorted(np.concatenate(groups).tolist()) == list(range(1000))
    for rows in groups:
        assert len(rows) * max(1, sizes[rows].max()) <= 256 or len(rows) == 1
    used = sum(sizes[rows].sum() for rows in groups)
    paid = sum(len(rows) * sizes[rows].max() for rows in groups)
    assert used > 0.9 * paid  # padding costs less than a tenth
