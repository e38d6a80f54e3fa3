"""Draws of a batch and their effect on popular items: logQ and the weights of pairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.text.ragged import ragged
from models.towers.encode import encode_items, encode_queries
from models.training.batches import Pairs
from models.training.examples import Examples, Sampling, synthetic_queries
from models.training.fit import fit
from models.training.losses import Objective
from models.training.tower_training import TowerTraining
from tests.models.shop import ITEMS, QUERIES, examples, plan, positives, towers

POPULAR = np.arange(0, len(ITEMS), 8)  # one item in eight gets eight times the clicks


def skewed(weighted: bool) -> Examples:
    """Queries of the little shop that click popular items eight times as often: by weight, or by as many pairs."""
    pairs = positives()
    times = np.where(np.isin(pairs[:, 1], POPULAR), 8, 1)
    data = examples(towers(bert=False))
    if weighted:
        weights = times.astype(np.float32)
        return replace(data, pairs=Pairs(pairs[:, 0], pairs[:, 1], weights))
    # distinct queries of the same text: a popular item has more pairs, each drawn once
    rows = np.repeat(np.arange(len(pairs)), times)
    return replace(data, pairs=Pairs(pairs[rows, 0], pairs[rows, 1]))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("synthetic", [0.0, 0.5])
def test_the_frequency_of_logq_is_the_counted_one(weighted: bool, synthetic: float) -> None:
    """Draws of every item as a pair's over many epochs, against the estimate that the loss divides by."""
    data, epochs = skewed(weighted), 300
    # one batch an epoch, so that none is left over
    sampling = Sampling(data._n_synthetic(synthetic) + len(data.pairs), synthetic_frac=synthetic)
    drawn = np.zeros(len(ITEMS))
    estimate = np.zeros(len(ITEMS))
    for epoch in range(epochs):
        for batch in data.batches(sampling, epoch):
            columns = batch.columns
            np.add.at(drawn, columns.item, columns.in_batch)
            estimate[columns.item] = columns.frequency
    counted = drawn / drawn.sum() * len(ITEMS)  # 1: as often as at random
    assert estimate.min() > 0
    np.testing.assert_allclose(estimate, counted, rtol=0.3 if weighted or synthetic else 1e-6)
    others = np.delete(np.arange(len(ITEMS)), POPULAR)
    for group in (POPULAR, others):
        assert estimate[group].mean() == pytest.approx(counted[group].mean(), rel=0.03)
    assert estimate[POPULAR].mean() > 3 * estimate[others].mean()


def test_logq_gives_popular_items_their_share_of_the_top_ten() -> None:
    """In-batch negatives push popular items away in proportion to their clicks; logQ takes that back."""
    shares = {}
    for logq in (False, True):
        found = towers(bert=False)
        objective = Objective(temperature=0.1, logq=logq)
        data = replace(skewed(weighted=True), queries=found.store_queries(QUERIES), items=found.store(ITEMS))
        wanted = plan(epochs=20, objective=objective, sampling={"synthetic_frac": 0.0}, trigram_lr=5e-3)
        for _ in fit(TowerTraining(found, data, wanted)):
            pass
        found.eval()
        top = np.argsort(-(encode_queries(found, QUERIES) @ encode_items(found, ITEMS).T), axis=1)[:, :10]
        shares[logq] = float(np.isin(top, POPULAR).mean())
    assert shares[True] > shares[False] + 0.01, shares


def test_a_pairs_weight_reaches_the_loss() -> None:
    """Queries whose pairs weigh thirty times as much are learnt before the others, whichever they are."""
    pairs = positives()
    gaps = []
    for heavy in (0, 1):
        found = towers(bert=False)
        weight = np.where(pairs[:, 0] % 2 == heavy, 30.0, 1.0).astype(np.float32)
        data = replace(examples(found), pairs=Pairs(pairs[:, 0], pairs[:, 1], weight))
        wanted = plan(epochs=2, sampling={"synthetic_frac": 0.0}, trigram_lr=5e-3)
        for _ in fit(TowerTraining(found, data, wanted)):
            pass
        scores = encode_queries(found, QUERIES) @ encode_items(found, ITEMS).T / 0.05
        known = np.zeros(scores.shape, np.bool_)
        known[pairs[:, 0], pairs[:, 1]] = True
        wrong = np.where(known, -np.inf, scores).max(axis=1)
        margin = scores[pairs[:, 0], pairs[:, 1]] - wrong[pairs[:, 0]]
        gaps.append(margin[pairs[:, 0] % 2 == 0].mean() - margin[pairs[:, 0] % 2 == 1].mean())
    assert gaps[0] > gaps[1] + 0.3, gaps


@pytest.mark.parametrize("kind", ["judged", "unclicked"])
@pytest.mark.parametrize("share", [True, False])
def test_listed_negatives_move_away_from_their_query(kind: str, share: bool) -> None:
    """`lampa` lists a red bicycle, and a lamp that is a known positive of it: the lamp is masked and stays."""
    lamp, bicycle = QUERIES.index("lampa"), ITEMS.index("rower czerwony model 50")
    own = next(i for q, i in positives().tolist() if q == lamp)
    listed = ragged([[bicycle, own] if q == lamp else [] for q in range(len(QUERIES))])
    scores = []
    for weight in (0.0, 20.0):
        found = towers(bert=False)
        data = replace(examples(found), lists={kind: listed})
        objective = Objective(share_hard=share, **{kind: weight})  # type: ignore[arg-type]
        for _ in fit(TowerTraining(found, data, plan(epochs=8, objective=objective, sampling={kind: 2}))):
            pass
        scores.append(encode_queries(found, QUERIES) @ encode_items(found, ITEMS).T)
    moved = scores[1] - scores[0]
    assert moved[lamp, bicycle] < -0.05
    assert moved[lamp, own] > moved[lamp, bicycle] + 0.05


def test_made_up_queries_have_no_number_of_the_item() -> None:
    texts = ["buty czerwone | §pq3 §sq0 | Nike", "§pq1"] * 200
    made = synthetic_queries(texts, np.random.default_rng(0))
    assert not any("q" in query for query in made) and set(made[1::2]) == {""}
    assert {word for query in made[::2] for word in query.split()} == {"buty", "czerwone", "|", "nike"}
