"""Queries of several vectors: search finds each item by its best head, the loss is that of a plain loop, homonyms are found."""

from __future__ import annotations

import math

import faiss
import numpy as np
import pytest
import torch
from torch.nn import functional

from models.ann.exact import nearest
from models.ann.search import ask
from models.evaluation.recall import recall_and_rr
from models.text.tokens import train_tokenizer
from models.towers.config import TowerConfig
from models.towers.encode import encode_items, encode_queries
from models.towers.two_tower import TwoTower
from models.training.batches import Known, Pairs
from models.training.distributed import ProcessGroup
from models.training.examples import Examples, Sampling, batch_columns
from models.training.fit import fit
from models.training.losses import Objective, batch_loss
from models.training.tower_training import TowerPlan, TowerTraining
from tests.models.shop import ITEMS, QUERIES, towers

K, D, N = 3, 8, 300


def unit(*shape: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.mark.parametrize("queries", [5, 300])  # torch, and FAISS
def test_an_item_is_found_by_its_best_head(queries: int) -> None:
    heads, items = unit(queries, K, D, seed=0), unit(N, D, seed=1)
    best = np.einsum("qkd,nd->qkn", heads, items).max(axis=1)
    expected = np.argsort(-best, axis=1)[:, :20]
    asked = heads.reshape(queries, K * D)
    scores, rows = nearest(asked, [items[:100], items[100:]], 20)
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_allclose(scores, np.take_along_axis(best, expected, axis=1), rtol=1e-5)
    index = faiss.IndexFlatIP(D)
    index.add(items)
    np.testing.assert_array_equal(ask(index, asked, 20).items, expected)
    few = ask(index, asked[:2], N + 5)  # more than there are: each item once, then none
    assert [len(set(row[row >= 0].tolist())) for row in few.items] == [N, N]
    assert (few.items[:, N:] == -1).all() and np.isneginf(few.scores[:, N:]).all()


@pytest.mark.parametrize("kind", ["softmax", "triplet"])
@pytest.mark.parametrize("pooling", ["softmax", "max"])
@pytest.mark.parametrize("share", [True, False])
def test_the_loss_is_that_of_the_pooled_scores(kind: str, pooling: str, share: bool) -> None:
    """Each pair's score by definition, then the plain objective over them: values and gradients."""
    rng = np.random.default_rng(3)
    size, table = 6, torch.from_numpy(unit(12, D, seed=2)).double()
    query, item, hard = np.arange(size), rng.integers(0, 12, size), rng.integers(0, 12, (size, 2))
    known = Known(query, item, size)
    columns = batch_columns(query, item, item[:0], hard, known, np.ones(12, np.float32))
    objective = Objective(kind, 0.2, margin=0.4, share_hard=share, head_pooling=pooling)
    leaves = [torch.from_numpy(unit(size, K * D, seed=4)), table[torch.from_numpy(columns.item)].float()]
    leaves = [leaf.clone().requires_grad_() for leaf in leaves]
    scale = torch.tensor(-math.log(0.2))
    found = batch_loss(objective, *leaves, columns.weigh(objective, 1.0), scale, ProcessGroup())

    heads = leaves[0].detach().double().requires_grad_()
    by_head = torch.einsum("qkd,nd->qkn", heads.view(size, K, D), table)
    weight = torch.softmax(by_head / 0.2, dim=1)
    scores = by_head.amax(dim=1) if pooling == "max" else (by_head * weight).sum(dim=1)
    total, pool = heads.new_zeros(()), 0.0
    for b in range(size):
        drawn = [*item.tolist(), *(hard.ravel() if share else hard[b]).tolist()]
        others = scores[b, [i for i in drawn if i != item[b]]]
        if kind == "softmax":
            terms = torch.cat([scores[b, item[b]][None], others]) / 0.2
            total, pool = total + functional.cross_entropy(terms[None], torch.zeros(1, dtype=torch.long)), pool + 1
        else:
            total, pool = total + functional.relu(others - scores[b, item[b]] + 0.4).sum(), pool + len(others)
    expected = total / pool
    expected.backward()
    assert found == pytest.approx(float(expected.detach()), rel=1e-5)
    assert heads.grad is not None and leaves[0].grad is not None
    assert torch.allclose(leaves[0].grad.double(), heads.grad, atol=1e-6)


@pytest.mark.parametrize("settings", [{"bert": False}, {}, {"shared": False}, {"query_layers": 1}])
def test_heads_are_unit_vectors_and_part_of_the_state(settings: dict[str, object]) -> None:
    found = towers(heads=2, **settings)  # type: ignore[arg-type]
    vectors = found.encode_queries(QUERIES)
    assert vectors.shape == (len(QUERIES), 32) and found.encode_items(ITEMS).shape == (len(ITEMS), 16)
    assert torch.allclose(vectors.view(-1, 2, 16).norm(dim=2), torch.ones(len(QUERIES), 2))
    again = TwoTower.from_state(*found.state())
    assert torch.equal(again.encode_queries(QUERIES), vectors)
    names = found.state()[2]
    assert len(names) == len({tensor.data_ptr() for tensor in names.values()}) and "query_tower.heads" in names
    if settings.get("shared", True):
        assert found.query_tower.trigrams is found.item_tower.trigrams


def test_one_head_makes_the_towers_that_there_were() -> None:
    assert "heads" not in towers().state()[0] and not any("heads" in name for name in towers().state()[2])
    assert TowerConfig(dim=16, heads=2).query_width == 32
    with pytest.raises(ValueError, match="heads=2, cut=8"):
        TowerConfig(dim=16, heads=2, cut=8)


SENSES = [f"{a}{b}" for a in ("bar", "kol", "zim", "tar", "vex", "hud") for b in ("uvo", "ipse", "egra", "ony", "alt")]
SPACE = 5  # dimensions that items use, of 16
PAIRED = [sorted(np.random.default_rng(h).choice(len(SENSES), 2, replace=False).tolist()) for h in range(30)]
HOMONYMS = [
    f"{a}{b}" for a in ("apple", "java", "mercury", "jaguar", "amazon") for b in ("w", "mi", "ny", "fu", "ce", "go")
]


def homonym_recall(heads: int) -> tuple[float, float]:
    """R@16 of the homonyms, whose 16 items are of two senses, and R@8 of the senses' own names.

    Items stay where they are, as they would for all their other queries: between two senses lie other senses.
    """
    items = [f"{sense} {'abcdefgh'[n]}{number}x" for number, sense in enumerate(SENSES) for n in range(8)]
    texts = [*HOMONYMS, *SENSES]
    pairs = [(h, 8 * sense + n) for h, both in enumerate(PAIRED) for sense in both for n in range(8)]
    pairs += [(len(HOMONYMS) + s, 8 * s + n) for s in range(len(SENSES)) for n in range(8)]
    query, item = np.array(pairs).T
    torch.manual_seed(0)
    config = TowerConfig(dim=16, trigram_buckets=1 << 12, heads=heads, shared=False)
    found = TwoTower(config, train_tokenizer(items, 200))
    with torch.no_grad():
        found.item_tower.trigrams.bag.weight[:, SPACE:] = 0.0
    known = Known(query, item, len(texts))
    stores = found.store_queries(texts), found.store(items)
    data = Examples(*stores, Pairs(query, item), known, lambda rows: [items[row] for row in rows], found.store_queries)
    plan = TowerPlan(
        Sampling(64, synthetic_frac=0.0), 25, lr=1e-2, trigram_lr=3e-2, objective=Objective(temperature=0.1)
    )
    training = TowerTraining(found, data, plan)
    frozen = {id(weight) for weight in found.item_tower.parameters()}
    for group in training.optimiser.param_groups:
        group["params"] = [weight for weight in group["params"] if id(weight) not in frozen]
    for _ in fit(training):
        pass
    found.eval()
    rows = nearest(encode_queries(found, texts), [encode_items(found, items)], 16)[1]
    recall = recall_and_rr(rows, np.arange(len(texts)), known)[0]
    own = recall_and_rr(rows[:, :8], np.arange(len(texts)), known)[0]
    return float(recall[: len(HOMONYMS)].mean()), float(own[len(HOMONYMS) :].mean())


def test_two_heads_find_both_senses_of_a_homonym() -> None:
    one, two = homonym_recall(1), homonym_recall(2)
    assert two[0] > one[0] + 0.1, (one, two)
    assert two[1] > one[1] - 0.05, (one, two)
