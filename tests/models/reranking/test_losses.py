"""Losses of ranking: equal to plain loops, indifferent to permutation and padding, NDCG in the limit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from models.reranking.losses import LOSSES, LossSettings, list_losses, neural_sort
from tests.models.reranking.naive_losses import NAIVE, ndcg

THRESHOLDS = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)


def lists(lengths: tuple[int, ...], width: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Lists of graded labels, and rubbish where there is padding."""
    rng = np.random.default_rng(seed)
    scores = torch.tensor(rng.normal(size=(len(lengths), width)))
    labels = torch.tensor(rng.integers(0, 4, (len(lengths), width)) / 3)
    mask = torch.arange(width) < torch.tensor(lengths)[:, None]
    return scores.masked_fill(~mask, 99.0), labels.masked_fill(~mask, float("nan")), mask


@pytest.mark.parametrize("name", LOSSES)
def test_each_loss_equals_a_double_loop_at_300_items_with_padding(name: str) -> None:
    scores, labels, mask = lists((300, 211, 2), 300)
    losses = list_losses(scores, labels, mask, LossSettings(name), THRESHOLDS)
    for row, loss in enumerate(losses.tolist()):
        own = mask[row]
        expected = NAIVE[name](scores[row][own].tolist(), labels[row][own].tolist())
        assert loss == pytest.approx(expected, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_permutation_and_padding_change_neither_loss_nor_gradient(name: str) -> None:
    scores, labels, mask = lists((40,), 40)
    order = torch.tensor(np.random.default_rng(1).permutation(40))

    def loss(lengthened: int, places: Tensor) -> tuple[float, Tensor]:
        own = scores.clone().requires_grad_()
        padded = [torch.nn.functional.pad(part[:, places], (0, lengthened)) for part in (own, labels, mask)]
        value = list_losses(padded[0], padded[1], padded[2], LossSettings(name), THRESHOLDS).sum()
        value.backward()  # type: ignore[no-untyped-call]
        assert own.grad is not None
        return float(value.detach()), own.grad

    plain, gradient = loss(0, torch.arange(40))
    for other, other_gradient in (loss(0, order), loss(23, torch.arange(40)), loss(23, order)):
        assert other == pytest.approx(plain, rel=1e-9)
        assert torch.allclose(other_gradient, gradient, rtol=1e-6, atol=1e-9)
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("name", LOSSES)
def test_a_step_along_the_gradient_helps_and_a_list_of_one_label_says_nothing(name: str) -> None:
    scores, labels, mask = lists((30, 30), 30)
    labels[1] = 1.0
    scores.requires_grad_()
    settings = LossSettings(name)
    before = list_losses(scores, labels, mask, settings, THRESHOLDS)
    before.sum().backward()  # type: ignore[no-untyped-call]
    assert before[1] == 0.0
    assert scores.grad is not None
    assert not scores.grad[1].abs().any()
    after = list_losses(scores - 0.01 * scores.grad, labels, mask, settings, THRESHOLDS)
    assert after[0] < before[0]


@pytest.mark.parametrize("x", [0.3, 1.5, 2.5, 3.5, 4.5, 6.0])
def test_neural_ndcg_tends_to_ndcg_as_the_temperature_falls(x: float) -> None:
    """Figure 2 of the paper: labels 1 to 5, scores 1, 2, 3, 4 and x."""
    labels, scores = [1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 2.0, 3.0, 4.0, x]
    tensors = torch.tensor([scores], dtype=torch.float64), torch.tensor([labels]), torch.ones(1, 5, dtype=torch.bool)
    errors = []
    for temperature in (10.0, 1.0, 0.01):
        settings = LossSettings("neural_ndcg", temperature=temperature, sinkhorn_steps=50)
        errors.append(abs(-float(list_losses(*tensors, settings)) - ndcg(scores, labels)))
    assert errors[2] < 1e-6
    assert errors[2] < errors[0]


def test_neural_sort_is_a_permutation_when_cold_and_its_rows_sum_to_one() -> None:
    scores, mask = torch.tensor([[0.1, 5.0, 2.0, 7.0]]), torch.tensor([[True, True, True, False]])
    cold = neural_sort(scores, mask, 1e-3)[0]
    # places of 5, 2 and .1; the padding has neither a place nor a column
    assert cold.tolist() == [[0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    warm = neural_sort(scores, mask, 3.0)[0]
    assert warm.sum(1)[:3].tolist() == pytest.approx([1.0, 1.0, 1.0])


def test_settings_that_are_no_loss_are_refused() -> None:
    with pytest.raises(ValueError, match="expected one of ndcg2pp"):
        LossSettings("mse")
    with pytest.raises(ValueError, match="temperature must be > 0"):
        LossSettings("neural_ndcg", temperature=0.0)
    with pytest.raises(ValueError, match="expected one shape"):
        list_losses(torch.zeros(1, 2), torch.zeros(1, 3), torch.ones(1, 2, dtype=torch.bool), LossSettings())
