"""Query selection: a class that gains by the dense arm keeps it, one that does not is served without."""

from __future__ import annotations

import numpy as np
import pytest

from models.fusion.dense_trigger import fit_triggers, skipping
from models.fusion.fuse import FusionWeights, fuse_by_class
from models.fusion.ranked_lists import Ranked

N_ITEMS, DEPTH = 1000, 80


def arms(n_queries: int) -> tuple[Ranked, Ranked, np.ndarray, np.ndarray]:
    """Queries of class `code`: sparse has the item first and dense nothing of use; of class `words`, the reverse."""
    own = np.arange(n_queries)
    codes = own % 2 == 0
    noise = np.random.default_rng(0).permuted(np.tile(np.arange(500, 1000), (2 * n_queries, 1)), axis=1)
    dense, sparse = noise[:n_queries, :DEPTH].copy(), noise[n_queries:, :DEPTH].copy()
    sparse[codes, 0] = own[codes]
    dense[~codes, 0] = own[~codes]
    scores = np.tile(np.linspace(1, 0.1, DEPTH, dtype=np.float32), (n_queries, 1))
    return Ranked(dense, scores), Ranked(sparse, scores), own * N_ITEMS + own, np.where(codes, "code", "words")


@pytest.mark.parametrize("method", ["rrf", "minmax", "zscore"])
def test_one_class_gains_and_one_does_not(method: str) -> None:
    dense, sparse, relevant, classes = arms(200)
    weights = FusionWeights(0.5, 0.5, method=method)
    fit = fit_triggers((dense, sparse), weights, {}, classes, relevant, N_ITEMS, 100, 0.005)
    assert fit.sparse_only == ["code"] and fit.queries_frac == 0.5
    rows = {row["class"]: row for row in fit.classes}
    # by hand: with both arms everything is found; `words` has nothing without dense, `code` has all
    assert rows["words"]["gain"][0] == 1.0 and rows["code"]["gain"] == (0.0, 0.0, 0.0)
    assert (fit.with_dense, fit.with_triggers) == (1.0, 1.0)
    served = fuse_by_class(skipping(dense, classes, fit.sparse_only), sparse, 60, weights, {}, classes)
    both = fuse_by_class(dense, sparse, 60, weights, {}, classes)
    code = classes == "code"
    np.testing.assert_array_equal(served.items[code], sparse.items[code, :60])
    np.testing.assert_array_equal(served.items[~code], both.items[~code])


def test_a_class_that_may_gain_keeps_dense() -> None:
    dense, sparse, relevant, classes = arms(200)
    weights = FusionWeights()
    few = fit_triggers((dense, sparse), weights, {}, classes, relevant, N_ITEMS, 101, 0.005)
    assert few.sparse_only == [] and few.classes == []  # too few judged queries to say
    off = fit_triggers((dense, sparse), weights, {}, classes, relevant, N_ITEMS, 100, 0.0)
    assert off.sparse_only == []
    # one query of a hundred gains: a mean of .01, which may well be more than .005
    one = np.flatnonzero(classes == "code")[0]
    dense.items[one, 0], sparse.items[one, 0] = one, 999
    fit = fit_triggers((dense, sparse), weights, {}, classes, relevant, N_ITEMS, 100, 0.005)
    assert fit.sparse_only == []


def test_a_class_that_gains_at_the_top_alone_keeps_dense() -> None:
    """R@60 is the same, but dense puts the item first where sparse has it last."""
    dense, sparse, relevant, classes = arms(200)
    code = np.flatnonzero(classes == "code")
    sparse.items[code, 0], sparse.items[code, 50] = sparse.items[code, 50], sparse.items[code, 0].copy()
    dense.items[code, 0] = code
    fit = fit_triggers((dense, sparse), FusionWeights(), {}, classes, relevant, N_ITEMS, 100, 0.005)
    rows = {row["class"]: row for row in fit.classes}
    assert rows["code"]["gain"][0] == 0.0 and rows["code"]["gain_rr"] > 0.3
    assert fit.sparse_only == []
