from __future__ import annotations

from models.evaluation.caveats import caveats


def means(**values: float) -> dict[str, dict[str, float]]:
    return {arm: {"R@60": value} for arm, value in values.items()}


def test_nothing_to_say_when_all_is_as_hoped() -> None:
    assert caveats(means(dense=0.6, sparse=0.5, hybrid=0.7, dense_in_batch=0.5), {}, False) == []


def test_each_thing_that_would_mislead_is_said() -> None:
    assert "simulated" in caveats(means(dense=0.6), {}, True)[0]
    said = caveats(means(dense=0.5, sparse=0.6, hybrid=0.6, dense_in_batch=0.5), {}, False)
    assert [one.partition(":")[0] for one in said] == [
        "Hybrid does not beat its best arm",
        "Dense does not beat sparse yet",
        "Hard negatives did not help",
    ]
    assert "0.600 for sparse alone" in said[0]


def test_a_lead_that_may_be_chance_is_said() -> None:
    said = caveats(means(dense=0.6, sparse=0.5, hybrid=0.61), {("hybrid", "dense"): "alike"}, False)
    assert "may be chance" in said[0]
    assert caveats(means(dense=0.6, sparse=0.5, hybrid=0.61), {("hybrid", "dense"): "better"}, False) == []


def test_the_shops_own_engine_is_the_baseline_that_counts() -> None:
    said = caveats(means(dense=0.6, run_shop=0.7), {}, False, {"run_shop": 0.6})
    assert said[0].startswith("run_shop has a list for 60% of the queries")
    assert "Dense does not beat the shop's own ranking: R@60 0.600, and 0.700" in said[1]
    assert caveats(means(dense=0.6, run_shop=0.5), {}, False, {"run_shop": 1.0}) == []


def test_a_recommender_that_does_not_beat_a_line_of_code_is_said() -> None:
    found = {
        "served": {"R@60": 0.5, "RR@25": 0.2},
        "knn": {"R@60": 0.5, "RR@25": 0.21},
        "rrf": {"R@60": 0.5, "RR@25": 0.19},
    }
    (said,) = caveats(found, {}, False)
    assert said == "Served does not beat knn: RR@25 0.200, and 0.210 for knn alone."
    assert caveats(found | {"served": {"R@60": 0.5, "RR@25": 0.22}}, {}, False) == []
    assert caveats({name: found[name] for name in ("knn", "rrf")}, {}, False) == []
