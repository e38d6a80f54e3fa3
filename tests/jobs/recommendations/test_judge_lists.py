"""Standing arms beside served lists, by numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from jobs.recommendations.judge_lists import judge
from models.fusion.ranked_lists import Ranked


def lists(*rows: tuple[int, ...]) -> Ranked:
    items = np.array(rows)
    return Ranked(items, np.where(items >= 0, 1.0 - np.arange(items.shape[1]) / 10, 0.0).astype(np.float32))


def test_sessions_that_stay_with_one_product_do_not_count_against_lists_without_its_offers() -> None:
    """The first session goes on to another offer of its product, which the served list leaves out."""
    arms = {"served": lists((3, 4), (1, 2)), "popularity": lists((4, 3), (4, 3)), "rules": lists((0, 3), (2, 1))}
    target, classes = np.array([0, 1]), np.array([2, 2])
    told = judge(arms, target, classes, 5, np.array([True, False]))
    assert told["arms"]["served"]["all"]["RR@25"] == 0.5 and told["arms"]["rules"]["all"]["RR@25"] == 0.75
    assert (told["best_other"], told["less_best_other"], told["same_product"]) == ("rules", 0.5, 1)
    # over both sessions, and where there is no other session
    assert judge(arms, target, classes, 5, np.zeros(2, bool))["less_best_other"] == pytest.approx(-0.25)
    assert judge(arms, target, classes, 5, np.ones(2, bool))["less_best_other"] == pytest.approx(-0.25)
