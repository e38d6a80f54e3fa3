from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
import pytrec_eval
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.retrieval import (
    retrieval_hit_rate,
    retrieval_normalized_dcg,
    retrieval_recall,
    retrieval_reciprocal_rank,
)

from jobs.datasets.judgements import Judgements, judge_items
from models.evaluation.measures import CUTOFFS, MEASURES, Measured, measure, measures_for, recall_curve
from models.evaluation.qrels import hits_in
from models.fusion.ranked_lists import trec_order

Rows = list[tuple[str, str, float]]
Lists = dict[str, list[str]]


def judgements(qrels: Rows, min_relevance: float = 1.0, zero_gain: float = 0.0) -> Judgements:
    columns = {name: [row[place] for row in qrels] for place, name in enumerate(("query_id", "item_id", "relevance"))}
    return judge_items(pa.table(columns), min_relevance, zero_gain)


def measured(
    qrels: Rows, lists: Lists, min_relevance: float = 1.0, zero_gain: float = 0.0, names: tuple[str, ...] = MEASURES
) -> Measured:
    flat = [(q, item, place) for q, items in lists.items() for place, item in enumerate(items, 1)]
    flat = flat or [("", "", 1)]
    rows = pa.table({name: [row[place] for row in flat] for place, name in enumerate(("query_id", "item_id", "rank"))})
    found = judgements(qrels, min_relevance, zero_gain)
    return Measured(found.query_ids, names, measure(found.judged, found.hits(rows), names))


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
            if not suffix:
                ranked = [place for place, item in enumerate(items[:100], 1) if item in relevant]
                found["AP@100"].append(sum(n / p for n, p in enumerate(ranked, 1)) / len(relevant))
                found["Success@1"].append(float(bool(set(items[:1]) & relevant)))
                found["Success@10"].append(float(bool(set(items[:10]) & relevant)))
            for k in (10,) if suffix else (10, 60):
                dcg = sum(gains.get(i, 0) / math.log2(p + 1) for p, i in enumerate(items[:k], 1))
                ideal = sorted(gains.values(), reverse=True)[:k]
                best = sum(gain / math.log2(p + 1) for p, gain in enumerate(ideal, 1))
                found[f"nDCG@{k}{suffix}"].append(dcg / best)
    return found


def test_the_talks_worked_example() -> None:
    # cats third, tori second, viruses first: MRR@3 = (1/3 + 1/2 + 1) / 3 = 0.61
    qrels = [("cat", "cats", 1.0), ("torus", "tori", 1.0), ("virus", "viruses", 1.0)]
    lists = {
        "cat": ["catten", "cati", "cats"],
        "torus": ["torii", "tori", "toruses"],
        "virus": ["viruses", "virii", "viri"],
    }
    assert round(measured(qrels, lists, names=("RR@3",)).means()["RR@3"], 2) == 0.61


@pytest.mark.parametrize(("rank", "value"), [(1, 1.0), (2, 0.63), (3, 0.5)])
def test_the_talks_ndcg_values(rank: int, value: float) -> None:
    # one relevant offer among three, moved down from the first place
    lists = {"q": [f"x{n}" for n in range(rank - 1)] + ["a"]}
    assert round(measured([("q", "a", 1.0)], lists).means()["nDCG@10"], 2) == value


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
    assert judgements(qrels).queries_without_relevant == 1


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
        judgements([("q", "a", 1.0), ("q", "a", 2.0)])
    with pytest.raises(ValueError, match="on the scale"):
        judgements([("q", "a", 1.0)], 2.0)


def test_a_name_that_is_no_measure_is_refused() -> None:
    with pytest.raises(ValueError, match="'MRR' is no measure"):
        measured([("q", "a", 1.0)], {}, names=("MRR",))


def test_recall_at_a_thousand_is_told_where_a_thousand_are_ranked() -> None:
    assert "R@1000" not in measures_for(999)
    lists = {"q": [f"x{n}" for n in range(999)] + ["a"]}
    found = measured([("q", "a", 1.0), ("q", "b", 1.0)], lists, names=measures_for(1000))
    assert found.means()["R@1000"] == 0.5
    assert found.means()["R@100"] == 0.0


def test_a_matrix_of_rows_measures_as_its_lists_do() -> None:
    rng = np.random.default_rng(1)
    qrels = [(f"q{q}", f"i{i:03d}", float(rng.integers(0, 3))) for q in range(5) for i in rng.permutation(60)[:9]] + [
        (f"q{q}", "i999", 2.0) for q in range(5)
    ]
    ids = [f"i{n:03d}" for n in range(70)]
    rows = np.stack([rng.permutation(70)[:40] for _ in range(5)])
    rows[2, 7:] = -1  # a list that ends early
    found = judgements(qrels)
    known = {item: row for row, item in enumerate(found.item_ids.to_pylist())}
    at = np.array([*(known.get(item, -1) for item in ids), -1])
    values = measure(found.judged, hits_in(found.judged, at[rows]))
    lists = {f"q{q}": [ids[row] for row in rows[q] if row >= 0] for q in range(5)}
    np.testing.assert_array_equal(values, measured(qrels, lists).values)


def test_the_recall_curve_passes_through_the_measures() -> None:
    rng = np.random.default_rng(2)
    items = [f"i{n}" for n in range(150)]
    qrels = [(f"q{q}", str(item), 1.0) for q in range(8) for item in rng.choice(items, 9, False)]
    lists = {f"q{q}": [str(item) for item in rng.permutation(items)[:100]] for q in range(8)}
    found, found_lists = judgements(qrels), measured(qrels, lists)
    flat = [(q, item, place) for q, row in lists.items() for place, item in enumerate(row, 1)]
    rows = pa.table({name: [row[place] for row in flat] for place, name in enumerate(("query_id", "item_id", "rank"))})
    curve = recall_curve(found.judged, found.hits(rows), 100)
    for k in CUTOFFS:
        assert curve[k - 1] == pytest.approx(found_lists.means()[f"R@{k}"])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_two_libraries_say_the_same(seed: int) -> None:
    """trec_eval itself (pytrec_eval) and torchmetrics, on random graded judgements and lists."""
    rng = np.random.default_rng(seed)
    items = [f"i{n:03d}" for n in range(200)]
    qrels: dict[str, dict[str, int]] = {}
    run: dict[str, dict[str, float]] = {}
    for name in (f"q{n:02d}" for n in range(12)):
        judged = rng.choice(items, rng.integers(1, 30), replace=False)
        qrels[name] = {str(item): int(rng.integers(0, 4)) for item in judged} | {"sure": 2}
        shown = rng.permutation([*items, "sure"])[: int(rng.integers(100, 160))]
        run[name] = {str(item): 1.0 - place / 1000 for place, item in enumerate(shown)}
    flat = [(q, item, float(grade)) for q, row in qrels.items() for item, grade in row.items()]
    lists = {query: sorted(row, key=lambda item: -row[item]) for query, row in run.items()}
    names = ("R@10", "R@60", "R@100", "RR@100", "nDCG@10", "AP@100", "AP@1000", "Success@10")
    ours = measured(flat, lists, names=names)
    by_trec_eval = {
        "R@10": "recall_10",
        "R@60": "recall_60",
        "R@100": "recall_100",
        "AP@1000": "map",
        "nDCG@10": "ndcg_cut_10",
        "AP@100": "map_cut_100",
        "Success@10": "success_10",
    }
    wanted = {"recall.10,60,100", "ndcg_cut.10", "map_cut.100", "map", "success.10"}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, wanted).evaluate(run)
    for name, key in by_trec_eval.items():
        expected = [theirs[query][key] for query in ours.query_ids]
        np.testing.assert_allclose(ours.column(name), expected, atol=1e-9, err_msg=name)
    by_torchmetrics = {
        "R@10": (retrieval_recall, 10),
        "R@60": (retrieval_recall, 60),
        "R@100": (retrieval_recall, 100),
        "RR@100": (retrieval_reciprocal_rank, 100),
        "nDCG@10": (retrieval_normalized_dcg, 10),
        "Success@10": (retrieval_hit_rate, 10),
    }
    for row, query in enumerate(ours.query_ids):
        scores = torch.tensor([run[query].get(item, 0.0) for item in [*items, "sure"]])
        grades = torch.tensor([qrels[query].get(item, 0) for item in [*items, "sure"]])
        for name, (function, k) in by_torchmetrics.items():
            target = grades if name == "nDCG@10" else grades > 0
            expected = float(function(scores, target, top_k=k))
            assert ours.column(name)[row] == pytest.approx(expected, abs=1e-6), name
