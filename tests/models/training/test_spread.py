"""Spread of vectors: by hand for one point, a line and an orthonormal frame."""

import pytest
import torch

from models.training.tower_training import has_collapsed, spread


def test_one_point_has_cosine_one_and_rank_one() -> None:
    found = spread(torch.tensor([[1.0, 0.0]]).expand(10, -1))
    assert (found["mean_cosine"], found["effective_rank"]) == (pytest.approx(1.0), pytest.approx(1.0))
    assert has_collapsed(found)


def test_two_ends_of_a_line() -> None:
    """Four vectors, two each way: of 12 ordered pairs 4 have cosine 1 and 8 have -1."""
    found = spread(torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]]))
    assert found["mean_cosine"] == pytest.approx(-4 / 12)
    assert found["effective_rank"] == pytest.approx(1.0)
    assert has_collapsed(found)  # one direction, however far apart


def test_an_orthonormal_frame_uses_every_direction() -> None:
    found = spread(torch.eye(16))
    assert found["mean_cosine"] == pytest.approx(0.0)
    assert found["effective_rank"] == pytest.approx(16.0)
    assert not has_collapsed(found)
