"""The sharing of trials among workers: none runs twice and none is lost when a worker is killed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from optuna.trial import TrialState

from jobs.experiments.search_space import parse_space
from jobs.experiments.study import NEXT, Study

SPACE = "batch_size=6,12;r_min=0,2"


def study(space: str = SPACE, sampler: str = "grid", trials: int = 5, **question: object) -> Study:
    return Study("sweep/ds=2026-01-31/study=a", {"space": space, **question}, parse_space(space), sampler, trials)


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
        one.record(claim, 0.5, {"made": "{}"})
    assert other.points() == []
    assert study().claim() is None  # nor after a restart


def test_a_killed_workers_trial_is_begun_again(lake: Path) -> None:
    first = study()
    done = first.claim()
    assert done is not None
    first.record(done, 0.1, {"made": "{}"})
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
    assert [trial.state for trial in first.optuna.get_trials()] == [TrialState.COMPLETE]  # the killed one left no row


def test_a_trial_that_failed_is_begun_again_only_when_asked(lake: Path) -> None:
    tried = study("batch_size=6,12")
    claim = tried.claim()
    assert claim is not None
    tried.record(claim, None, {"made": "{}", "error": "no room"})
    assert [trial.user_attrs["error"] for trial in tried.ended().values()] == ["no room"]
    second = tried.claim()
    assert second is not None
    assert second.point == "batch_size=12"
    tried.record(second, 0.3, {"made": "{}"})
    assert tried.claim() is None
    again = tried.claim(again={"batch_size=6"})
    assert again is not None
    assert again.point == "batch_size=6"
    tried.record(again, 0.4, {"made": "{}"})
    # a trial that succeeded is not repeated, not even by name
    assert tried.claim(point="batch_size=12") is None
    assert [trial.value for trial in tried.ended().values()] == [0.3, 0.4]


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_sampler_chooses_as_many_as_asked_and_takes_up_what_was_left(lake: Path, sampler: str) -> None:
    tried = study("lr=0.001..0.1~;star=continue,restart", sampler)
    assert tried.points() == [NEXT] * 5
    seen = []
    for value in (0.1, 0.4):
        claim = tried.claim()
        assert claim is not None
        seen.append(claim.point)
        tried.record(claim, value, {"made": "{}"})
    if not (pid := os.fork()):
        study("lr=0.001..0.1~;star=continue,restart", sampler).claim()
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    left = json.loads((tried.folder / "trial-2.lock").read_text("utf-8"))
    while claim := tried.claim():
        seen.append(claim.point)
        assert 0.001 <= float(claim.setting["lr"]) <= 0.1
        tried.record(claim, 0.2, {"made": "{}"})
    assert len(seen) == len(set(seen)) == 5
    assert left["lr"] in [trial.params["lr"] for trial in tried.ended().values()]
    # a larger study continues the smaller
    assert study("lr=0.001..0.1~;star=continue,restart", sampler, trials=7).points() == [NEXT] * 2


def test_another_question_under_the_same_name_is_refused(lake: Path) -> None:
    study(seeds=1)
    with pytest.raises(ValueError, match=r"had another question before: seeds \(1, now 3\)"):
        study(seeds=3)
