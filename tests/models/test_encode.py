"""Bulk encoding: by position, like one by one, bounded."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models import encode
from models.encode import encode_items, encode_queries, item_vectors
from models.texts import buckets
from tests.models.shop import ITEMS, QUERIES, towers


@pytest.mark.parametrize("budget", [1, 40, 100_000])
@pytest.mark.parametrize("bert", [False, True])
def test_vectors_stand_where_their_texts_stand(
    bert: bool, budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode, "_CHUNK", 7)
    found = towers(bert)
    texts = [*ITEMS, "", "x", *QUERIES]
    alone = torch.cat([found.encode_items([text]) for text in texts]).numpy()
    assert np.allclose(encode_items(found, texts, budget), alone, atol=1e-5)
    typed = [text.upper() for text in QUERIES]
    alone = torch.cat([found.encode_queries([text]) for text in QUERIES]).numpy()
    assert np.allclose(encode_queries(found, typed, budget), alone, atol=1e-5)
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
