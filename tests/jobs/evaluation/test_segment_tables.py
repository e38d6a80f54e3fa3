"""Segments of a room are compared by the measure that decides there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from jobs.evaluation.comparisons import pairs_of
from jobs.evaluation.measures import Evaluation, evaluate
from jobs.evaluation.room import RERANKING
from jobs.evaluation.segment_tables import segment_rows
from jobs.evaluation.tables import importance_rows
from jobs.platform.trec import rows_of
from models.fusion.ranked_lists import Ranked

QUERIES = 24


def evaluated() -> Evaluation:
    """One relevant item a query; the ranker puts it first, the list in service second; for the last twelve, both first."""
    names = [f"q{row:02d}" for row in range(QUERIES)]
    items = pa.array(["wrong", "right"], pa.string())
    scores = np.array([[2.0, 1.0]] * QUERIES, np.float32)
    first = np.array([[1, 0]] * QUERIES)
    second = np.array([[0, 1]] * 12 + [[1, 0]] * 12)
    lists = {"reranked": first, "trees": first, "hybrid": second, "champion_reranked": second}
    ranked = pa.concat_tables([rows_of(arm, names, Ranked(rows, scores), items) for arm, rows in lists.items()])
    qrels = pa.table({"query_id": names, "item_id": ["right"] * QUERIES, "relevance": [1.0] * QUERIES})
    found = evaluate(ranked, qrels, 1.0, 0.0)
    return replace(found, groups={"searched": {"head": np.arange(QUERIES) < 12, "tail": np.arange(QUERIES) >= 12}})


def test_segments_of_rankers_show_ndcg_by_hand() -> None:
    tail, head = segment_rows(RERANKING, evaluated(), min_support=5)
    second = 1 / np.log2(3)
    assert (head["name"], tail["name"]) == ("head", "tail"), "the worst first"
    assert head["means"] == pytest.approx({"reranked": 1, "trees": 1, "hybrid": second})
    assert head["moved"].value == pytest.approx(1 - second)
    assert (head["said"], tail["said"]) == ("better", "")
    assert tail["moved"].value == 0
    assert segment_rows(RERANKING, evaluated(), min_support=13)[0]["enough"] is False


def test_rankers_are_compared_with_the_list_they_reorder_and_with_the_one_in_service() -> None:
    assert pairs_of(RERANKING, evaluated()) == [("trees", "hybrid"), ("reranked", "champion_reranked")]


def test_importances_come_by_size_and_one_below_zero_has_no_bar() -> None:
    rows = importance_rows({"importances": {"trees": {"a": -0.1, "b": 0.2, "c": 0.4}}})["trees"]
    assert [(row["feature"], row["share"]) for row in rows] == [("c", 100), ("b", 50), ("a", 0)]
    assert importance_rows({}) == {}
