"""An index ages when the catalogue moves, and does not when it stays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.ann.codes import filled
from models.ann.drift import AgeLimits, IndexFigures, aged, figures, held_out, imbalance, quantisation_error
from models.ann.operating_points import Exam, cheapest_settings
from models.ann.train import train
from tests.models.ann.vectors import Vectors, brute, items, queries

SOLD, CANARIES = items(4_000), queries(60)
FACTORY = "IVF64,SQ8"
THEN = IndexFigures(1000, 2.0, 0.01, 0.95)


@pytest.fixture(scope="module")
def settings() -> dict[str, float]:
    trained = train(SOLD, FACTORY)
    index = filled(trained, FACTORY, SOLD)[0]
    return cheapest_settings(index, Exam(CANARIES, brute(CANARIES, SOLD, 20)), 0.95)[-1][0]


def today(sold: Vectors, settings: dict[str, float], count: int = 4_000) -> IndexFigures:
    exam = Exam(CANARIES, brute(CANARIES, sold, 20))
    trained = train(SOLD[~held_out(len(SOLD))], FACTORY)
    return figures(trained, FACTORY, sold, exam, settings, count)[0]


def test_the_same_catalogue_and_a_new_draw_of_it_hold(settings: dict[str, float]) -> None:
    then = today(SOLD, settings)
    assert aged(then, then, AgeLimits()) == []
    assert aged(today(items(4_000, seed=7), settings), then, AgeLimits(recall=0.03)) == []


def test_a_catalogue_that_moved_does_not(settings: dict[str, float]) -> None:
    reasons = aged(today(items(4_000, shift=3.0), settings), today(SOLD, settings), AgeLimits())
    assert any("imbalance" in one for one in reasons)
    assert any("canary recall" in one for one in reasons)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"items": 2001}, "2,001 items, trained for 1,000"),
        ({"items": 499}, "499 items"),
        ({"imbalance": 3.01}, "imbalance 3.01"),
        ({"error": 0.0116}, "error 0.0116"),
        ({"recall": 0.939}, "canary recall 0.9390"),
    ],
)
def test_each_figure_alone_ages_it(change: dict[str, float], said: str) -> None:
    assert aged(THEN, THEN, AgeLimits()) == []
    (reason,) = aged(replace(THEN, **change), THEN, AgeLimits())  # type: ignore[arg-type]
    assert said in reason


def test_imbalance_by_hand() -> None:
    assert imbalance(np.array([5, 5, 5, 5])) == 1.0
    assert imbalance(np.array([20, 0, 0, 0])) == 4.0


@pytest.mark.parametrize(
    "factory",
    ["Flat", "IVF64,Flat", "IVF64,SQ8", "IVF64,RaBitQ4", "RR32,IVF64,SQ4", "HNSW16,SQ8", "IVF64,PQ16x4fs,Refine(SQ8)"],
)
def test_quantisation_error_is_that_of_decoding(factory: str) -> None:
    found = quantisation_error(train(SOLD, factory), SOLD[:500])
    if "Flat" in factory:
        assert found == pytest.approx(0.0, abs=1e-10)
    else:
        assert 0 < found < 0.5
    if factory == "IVF64,SQ8":  # residuals in 255 steps: the error of rounding, by its formula
        assert found < 32 * (1.4 * 2.0 / 255) ** 2 / 12


def test_codes_reach_beyond_what_was_seen() -> None:
    """Without room to spare a vector outside the sample's range is clipped, and is not found as itself."""
    trained = train(SOLD[:2000], "IVF16,SQ8")
    unseen = items(2_000, seed=11)
    index = filled(trained, "IVF16,SQ8", unseen)[0]
    index.make_direct_map()
    again = index.reconstruct_n(0, len(unseen))
    assert np.einsum("nd,nd->n", again, unseen).min() > 0.99
