"""Losses by hand and against a plain double loop: values and gradients, for every option."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from models.training import losses as tiles
from models.training.batches import Known
from models.training.distributed import ProcessGroup
from models.training.examples import BatchColumns, ListedNegatives, batch_columns
from models.training.losses import Objective, batch_loss
from tests.models.training.naive_loss import naive_loss

N, D = 40, 8
OPTIONS: list[dict[str, object]] = [
    {},
    {"symmetric": True},
    {"logq": True},
    {"hardest": 3},
    {"hardest": 500},
    {"share_hard": False},
    {"in_batch": 0.3, "uniform": 2.0, "hard": 0.7},
    {"in_batch": 0.0, "uniform": 0.0},
    {"easy_per_hard": 5.0},
    {"easy_per_hard": 5.0, "share_hard": False, "logq": True},
    {"hard_ramp_frac": 0.8},
    {"judged": 2.5, "unclicked": 0.4},
    {"judged": 0.0, "unclicked": 3.0, "share_hard": False, "hardest": 2},
    {"hard_ramp_frac": 0.8, "hardest": 2, "share_hard": False, "symmetric": True, "logq": True},
]


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(*shape, generator=generator), dim=-1)


class Drawn:
    """A batch with repeated queries, repeated items, and known positives among all its sources."""

    def __init__(self, size: int, per_query: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.query = rng.integers(0, size, size)
        self.item, self.uniform = rng.integers(0, N, size), rng.integers(0, N, 7)
        self.hard = rng.integers(0, N, (size, per_query))
        asked, right = rng.integers(0, size, 5 * size), rng.integers(0, N, 5 * size)
        asked, right = np.append(asked, self.query), np.append(right, self.item)
        self.frequency = rng.uniform(0.2, 6.0, N).astype(np.float32)
        known = Known(asked, right, size)
        # half of the rows have no list of either kind; both kinds share items with every other source
        self.listed = [
            ListedNegatives(kind, rng.integers(0, N, (size, n)), np.repeat(rng.random((size, 1)) < 0.5, n, axis=1))
            for kind, n in (("judged", 1), ("unclicked", 2))
            if per_query
        ]
        self.columns: BatchColumns = batch_columns(
            self.query, self.item, self.uniform, self.hard, known, self.frequency, self.listed
        )
        pairs = set(zip(asked.tolist(), right.tolist(), strict=True))
        self.known = {(b, i) for b in range(size) for i in range(N) if (self.query[b], i) in pairs}

    def naive(
        self,
        objective: Objective,
        q: torch.Tensor,
        table: torch.Tensor,
        progress: float,
        scale: torch.Tensor | None = None,
    ) -> torch.Tensor:
        return naive_loss(
            objective,
            q,
            table,
            self.item.tolist(),
            self.uniform.tolist(),
            self.hard.tolist(),
            self.known,
            self.frequency.tolist(),
            progress,
            scale,
            {
                kind: [row[there].tolist() for row, there in zip(rows, present, strict=True)]
                for kind, rows, present in self.listed
            },
        )


@pytest.mark.parametrize("kind", ["softmax", "pairwise", "triplet"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("per_query", [0, 3])
def test_value_and_gradient_are_those_of_the_double_loop(
    monkeypatch: pytest.MonkeyPatch, kind: str, options: dict[str, object], per_query: int
) -> None:
    """Tiles of two rows, the last one of one: what is on their edges shows."""
    monkeypatch.setattr(tiles, "TILE_SCORES", {"cpu": 2 * N})
    objective = Objective(kind, 0.2, margin=0.4, **options)  # type: ignore[arg-type]
    drawn = Drawn(13, per_query)
    queries, table = unit(13, D), unit(N, D, seed=1)
    own_q = queries.clone().requires_grad_()
    items = table[torch.from_numpy(drawn.columns.item)].clone().requires_grad_()
    scale = torch.tensor(-math.log(0.2), requires_grad=True)
    columns = drawn.columns.weigh(objective, 0.5)
    found = batch_loss(objective, own_q, items, columns, scale, ProcessGroup())

    q64 = own_q.detach().double().requires_grad_()
    t64 = table.double().requires_grad_()
    s64 = scale.detach().double().requires_grad_()
    expected = drawn.naive(objective, q64, t64, 0.5, s64.exp())
    if math.isnan(float(expected.detach())):
        assert found == 0.0  # no negative at all
        return
    expected.backward()
    assert found == pytest.approx(float(expected.detach()), rel=1e-5)
    assert close(own_q.grad, q64.grad)
    assert close(items.grad, t64.grad[torch.from_numpy(drawn.columns.item)])
    if kind != "triplet":
        assert float(scale.grad) == pytest.approx(float(s64.grad), rel=1e-4, abs=1e-7)


def close(found: torch.Tensor | None, expected: torch.Tensor | None) -> bool:
    """Relative to the largest part of the gradient, 1e-5."""
    assert found is not None
    assert expected is not None
    return float((found.double() - expected).abs().max()) <= 1e-5 * float(expected.abs().max()) + 1e-12


def in_batch(q: torch.Tensor, pos: torch.Tensor, objective: Objective) -> float:
    """Pairs (q[b], pos[b]) of different queries and items, without further known positives."""
    rows = np.arange(len(q))
    known = Known(rows, rows, len(q))
    ones = np.ones(len(q), np.float32)
    joined = batch_columns(rows, rows, rows[:0], np.zeros((len(q), 0), np.int64), known, ones)
    leaves = q.clone().requires_grad_(), pos.clone().requires_grad_()
    scale = torch.tensor(-math.log(objective.temperature))
    return batch_loss(objective, *leaves, joined.weigh(objective, 1.0), scale, ProcessGroup())


def test_in_batch_by_hand() -> None:
    """Two queries on the axes, items swapped by 60 degrees: cosines 1, .5 / .5, 1 at temperature .5."""
    q = torch.tensor([[1.0, 0.0], [0.5, math.sqrt(0.75)]])
    expected = math.log(1 + math.exp((0.5 - 1.0) / 0.5))  # 0.3133 for both rows
    for kind in ("softmax", "pairwise"):  # with one negative they are the same
        assert in_batch(q, q, Objective(kind, 0.5)) == pytest.approx(expected)
    assert expected == pytest.approx(0.31326, abs=1e-5)
    assert in_batch(q, q, Objective("triplet", margin=0.7)) == pytest.approx(0.2, abs=1e-6)


def test_one_hard_negative_by_hand() -> None:
    """One query, its positive at cosine 1, one hard negative at cosine 0: log(1 + e^-1)."""
    one = np.zeros(1, np.int64)
    known = Known(one, one, 1)
    joined = batch_columns(one, one, one[:0], np.array([[1]]), known, np.ones(2, np.float32))
    q = torch.tensor([[1.0, 0.0]], requires_grad=True)
    items = torch.eye(2, requires_grad=True)
    objective = Objective(temperature=1.0)
    found = batch_loss(objective, q, items, joined.weigh(objective, 1.0), torch.zeros(()), ProcessGroup())
    assert found == pytest.approx(0.31326, abs=1e-5)
    # the positive is pulled and the negative pushed by its share of the softmax, 1 / (1 + e)
    assert items.grad is not None
    assert items.grad[:, 0].tolist() == pytest.approx([-0.26894, 0.26894], abs=1e-5)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), share_hard=st.booleans(), kind=st.sampled_from(["softmax", "pairwise"]))
def test_no_known_positive_is_ever_a_negative(seed: int, share_hard: bool, kind: str) -> None:
    """A query's vector is pushed along an item's only if it does not know the item: whatever its source."""
    drawn = Drawn(6, 2, seed)
    objective = Objective(kind, 1.0, share_hard=share_hard)
    columns = drawn.columns.weigh(objective, 1.0)
    q = torch.zeros(6, N).requires_grad_()
    items = torch.eye(N)[torch.from_numpy(drawn.columns.item)].requires_grad_()
    batch_loss(objective, q, items, columns, torch.zeros(()), ProcessGroup())
    assert q.grad is not None
    for b, i in drawn.known:
        if i != drawn.item[b]:
            assert float(q.grad[b, i]) == 0.0


def test_made_up_queries_mask_what_they_were_made_of() -> None:
    """Query 5 is no query of the log; item 0 is its own, and stands in the batch twice."""
    item, hard = np.array([0, 1, 0]), np.array([[2], [0], [1]])
    known = Known(np.array([0, 1]), np.array([0, 1]), 2)
    joined = batch_columns(np.array([0, 1, 5]), item, item[:0], hard, known, np.ones(3, np.float32))
    assert list(zip(*(side.tolist() for side in joined.known), strict=True)) == [(0, 0), (1, 1), (2, 0)]
    assert joined.in_batch.tolist() == [2, 1, 0]
    assert joined.mined.tolist() == [1, 1, 1]


def prefix(vectors: torch.Tensor, dim: int) -> torch.Tensor:
    """The first dimensions at unit norm; the whole as it is."""
    return vectors if dim == D else functional.normalize(vectors[:, :dim], dim=1)


def test_matryoshka_is_the_mean_over_prefixes() -> None:
    q, pos = unit(6, D), unit(6, D, seed=1)
    rows = np.arange(6)
    joined = batch_columns(
        rows, rows, rows[:0], np.zeros((6, 0), np.int64), Known(rows, rows, 6), np.ones(6, np.float32)
    )
    objective = Objective(temperature=0.2)
    leaves = [q.clone().requires_grad_(), pos.clone().requires_grad_()]
    found = batch_loss(
        objective, *leaves, joined.weigh(objective, 1.0), torch.tensor(-math.log(0.2)), ProcessGroup(), prefixes=(4, 2)
    )
    own = [q.clone().requires_grad_(), pos.clone().requires_grad_()]
    expected = torch.stack(
        [functional.cross_entropy(prefix(own[0], d) @ prefix(own[1], d).T / 0.2, torch.arange(6)) for d in (8, 4, 2)]
    ).mean()
    expected.backward()
    assert found == pytest.approx(float(expected.detach()), rel=1e-5)
    for one, other in zip(leaves, own, strict=True):
        assert close(one.grad, other.grad.double() if other.grad is not None else None)


@pytest.mark.parametrize("share_hard", [True, False])
def test_threads_do_not_race(share_hard: bool) -> None:
    """512 pairs of four items: each item's gradient is a sum of hundreds, always in one order."""
    rng = np.random.default_rng(0)
    rows, item = np.arange(512), rng.integers(0, 4, 512)
    hard = rng.integers(4, 8, (512, 4))
    joined = batch_columns(rows, item, rows[:0], hard, Known(rows, item, 512), np.ones(8, np.float32))
    objective = Objective(share_hard=share_hard)
    found = set()
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        for _ in range(20):
            q, items = unit(512, 64).requires_grad_(), unit(8, 64, seed=1).requires_grad_()
            columns = joined.weigh(objective, 1.0)
            batch_loss(objective, q, items, columns, torch.tensor(3.0), ProcessGroup())
            assert items.grad is not None
            found.add(items.grad.numpy().tobytes())
    finally:
        torch.set_num_threads(threads)
    assert len(found) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "hinge"},
        {"temperature": 0.0},
        {"temperature": 5.0},
        {"margin": 0.0},
        {"hard": -1.0},
        {"hard_ramp_frac": 2.0},
    ],
    ids=str,
)
def test_an_objective_refuses_what_means_nothing(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=str(next(iter(wrong.values())))):
        Objective(**wrong)  # type: ignore[arg-type]
