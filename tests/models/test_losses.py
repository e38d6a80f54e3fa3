"""Losses against numbers worked out by hand and against a plain double loop."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.losses import in_batch_loss, star_loss


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(*shape, generator=generator), dim=-1)


def plain_loss(
    q: np.ndarray,
    pos: np.ndarray,
    hard: np.ndarray,
    known: np.ndarray,
    temperature: float,
    reuse: bool,
) -> float:
    """The definition, pair by pair."""
    batch, per_query, _ = hard.shape
    losses = []
    for b in range(batch):
        right = math.exp(float(q[b] @ pos[b]) / temperature)
        wrong = 0.0
        for c in range(batch):
            if c != b and not known[b, c]:
                wrong += math.exp(float(q[b] @ pos[c]) / temperature)
            for h in range(per_query):
                if (reuse or c == b) and not known[b, batch + c * per_query + h]:
                    wrong += math.exp(float(q[b] @ hard[c, h]) / temperature)
        losses.append(-math.log(right / (right + wrong)))
    return sum(losses) / batch


def test_in_batch_by_hand() -> None:
    """Two queries on the axes, items swapped by 60 degrees: cosines 1, .5 / .5, 1 at temperature .5."""
    q = torch.tensor([[1.0, 0.0], [0.5, math.sqrt(0.75)]])
    known = torch.eye(2, dtype=torch.bool)
    expected = math.log(1 + math.exp((0.5 - 1.0) / 0.5))  # 0.3133 for both rows
    assert float(in_batch_loss(q, q, known, 0.5)) == pytest.approx(expected)
    assert expected == pytest.approx(0.31326, abs=1e-5)


def test_star_by_hand() -> None:
    """One query, its positive at cosine 1, one hard negative at cosine 0: log(1 + e^-1)."""
    q = torch.tensor([[1.0, 0.0]])
    hard = torch.tensor([[[0.0, 1.0]]])
    known = torch.tensor([[True, False]])
    assert float(star_loss(q, q, hard, known, 1.0)) == pytest.approx(0.31326, abs=1e-5)


@pytest.mark.parametrize("reuse", [True, False])
@pytest.mark.parametrize("per_query", [0, 1, 3])
def test_against_the_double_loop(per_query: int, reuse: bool) -> None:
    q, pos, hard = unit(6, 8), unit(6, 8, seed=1), unit(6, per_query, 8, seed=2)
    known = torch.rand(6, 6 + 6 * per_query, generator=torch.Generator().manual_seed(3)) < 0.2
    known |= torch.eye(6, 6 + 6 * per_query, dtype=torch.bool)
    found = float(star_loss(q, pos, hard, known, 0.1, reuse))
    expected = plain_loss(q.numpy(), pos.numpy(), hard.numpy(), known.numpy(), 0.1, reuse)
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("reuse", [True, False])
def test_a_known_positive_carries_no_gradient_as_a_negative(reuse: bool) -> None:
    """The hard items of query 0 are known positives of every query, item 2 of every query but 2."""
    q, pos, hard = unit(4, 8), unit(4, 8, seed=1), unit(4, 2, 8, seed=2)
    known = torch.eye(4, 12, dtype=torch.bool)
    known[:, 2] = True
    known[:, 4:6] = True
    pos.requires_grad_()
    hard.requires_grad_()
    by_item, by_hard = torch.autograd.grad(
        star_loss(q, pos, hard, known, 0.1, reuse), (pos, hard), retain_graph=True
    )
    assert float(by_hard[0].abs().max()) == 0.0
    assert float(by_hard[1].abs().max()) > 0.0
    # what is left of item 2's gradient is the pull of its own query, along that query's vector
    assert abs(float(functional.cosine_similarity(by_item[2], q[2], dim=0)) + 1.0) < 1e-6


def test_other_queries_hard_negatives_count_only_when_reused() -> None:
    q, pos, hard = unit(3, 8), unit(3, 8, seed=1), unit(3, 2, 8, seed=2).requires_grad_()
    known = torch.eye(3, 9, dtype=torch.bool)
    known[1, 5:7] = True  # query 1 leaves its own hard items out
    for reuse, moves in ((True, True), (False, False)):
        (gradient,) = torch.autograd.grad(star_loss(q, pos, hard, known, 0.1, reuse), hard)
        assert bool((gradient[1] != 0).any()) is moves


def test_fp32_even_in_autocast() -> None:
    q, pos = unit(8, 16), unit(8, 16, seed=1)
    known = torch.eye(8, dtype=torch.bool)
    with torch.autocast("cpu", torch.bfloat16):
        inside = in_batch_loss(q, pos, known, 0.05)
    assert inside.dtype is torch.float32
    assert float(inside) == float(in_batch_loss(q, pos, known, 0.05))


def test_temperature_must_be_positive() -> None:
    with pytest.raises(ValueError, match="temperature=0"):
        in_batch_loss(unit(2, 4), unit(2, 4), torch.eye(2, dtype=torch.bool), 0.0)
