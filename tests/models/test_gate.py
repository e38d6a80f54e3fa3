from __future__ import annotations

from dataclasses import replace

import pytest

from models.gate import Evidence, Limits, judge

MEANS = {
    "dense": {"R@60": 0.60, "RR@60": 0.40},
    "sparse": {"R@60": 0.58, "RR@60": 0.41},
    "hybrid": {"R@60": 0.66, "RR@60": 0.45},
}
CHAMPION = Evidence(
    measures=MEANS,
    queries_digest="q" * 40,
    qrels_digest="r" * 40,
    space_id="0" * 16,
    index_space_id="0" * 16,
    index_recall=0.97,
    recall_depth=100,
    canaries_frac=1.0,
    items=1000,
    indexed=1000,
    lost_items=0,
)
LIMITS = Limits(margin=0.01)


def moved(arm: str, name: str, by: float) -> dict[str, dict[str, float]]:
    return {**MEANS, arm: {**MEANS[arm], name: MEANS[arm][name] + by}}


@pytest.mark.parametrize(
    ("planted", "blamed"),
    [
        ({"measures": moved("dense", "R@60", -0.02)}, "dense R@60"),
        ({"measures": moved("hybrid", "RR@60", -0.011)}, "hybrid RR@60"),
        ({"measures": {"sparse": MEANS["sparse"]}}, "hybrid R@60"),  # an arm is missing
        ({"index_recall": 0.41}, "index recall"),  # nprobe = 1
        ({"index_recall": float("nan")}, "index recall"),
        ({"canaries_frac": 0.0}, "own vector"),  # shuffled ids
        ({"index_space_id": "f" * 16}, "space id"),  # swapped towers
        ({"lost_items": 3, "indexed": 997}, "items in the index"),
        ({"indexed": 850, "items": 850}, "size against"),
        ({"queries_digest": "other"}, "same queries"),
        ({"qrels_digest": "other"}, "same queries"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_planted_regression_is_stopped_and_named(planted: dict, blamed: str) -> None:
    verdict = judge(replace(CHAMPION, **planted), CHAMPION, LIMITS)
    assert not verdict.passed
    assert any(blamed in reason for reason in verdict.reasons)


def test_an_improvement_passes_and_says_by_how_much() -> None:
    verdict = judge(replace(CHAMPION, measures=moved("dense", "R@60", 0.05)), CHAMPION, LIMITS)
    assert verdict.passed and verdict.compared
    assert "dense R@60 +0.0500" in verdict.reasons[0]


def test_the_same_index_again_and_a_loss_inside_the_margin_pass() -> None:
    assert judge(CHAMPION, CHAMPION, LIMITS).passed
    assert judge(
        replace(CHAMPION, measures=moved("dense", "R@60", -0.009)), CHAMPION, LIMITS
    ).passed


def test_a_worse_sparse_arm_is_no_reason() -> None:
    assert judge(replace(CHAMPION, measures=moved("sparse", "R@60", -0.3)), CHAMPION, LIMITS).passed


def test_the_first_index_passes_on_soundness_alone_and_says_so() -> None:
    verdict = judge(CHAMPION, None, LIMITS)
    assert verdict.passed and not verdict.compared
    assert "no champion" in verdict.reasons[0]
    assert not judge(replace(CHAMPION, lost_items=1), None, LIMITS).passed


def test_a_collapsed_model_never_becomes_the_first_champion() -> None:
    assert not judge(replace(CHAMPION, measures={"dense": {"R@60": 0.0}}), None, LIMITS).passed


def test_different_judgements_are_not_compared() -> None:
    verdict = judge(replace(CHAMPION, qrels_digest="other"), CHAMPION, LIMITS)
    assert not verdict.compared
    assert not any("not worse" in check.name for check in verdict.checks)
