"""BERT without padding, mask or graph: the vectors of the padded one, in fp32 and in bf16."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.text.ragged import Ragged, ragged
from models.text.text_store import buckets
from models.towers import encode
from models.towers import packed_bert as packed
from models.towers.encode import _PACK_FROM, encode_items, encode_queries, encode_store, rectangles
from models.towers.packed_bert import PackedBert
from models.towers.tower import BertEncoder, new_bert
from tests.benchmarks._pairs import bert_towers, texts
from tests.models.shop import towers

SETTINGS = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 40,
}


def tokens(lengths: list[int], seed: int = 0) -> Ragged:
    rng = np.random.default_rng(seed)
    return ragged([rng.integers(1, 100, length).tolist() for length in lengths])


@pytest.fixture
def encoder() -> BertEncoder:
    """Random weights, biases and norms too."""
    torch.manual_seed(0)
    found = BertEncoder(new_bert(SETTINGS, 100, 0)).eval()
    for weight in found.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return found


@pytest.mark.parametrize("at_once", [1, 7, 50, 10_000])
@pytest.mark.parametrize("act", ["gelu", "relu"])
def test_packed_is_padded(at_once: int, act: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    found = BertEncoder(new_bert(SETTINGS | {"hidden_act": act}, 100, 0)).eval()
    for weight in found.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    monkeypatch.setattr(packed, "_TOKENS", at_once)
    given = tokens([5, 1, 40, 5, 3, 0, 17, 5, 1, 0, 2])
    ids, mask = given.pad(0)
    with torch.inference_mode():
        expected = found(torch.from_numpy(ids), torch.from_numpy(mask))
        made = PackedBert(found.bert, torch.float32)(given)
    assert torch.allclose(made, expected, atol=1e-5)
    assert made[5].abs().max() == 0, "a text without tokens"


def test_nothing_and_one(encoder: BertEncoder) -> None:
    made = PackedBert(encoder.bert, torch.float32)
    assert made(tokens([])).shape == (0, 32)
    one = made(tokens([3]))
    assert torch.allclose(functional.normalize(one, dim=1), one)


def test_many_texts_are_packed_and_the_weights_stay() -> None:
    found = towers().train()
    names = [f"buty {row} " + "czarne " * (row % 9) for row in range(_PACK_FROM)]
    before = {name: weight.clone() for name, weight in found.named_parameters()}
    made = encode_items(found, names, precision="fp32")
    few = np.concatenate([encode_items(found, names[s : s + 32], precision="fp32") for s in range(0, 256, 32)])
    np.testing.assert_allclose(made, few, atol=1e-5)
    asked = encode_queries(found, names, precision="fp32")
    few = np.concatenate([encode_queries(found, names[s : s + 32], precision="fp32") for s in range(0, 256, 32)])
    np.testing.assert_allclose(asked, few, atol=1e-5)
    assert found.training
    assert found.item_tower.bert.packed is None
    assert all(torch.equal(weight, before[name]) for name, weight in found.named_parameters())
    sizes = found.store(names).sizes
    assert rectangles(found, sizes, 256) == (int(sizes.sum()), 0)
    used, padding = rectangles(found, sizes[:100], 256)
    paid = sum(len(rows) * sizes[rows].max() for rows in buckets(sizes[:100], 256))
    assert (used, used + padding) == (sizes[:100].sum(), paid)
    assert rectangles(towers(bert=False), sizes, 256) == (0, 0)


def test_an_error_leaves_no_copy_behind() -> None:
    found = towers()
    store = found.store(["buty"] * _PACK_FROM)

    def broken(_: object) -> torch.Tensor:
        assert found.item_tower.bert.packed is not None
        raise KeyError("x")

    with pytest.raises(KeyError):
        encode_store(broken, store, 4096, found)
    assert found.item_tower.bert.packed is None


def test_bf16_stays_near_fp32_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real weights, titles of 14 to 64 tokens; sentence-transformers' own bf16 falls to .996."""
    monkeypatch.setattr(encode, "_PACK_FROM", 1)
    found, titles = bert_towers(), texts(48).titles
    exact = encode_items(found, titles, precision="fp32")
    near = encode_items(found, titles, precision="bf16")
    assert 0.9995 <= (exact * near).sum(axis=1).min() < 0.999999, "and it is bf16 indeed"
