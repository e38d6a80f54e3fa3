"""Margin MSE: by hand, against a plain double loop, and what it teaches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from models.text.ragged import ragged
from models.training.distillation import Lesson, Teacher, distil
from models.training.distributed import ProcessGroup
from models.training.examples import Batch
from models.training.fit import fit
from models.training.tower_training import TowerTraining
from tests.models.shop import ITEMS, QUERIES, examples, plan, positives, towers


def score(query: np.ndarray, item: np.ndarray) -> np.ndarray:
    """A teacher with an opinion of its own of each pair."""
    return np.sin(3.0 * query + 7.0 * item).astype(np.float32) * 4


def test_the_loss_by_hand() -> None:
    """Two queries, scale 10. Margins of the towers 10 (.8 - .6) = 2 and 10 (1 - 0) = 10, of the teacher 5 and 9.5; the
    second negative of query 1 is none. (2 - 5)^2 + (10 - 9.5)^2 = 9.25."""
    queries = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    items = torch.tensor([[0.8, 0.6], [0.6, 0.8], [0.0, 1.0], [1.0, 0.0]])
    lesson = Lesson(
        np.array([0, 2]),
        np.array([[1, 0], [3, 2]]),
        np.array([[5.0, 99.0], [9.5, 99.0]], np.float32),
        np.array([[1.0, 0.0], [1.0, 0.0]], np.float32),
    )
    assert float(lesson.loss(queries, items, 10.0)) == pytest.approx(9.25, abs=1e-4)


def batch_of(training: TowerTraining) -> Batch:
    return next(training.batches(0))


def lists() -> list[list[int]]:
    """Mined lists; every third query has none."""
    return [[] if q % 3 == 2 else [(q + 5) % len(ITEMS), (q + 9) % len(ITEMS)] for q in range(len(QUERIES))]


def begun(weight: float = 0.5, of_queries: int = len(QUERIES), **settings: object) -> TowerTraining:
    of = towers(bert=False)
    given = plan(sampling={"hard": 2, "synthetic_frac": 0.5}, precision="fp32", **settings)
    return TowerTraining(of, examples(of, ragged(lists())), given, Teacher(score, of_queries, weight))


def naive(batch: Batch, queries: Tensor, items: Tensor, scale: float) -> Tensor:
    """The definition, pair by pair."""
    columns, right = batch.columns, {tuple(pair) for pair in positives().tolist()}
    terms = []
    for b, q in enumerate(batch.query.tolist()):
        if q >= len(QUERIES):
            continue  # made-up
        own = int(columns.item[columns.positive[b]])
        for column in columns.hard[b].tolist():
            item = int(columns.item[column])
            if (q, item) in right:
                continue
            apart = scale * (queries[b] @ items[columns.positive[b]] - queries[b] @ items[column])
            margin = score(np.array([q]), np.array([own]))[0] - score(np.array([q]), np.array([item]))[0]
            terms.append((apart - float(margin)) ** 2)
    return torch.stack(terms).mean()


def test_loss_and_gradient_are_the_plain_loops() -> None:
    training = begun()
    batch = batch_of(training)
    assert (batch.query >= len(QUERIES)).any() and (batch.query < len(QUERIES)).any()
    rng = torch.Generator().manual_seed(0)
    leaves = [
        torch.nn.functional.normalize(torch.randn(count, 8, generator=rng)).requires_grad_()
        for count in (len(batch), len(batch.columns.item))
    ]
    assert training.teacher is not None
    loss = distil(training.teacher, batch, *leaves, 20.0, ProcessGroup())
    plain = [leaf.detach().clone().requires_grad_() for leaf in leaves]
    expected = 0.5 * naive(batch, *plain, 20.0)
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    for leaf, other in zip(leaves, plain, strict=True):
        assert leaf.grad is not None
        assert torch.allclose(leaf.grad, other.grad, atol=1e-5)


def test_it_is_added_to_the_loss_of_the_training() -> None:
    without, taught = begun(), begun()
    without.teacher = None
    batch = batch_of(taught)
    losses = [one.gradient(batch)[0] for one in (without, taught)]
    with torch.no_grad():
        vectors = taught.towers.forward_queries(batch.queries), taught.towers.forward_items(batch.items)
        expected = 0.5 * float(naive(batch, *vectors, 20.0))
    assert losses[1] - losses[0] == pytest.approx(expected, rel=1e-4)


def test_the_towers_come_to_the_teachers_margins() -> None:
    training = begun(weight=20.0, epochs=40)
    batch = batch_of(training)

    def apart() -> float:
        with torch.no_grad():
            vectors = training.towers.forward_queries(batch.queries), training.towers.forward_items(batch.items)
            return float(naive(batch, *vectors, 20.0))

    before = apart()
    list(fit(training))
    assert apart() < 0.3 * before


def test_a_batch_without_a_taught_query_teaches_nothing() -> None:
    training = begun(of_queries=0)
    batch = batch_of(training)
    leaves = [torch.eye(4)[:1].repeat(count, 1).requires_grad_() for count in (len(batch), len(batch.columns.item))]
    assert training.teacher is not None
    assert distil(training.teacher, batch, *leaves, 20.0, ProcessGroup()) == 0.0
    assert all(float(leaf.grad.abs().sum()) == 0.0 for leaf in leaves if leaf.grad is not None)
