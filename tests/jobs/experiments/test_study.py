"""Who works on which trial: none twice, none lost, whoever is killed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from optuna.trial import TrialState

from jobs.experiments.search_space import parse_space
from jobs.experiments.study import NEXT, Plan, Study

SPACE = "batch_size=6,12;r_min=0,2"


def study(space: str = SPACE, sampler: str = "grid", trials: int = 5, **question: object) -> Study:
    plan = Plan(parse_space(space), sampler, trials, 0, {"space": space, **question})
    return Study("sweep/ds=2026-01-31/study=a", plan)


def test_two_workers_share_a_grid(lake: Path) -> None:
    one, other = study(), study()
    assert len(one.points()) == 4
    claims = [worker.claim() for worker in (one, other, one, other)]
    names = [claim.point for claim in claims if claim]
    assert names == ["batch_size=6;r_min=0", "batch_size=6;r_min=2", "batch_size=12;r_min=0", "batch_size=12;r_min=2"]
    assert one.claim() is None
    assert claims[0] is not None
    assert claims[0].setting == {"batch_size": 6, "r_min": 0}
    for claim in claims:
        assert claim is not None
        one.tell(claim, 0.5, {"made": "{}"})
    assert other.points() == []
    assert study().claim() is None  # nor after a restart


def test_a_killed_workers_trial_is_begun_again(lake: Path) -> None:
    first = study()
    done = first.claim()
    assert done is not None
    first.tell(done, 0.1, {})
    if not (pid := os.fork()):
        study().claim()
        os.kill(os.getpid(), 9)
    assert os.waitpid(pid, 0)[1] == 9
    claims = [first.claim() for _ in range(3)]  # kept: a claim that is dropped lets go
    assert [one.point for one in claims if one] == [
        "batch_size=6;r_min=2",
        "batch_size=12;r_min=0",
        "batch_size=12;r_min=2",
    ]
    assert first.claim() is None
    states = [one.state for one in first.optuna.get_trials()]
    assert states.count(TrialState.FAIL) == 1  # the one that was left
    assert len(first.trials()) == 4  # which is not among the trials


def test_a_trial_that_failed_is_begun_again_only_when_asked(lake: Path) -> None:
    found = study("batch_size=6,12")
    claim = found.claim()
    assert claim is not None
    found.tell(claim, None, {"error": "no room"})
    assert [one.user_attrs["error"] for one in found.trials()] == ["no room"]
    second = found.claim()
    assert second is not None
    assert second.point == "batch_size=12"
    found.tell(second, 0.3, {})
    assert found.claim() is None
    again = found.claim(again={"batch_size=6"})
    assert again is not None
    assert again.point == "batch_size=6"
    found.tell(again, 0.4, {})
    # by name: what went well stands, whatever is asked
    assert found.claim(point="batch_size=12") is None
    assert [one.value for one in found.trials()] == [0.3, 0.4]


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_sampler_chooses_as_many_as_asked_and_takes_up_what_was_left(lake: Path, sampler: str) -> None:
    found = study("lr=0.001..0.1~;star=continue,restart", sampler)
    assert found.points() == [NEXT] * 5
    seen = []
    for value in (0.1, 0.4):
        claim = found.claim()
        assert claim is not None
        seen.append(claim.point)
        found.tell(claim, value, {})
    if not (pid := os.fork()):
        study("lr=0.001..0.1~;star=continue,restart", sampler).claim()
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    (left,) = [one for one in found.optuna.get_trials() if one.state == TrialState.RUNNING]
    while claim := found.claim():
        seen.append(claim.point)
        assert 0.001 <= float(claim.setting["lr"]) <= 0.1
        found.tell(claim, 0.2, {})
    assert len(seen) == len(set(seen)) == 5
    assert left.params["lr"] in [one.params["lr"] for one in found.trials()]
    assert study("lr=0.001..0.1~;star=continue,restart", sampler, trials=7).points() == [NEXT] * 2


def test_another_question_under_the_same_name_is_refused(lake: Path) -> None:
    study(seeds=1)
    with pytest.raises(ValueError, match=r"asked something else before: seeds \(1, now 3\)"):
        study(seeds=3)
