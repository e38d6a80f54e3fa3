from __future__ import annotations

import math

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from models.fusion import trec_order
from models.measures import CUTOFFS, MEASURES, Measured, judge_items, measure

Rows = list[tuple[str, str, float]]
Lists = dict[str, list[str]]


def columns(rows: Rows) -> tuple[list[str], list[str], np.ndarray]:
    return [row[0] for row in rows], [row[1] for row in rows], np.array([row[2] for row in rows])


def measured(
    qrels: Rows, lists: Lists, min_relevance: float = 1.0, zero_gain: float = 0.0
) -> Measured:
    flat = [(q, item, place) for q, items in lists.items() for place, item in enumerate(items, 1)]
    query_ids, item_ids, ranks = columns(flat) if flat else ([], [], np.zeros(0))
    judged = judge_items(*columns(qrels), min_relevance, zero_gain)
    return measure(judged, query_ids, item_ids, ranks.astype(np.int64))


def brute(qrels: Rows, lists: Lists, least: float, zero: float) -> dict[str, list[float]]:
    """The measures written down again, per query in order of id, without a library."""
    grades: dict[str, dict[str, float]] = {}
    for query, item, relevance in qrels:
        grades.setdefault(query, {})[item] = relevance
    found: dict[str, list[float]] = {name: [] for name in MEASURES}
    for query in sorted(q for q in grades if max(grades[q].values()) >= least):
        judged = grades[query]
        relevant = {item for item, grade in judged.items() if grade >= least}
        gains = {item: max(grade - zero, 0) for item, grade in judged.items()}
        full = lists.get(query, [])
        for suffix, items in (("", full), (" judged", [i for i in full if i in judged])):
            for k in CUTOFFS:
                hits = [place for place, item in enumerate(items[:k], 1) if item in relevant]
                found[f"R@{k}{suffix}"].append(len(hits) / len(relevant))
                found[f"RR@{k}{suffix}"].append(1 / hits[0] if hits else 0.0)
            dcg = sum(gains.get(i, 0) / math.log2(p + 1) for p, i in enumerate(items[:10], 1))
            ideal = sorted(gains.values(), reverse=True)[:10]
            best = sum(gain / math.log2(p + 1) for p, gain in enumerate(ideal, 1))
            found[f"nDCG@10{suffix}"].append(dcg / best)
    return found


def test_the_talks_worked_example() -> None:
    # cats third, tori second, viruses first: MRR@3 = (1/3 + 1/2 + 1) / 3 = 0.61
    qrels = [("cat", "cats", 1.0), ("torus", "tori", 1.0), ("virus", "viruses", 1.0)]
    lists = {
        "cat": ["catten", "cati", "cats"],
        "torus": ["torii", "tori", "toruses"],
        "virus": ["viruses", "virii", "viri"],
    }
    assert round(measured(qrels, lists).means()["RR@10"], 2) == 0.61


def test_by_hand() -> None:
    # two relevant items: one at rank 1, one never shown; grades 3 and 1
    found = measured([("q", "a", 3.0), ("q", "b", 1.0)], {"q": ["a", "x", "y"]}).means()
    assert found["R@10"] == 0.5
    assert found["RR@10"] == 1.0
    assert found["nDCG@10"] == pytest.approx(3 / (3 + 1 / math.log2(3)))


@pytest.mark.parametrize("rank", [1, 9, 10, 11, 59, 60, 61, 100, 101])
def test_reciprocal_rank_ends_exactly_at_its_cut_off(rank: int) -> None:
    found = measured([("q", "a", 1.0)], {"q": [f"x{n}" for n in range(rank - 1)] + ["a"]}).means()
    for k in CUTOFFS:
        assert found[f"RR@{k}"] == pytest.approx(1 / rank if rank <= k else 0.0)


def test_a_query_without_a_ranking_counts_as_zero_and_one_without_relevant_is_left_out() -> None:
    qrels = [("q1", "a", 1.0), ("q2", "a", 1.0), ("q3", "a", 0.0)]
    assert measured(qrels, {"q1": ["a"]}).means()["R@10"] == 0.5
    assert judge_items(*columns(qrels), 1.0).queries_without_relevant == 1


def test_judged_only_forgives_items_that_nobody_looked_at() -> None:
    found = measured([("q", "a", 1.0), ("q", "b", 0.0)], {"q": ["new", "b", "a"]}).means()
    assert found["RR@10"] == pytest.approx(1 / 3)
    assert found["RR@10 judged"] == pytest.approx(1 / 2)


def test_fractional_grades_and_a_scale_that_starts_at_one() -> None:
    # Home Depot: 1 is irrelevant, relevant from 2.33; both bounds lie on the scale's own grid
    qrels = [("q", "a", 2.33), ("q", "b", 1.0), ("q", "c", 3.0)]
    found = measured(qrels, {"q": ["b", "a", "c"]}, min_relevance=2.33, zero_gain=1.0).means()
    assert found["RR@10"] == 0.5
    dcg = 1.33 / math.log2(3) + 2 / math.log2(4)
    assert found["nDCG@10"] == pytest.approx(dcg / (2 + 1.33 / math.log2(3)))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_equals_the_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    items = [f"i{n}" for n in range(150)]
    qrels: Rows = []
    lists: Lists = {}
    for query in (f"q{n}" for n in range(6)):
        some = rng.choice(items, rng.integers(1, 12), replace=False)
        qrels += [(query, str(item), float(rng.choice([0, 1, 2, 3]))) for item in some]
        qrels.append((query, "sure", 3.0))
        length = int(rng.integers(0, 130))
        lists[query] = [str(item) for item in rng.choice(items, length, replace=False)]
    found = measured(qrels, lists, 2.0)
    expected = brute(qrels, lists, 2.0, 0.0)
    for name in MEASURES:
        np.testing.assert_allclose(found.column(name), expected[name], atol=1e-9, err_msg=name)


def test_a_run_file_with_ties_measures_the_same_elsewhere() -> None:
    # the order that fusion gives to equal scores is the one that trec_eval reads from the scores
    ids = ["i0", "i1", "i2", "i3", "i4"]  # in the order of ids: row = position
    scores = np.array([[0.5, 0.5, 0.5, 0.7, 0.5]], np.float32)
    ranked = trec_order(np.arange(5)[None], scores)
    order = [ids[row] for row in ranked.items[0]]
    ours = measured([("q", "i2", 1.0)], {"q": order}).means()["RR@10"]
    run = {"q": {item: float(score) for item, score in zip(ids, scores[0], strict=True)}}
    theirs = pytrec_eval.RelevanceEvaluator({"q": {"i2": 1}}, {"recip_rank"}).evaluate(run)
    assert ours == theirs["q"]["recip_rank"] == pytest.approx(1 / 3)


def test_qrels_that_cannot_be_used_are_refused() -> None:
    with pytest.raises(ValueError, match="judged twice"):
        judge_items(["q", "q"], ["a", "a"], np.array([1.0, 2.0]), 1.0)
    with pytest.raises(ValueError, match="on the scale"):
        judge_items(["q"], ["a"], np.array([1.0]), 2.0)
