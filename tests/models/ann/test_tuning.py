"""Tuning: points measured by an exam, the front by a plain double loop, the choice by its budget."""

from __future__ import annotations

from dataclasses import asdict, replace

import faiss
import numpy as np
import pytest

from models.ann.codes import filled
from models.ann.exact import equal_numbers, nearest, pieces, vector_hashes
from models.ann.operating_points import (
    Exam,
    OperatingPoint,
    cheapest_settings,
    index_bytes,
    lowest_k_factor,
    measure_point,
)
from models.ann.search import ask
from models.ann.train import train
from models.ann.tuning import Budget, pareto, tune
from models.evaluation.recall import overlap
from models.training.batches import Known
from tests.models.ann.vectors import DIM, brute, items, queries

SOLD, ASKED = items(12_000), queries(80)
EXAM = Exam(ASKED, brute(ASKED, SOLD, 20))


def index(factory: str) -> faiss.Index:
    return filled(train(SOLD, factory), factory, SOLD)[0]


def point(recall: float, cpu_ms: float, size: float, p99_ms: float = 1.0) -> OperatingPoint:
    return OperatingPoint("IVF9,SQ8", {"nprobe": 1}, recall, cpu_ms, 1.0, p99_ms, size, 0.0)


def test_exact_search_for_the_exam_is_that_of_numpy() -> None:
    assert overlap(nearest(ASKED, [SOLD[:5000], SOLD[5000:]], 20)[1], EXAM.exact) > 0.9999


def test_the_least_nprobe_holds_the_target_and_a_sixteenth_less_does_not() -> None:
    one = index("IVF200,SQ8")
    tried = cheapest_settings(one, EXAM, 0.95)
    (settings, recall), nprobe = tried[-1], int(tried[-1][0]["nprobe"])
    assert recall == overlap(ask(one, ASKED, 20, settings).items, EXAM.exact) >= 0.95
    below = max(1, nprobe - max(2, nprobe // 8))
    assert EXAM.recall(one, {"nprobe": below}) < 0.95
    assert [found["nprobe"] for found, _ in tried[:-1]] == sorted({found["nprobe"] for found, _ in tried[:-1]})


def test_what_held_before_is_tried_first_and_kept() -> None:
    one = index("IVF200,SQ8")
    assert len(cheapest_settings(one, EXAM, 0.5, {"nprobe": 100})) == 1
    tried = cheapest_settings(one, EXAM, 0.95, {"nprobe": 1})  # no longer enough: it goes up from there
    assert tried[-1][1] >= 0.95


def test_a_target_out_of_reach_ends_with_every_list_visited() -> None:
    settings, recall = cheapest_settings(index("IVF50,RaBitQ"), EXAM, 0.9999)[-1]
    assert settings["nprobe"] == 50
    assert recall < 0.9999


def test_the_least_k_factor() -> None:
    one = index("IVF50,SQ4,Refine(SQ8)")
    settings = cheapest_settings(one, EXAM, 0.9)[-1][0]
    chosen = lowest_k_factor(one, EXAM, 0.9, settings)
    assert EXAM.recall(one, chosen) >= 0.9
    assert chosen["k_factor"] <= settings["k_factor"] == 8.0
    assert lowest_k_factor(one, EXAM, 0.9, {"nprobe": 3}) == {"nprobe": 3}


def test_settings_lose_no_more_by_labels_than_they_may() -> None:
    """Overlap is reached with few lists; people's relevant items lie in lists that are visited later."""
    one = index("IVF200,SQ8")
    few = int(cheapest_settings(one, EXAM, 0.5)[-1][0]["nprobe"])
    shown = ask(one, ASKED, 20, {"nprobe": few}).items
    missed = [next((int(i) for i in row if i not in found), -1) for row, found in zip(EXAM.exact, shown, strict=True)]
    query = np.flatnonzero(np.array(missed) >= 0)
    labels = Known(query, np.array(missed)[query], len(ASKED))
    exam = replace(EXAM, relevant=labels, max_lost=0.3)
    assert exam.lost(EXAM.exact) == 0.0 and exam.lost(shown) == 1.0
    settings = cheapest_settings(one, exam, 0.5)[-1][0]
    assert settings["nprobe"] > few
    assert exam.lost(ask(one, ASKED, 20, settings).items) <= 0.3
    assert cheapest_settings(one, replace(exam, max_lost=1.0), 0.5)[-1][0]["nprobe"] == few


def test_the_front_is_that_of_a_double_loop() -> None:
    rng = np.random.default_rng(0)
    points = [point(*row) for row in rng.integers(1, 8, (60, 3)).astype(float).tolist()]
    front = pareto(points)

    def beaten(one: OperatingPoint) -> bool:
        return any(
            other.recall >= one.recall
            and other.cpu_ms <= one.cpu_ms
            and other.bytes_per_item <= one.bytes_per_item
            and (other.recall, other.cpu_ms, other.bytes_per_item) != (one.recall, one.cpu_ms, one.bytes_per_item)
            for other in points
        )

    assert front == [one for one in points if not beaten(one)]
    assert 0 < len(front) < 60


@pytest.mark.parametrize(
    ("budget", "holds"),
    [
        (Budget(0.9), True),
        (Budget(0.97), False),
        (Budget(0.9, p99_ms=0.5), False),
        (Budget(0.9, bytes_per_item=99), False),
        (Budget(0.9, 2.0, 101), True),
    ],
)
def test_a_budget_is_held_or_not(budget: Budget, holds: bool) -> None:
    assert budget.holds(point(0.95, 1.0, 100)) is holds


def test_the_cheapest_family_within_the_budget_is_chosen() -> None:
    told: list[str] = []
    chosen = tune(SOLD, EXAM, Budget(0.95), report=told.append)
    assert chosen.point.recall >= 0.95
    holding = [one for one in chosen.points if one.recall >= 0.95]
    assert chosen.point.cpu_ms <= 1.1 * min(one.cpu_ms for one in holding)
    assert len({one.factory for one in chosen.points}) == len(told) >= 8
    small = tune(SOLD, EXAM, Budget(0.9, bytes_per_item=60), report=told.append)
    assert small.point.bytes_per_item <= 60
    assert "least CPU time" in small.reason
    never = tune(SOLD, EXAM, Budget(0.9, bytes_per_item=4), factory="IVF64,SQ4", report=told.append)
    assert never.reason.startswith("NOTHING holds")
    assert (never.point.factory, never.lists_times) == ("IVF64,SQ4", 0.0)
    assert {"factory", "recall", "p99_ms"} <= set(asdict(pareto(chosen.points)[0]))


@pytest.mark.parametrize("copies", [30, 1_500])
def test_exact_search_reads_1_however_many_items_are_equal(copies: int) -> None:
    """A marketplace: the offers of one product have one vector, and chance decides which of them a search returns."""
    sold = np.repeat(SOLD[: 6_000 // copies], copies, axis=0)[
        np.random.default_rng(0).permutation(6_000 // copies * copies)
    ]
    exact, equal = nearest(ASKED, pieces(sold), 100)[1], equal_numbers(map(vector_hashes, pieces(sold, 999)))
    assert len(np.unique(equal)) == 6_000 // copies
    flat, coarse = faiss.IndexFlatIP(DIM), filled(train(sold, "IVF64,SQ8"), "IVF64,SQ8", sold)[0]
    flat.add(sold)
    # FAISS breaks ties by its own order, a shop's other index by another
    turned = faiss.IndexFlatIP(DIM)
    turned.add(sold[::-1].copy())
    results = len(sold) - 1 - ask(turned, ASKED, 100).items
    exam = Exam(ASKED, exact, equal=equal)
    assert exam.recall(flat, {}) == exam.recall_of(results) == 1.0
    assert overlap(results, exact) < 0.95, "counted by row"
    assert exam.recall(coarse, {"nprobe": 64}) > 0.99
    assert exam.recall(coarse, {"nprobe": 1}) < 0.95, "what is not visited is still lost"
    assert tune(
        sold[:3_000], Exam(ASKED, nearest(ASKED, pieces(sold[:3_000]), 100)[1], equal=equal[:3_000]), Budget(0.95)
    ).reason.startswith("least")


def test_a_shop_without_equal_items_has_the_same_front_as_before() -> None:
    one, equal = index("IVF200,SQ8"), equal_numbers(map(vector_hashes, pieces(SOLD)))
    assert len(np.unique(equal)) == len(SOLD)
    exam = Exam(ASKED, EXAM.exact, equal=equal)
    assert cheapest_settings(one, exam, 0.95) == cheapest_settings(one, EXAM, 0.95)


def test_vectors_are_equal_by_their_values() -> None:
    vectors = np.array([[0.0, 1.0], [-0.0, 1.0], [1.0, 0.0], [0.0, 1.0000001]], np.float32)
    assert (
        equal_numbers([vector_hashes(vectors[:3]), vector_hashes(vectors[3:])])
        .tolist()
        .count(equal_numbers([vector_hashes(vectors)])[0])
        == 2
    )


def test_a_small_catalogue_is_compared_whole() -> None:
    few = SOLD[:500]
    chosen = tune(few, Exam(ASKED, brute(ASKED, few, 20)), Budget(0.95))
    assert (chosen.point.factory, chosen.point.settings) == ("Flat", {})
    assert chosen.point.recall > 0.9999


def test_judged_measures_by_hand() -> None:
    """Query 0 finds one of two at rank 2; query 1 has nothing relevant and does not count."""
    exam = Exam(ASKED[:2], EXAM.exact[:2], Known(np.array([0, 0]), np.array([5, 9]), 2))
    assert exam.judged(np.array([[7, 5, 3], [1, 2, 3]])) == {"R@60": 0.5, "RR@60": 0.5}
    assert EXAM.judged(EXAM.exact) == {}


def test_a_point_is_measured_on_one_thread_and_threads_come_back() -> None:
    before = faiss.omp_get_max_threads()
    found = measure_point(index("IVF50,SQ8"), "IVF50,SQ8", EXAM, {"nprobe": 50}, 1.5)
    assert faiss.omp_get_max_threads() == before
    assert found.recall > 0.95
    assert 0 < found.p50_ms <= found.p99_ms
    assert DIM + 8 < found.bytes_per_item < DIM + 40  # a byte a dimension, the id, centroids


@pytest.mark.parametrize(
    "factory", ["SQ8", "HNSW32,SQ8", "IVF50,SQ8", "IVF50_HNSW32,SQ4,Refine(SQ8)", "IVF50,PQ16x4fs"]
)
def test_the_weight_is_that_of_the_file(factory: str) -> None:
    """Counted, where FAISS's own bytes would be a second copy of the index."""
    one = index(factory)
    assert index_bytes(one) == pytest.approx(len(faiss.serialize_index(one)), rel=0.1)  # packed lists are padded
