from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.evaluation.gate import Evidence, GateLimits, judge

Q = 400
ARMS, MEASURES = ("served", "dense"), ("R@60", "RR@60")
RNG = np.random.default_rng(0)
VALUES = {arm: {name: RNG.choice([0.0, 0.5, 1.0], Q) for name in MEASURES} for arm in ("dense", "sparse", "served")}
CHAMPION = Evidence(
    values=VALUES,
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
    p99_ms=4.0,
    bytes=1000 * 150,
    data={"items/ds=2026-01-31": "pass", "pairs/ds=2026-01-31": "warn"},
)
LIMITS = GateLimits(ARMS, MEASURES, margin=0.01, segment_margin=0.03, min_support=50)
SEGMENT = np.arange(Q) < 60
SEGMENTS = {"wording: typo": SEGMENT, "searched: head": ~SEGMENT, "category: few": np.arange(Q) < 20}
Values = dict[str, dict[str, np.ndarray]]


def moved(arm: str, name: str, by: float) -> Values:
    return {**VALUES, arm: {**VALUES[arm], name: VALUES[arm][name] + by}}


def broken(arm: str, rows: np.ndarray, paid_back: bool) -> Values:
    """One segment finds nothing more; the others gain as much, so that no mean tells."""
    found = VALUES[arm]["R@60"].copy()
    lost = found[rows].sum()
    found[rows] = 0.0
    if paid_back:
        found[~rows] += lost / (~rows).sum()
    return {**VALUES, arm: {**VALUES[arm], "R@60": found}}


PLANTED = [
    ({"values": moved("dense", "R@60", -0.02)}, "dense R@60"),
    ({"values": moved("served", "RR@60", -0.011)}, "served RR@60"),
    ({"values": {"sparse": VALUES["sparse"]}}, "served R@60"),  # an arm is missing
    ({"values": broken("dense", SEGMENT, True)}, "segment wording: typo: dense R@60"),
    ({"index_recall": 0.41}, "index recall"),  # nprobe = 1
    ({"index_recall": float("nan")}, "index recall"),
    ({"canaries_frac": 0.0}, "own vector"),  # shuffled ids
    ({"index_space_id": "f" * 16}, "space id"),  # swapped towers
    ({"lost_items": 3, "indexed": 997}, "items in the index"),
    ({"indexed": 850, "items": 850}, "size against"),
    ({"queries_digest": "other"}, "same queries"),
    ({"qrels_digest": "other"}, "same queries"),
    ({"p99_ms": 9.0}, "p99"),
    ({"bytes": 1000 * 240}, "bytes an item"),
    ({"data": {"pairs/ds=2026-01-31": "stop"}}, "pairs/ds=2026-01-31"),
]


@pytest.mark.parametrize(("planted", "blamed"), PLANTED, ids=[blamed for _, blamed in PLANTED])
def test_each_planted_regression_is_stopped_and_named(planted: dict, blamed: str) -> None:
    verdict = judge(replace(CHAMPION, **planted), CHAMPION, LIMITS, SEGMENTS)
    assert not verdict.passed
    assert any(blamed in reason for reason in verdict.reasons)


def test_an_improvement_passes_and_says_by_how_much() -> None:
    better = replace(CHAMPION, values=moved("dense", "R@60", 0.05))
    verdict = judge(better, CHAMPION, LIMITS, SEGMENTS)
    assert verdict.passed and verdict.compared
    assert "dense R@60 +0.0500" in verdict.reasons[0]


def test_the_same_index_again_and_a_loss_inside_the_margin_pass() -> None:
    assert judge(CHAMPION, CHAMPION, LIMITS, SEGMENTS).passed
    slightly = replace(CHAMPION, values=moved("dense", "R@60", -0.009))
    assert judge(slightly, CHAMPION, LIMITS, SEGMENTS).passed


def test_noise_alone_stops_no_more_than_alpha_of_the_nights() -> None:
    """Twenty segments, no true difference: a gate that tests each at 5% would stop most nights."""
    rng = np.random.default_rng(1)
    segments = {f"s{n}": rng.random(Q) < 0.3 for n in range(20)}
    limits = GateLimits(ARMS, MEASURES, margin=1e-9, segment_margin=1e-9, min_support=50)
    stopped = 0
    for _ in range(60):
        noise = {
            arm: {name: values + rng.normal(0, 0.3, Q) for name, values in some.items()} for arm, some in VALUES.items()
        }
        verdict = judge(replace(CHAMPION, values=noise), CHAMPION, limits, segments)
        stopped += any(check.about == "segments" and not check.passed for check in verdict.checks)
    assert stopped <= 8, "5% of 60 nights is 3"


def test_a_segment_below_the_least_support_is_not_judged() -> None:
    few = np.arange(Q) < 20
    found = replace(CHAMPION, values=broken("dense", few, True))
    assert judge(found, CHAMPION, LIMITS, {"category: few": few}).passed


def test_a_loss_below_the_noise_of_seeds_stops_nobody() -> None:
    worse = replace(CHAMPION, values=moved("dense", "R@60", -0.02))
    assert not judge(worse, CHAMPION, LIMITS).passed
    assert judge(worse, CHAMPION, replace(LIMITS, seed_noise=0.025)).passed


def test_a_room_names_its_arms_and_measures() -> None:
    """The same loss stops a room that judges it, and is not looked at by another."""
    worse = replace(CHAMPION, values=moved("sparse", "RR@60", -0.3))
    sparse = GateLimits(("sparse",), ("RR@60",))
    verdict = judge(worse, CHAMPION, sparse, SEGMENTS)
    assert not verdict.passed and "sparse RR@60 not worse" in verdict.reasons[0]
    assert {check.name for check in verdict.checks if check.about == "quality"} == {
        "sparse RR@60 not worse than the champion"
    }
    assert judge(worse, CHAMPION, replace(sparse, measures=("R@60",)), SEGMENTS).passed


def test_a_worse_sparse_arm_is_no_reason() -> None:
    assert judge(replace(CHAMPION, values=moved("sparse", "R@60", -0.3)), CHAMPION, LIMITS).passed


def test_the_first_index_passes_on_soundness_alone_and_says_so() -> None:
    verdict = judge(CHAMPION, None, LIMITS)
    assert verdict.passed and not verdict.compared
    assert "no champion" in verdict.reasons[0]
    assert not judge(replace(CHAMPION, lost_items=1), None, LIMITS).passed


def test_a_collapsed_model_never_becomes_the_first_champion() -> None:
    for arm in ARMS:
        nothing = {**VALUES, arm: {"R@60": np.zeros(Q)}}
        verdict = judge(replace(CHAMPION, values=nothing), None, LIMITS)
        assert [check.name for check in verdict.checks if not check.passed] == [f"{arm} R@60 is above zero"]


def test_different_judgements_are_not_compared() -> None:
    verdict = judge(replace(CHAMPION, qrels_digest="other"), CHAMPION, LIMITS)
    assert not verdict.compared
    assert not any("not worse" in check.name for check in verdict.checks)


def test_a_retrained_model_that_is_no_worse_passes_nearly_every_night() -> None:
    """229 queries whose differences spread by .3, no true loss: by the means alone half of the nights would stop."""
    rng = np.random.default_rng(2)
    few = {arm: {name: values[:229] for name, values in some.items()} for arm, some in VALUES.items()}
    champion, stopped, lower = replace(CHAMPION, values=few), 0, 0
    for _ in range(100):
        noise = {
            arm: {name: values + rng.normal(0, 0.3, 229) for name, values in some.items()} for arm, some in few.items()
        }
        verdict = judge(replace(CHAMPION, values=noise), champion, LIMITS)
        lower += any(
            (noise[arm][name] - few[arm][name]).mean() < -0.01 for arm in ("dense", "served") for name in MEASURES
        )
        stopped += not verdict.passed
    assert lower > 40 and stopped <= 8


def test_a_check_says_from_which_loss_on_it_would_see_one() -> None:
    rng = np.random.default_rng(3)
    noise = {
        arm: {name: values + rng.normal(0, 0.3, Q) for name, values in some.items()} for arm, some in VALUES.items()
    }
    verdict = judge(replace(CHAMPION, values=noise), CHAMPION, LIMITS, SEGMENTS)
    (check,) = [one for one in verdict.checks if one.name == "dense R@60 not worse than the champion"]
    assert "shows from -0.02" in check.expected, "1.65 x .3 / 20"


def test_a_challenger_that_nobody_measured_does_not_pass() -> None:
    assert not judge(replace(CHAMPION, p99_ms=0.0), CHAMPION, LIMITS).passed
    assert not judge(replace(CHAMPION, bytes=0), CHAMPION, LIMITS).passed


def test_lists_without_a_vector_index_have_no_recall_to_check() -> None:
    """None is no measurement; a value that is missing where there is an index still stops, as NaN."""
    lists = replace(CHAMPION, index_recall=None, recall_depth=None, canaries_frac=None)
    verdict = judge(lists, lists, LIMITS, SEGMENTS)
    assert verdict.passed and verdict.compared
    names = [check.name for check in verdict.checks]
    assert not any("recall" in name or "own vector" in name for name in names)
    assert not judge(replace(CHAMPION, index_recall=float("nan")), CHAMPION, LIMITS, SEGMENTS).passed
    assert not judge(replace(lists, values=moved("served", "R@60", -0.1)), lists, LIMITS, SEGMENTS).passed
