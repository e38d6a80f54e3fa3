"""A sweep over commands that are made up: what is shared, killed, failed, told and cleared away. One real one, slow."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.experiments import sweep
from jobs.experiments import trial_commands as trials
from jobs.experiments.results import DIFFERENCE, RATIO
from jobs.lake.fault import fault_point
from jobs.lake.partitions import Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin
from jobs.platform.tracking import client
from models.evaluation.measures import MEASURES
from tests.jobs.experiments.trials import FIXED, INPUTS, SWEEP_AT, publish_classroom
from tests.jobs.towers.classroom import DS, Args

SPACE = "batch_size=6,12;r_min=0,2"
QUERIES = 40


class Commands:
    """Stands for the jobs: writes what they would, with figures that follow from the flags."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.broken = ""

    def run(self, bench: object, job: str, argv: Sequence[str], root: Path, lock: int) -> None:
        flags = {name[2:]: value for name, value in zip(argv[::2], argv[1::2], strict=True)}
        words = " ".join(argv)
        self.log.append(f"{job} {words}")
        if self.broken and self.broken in words:
            raise trials.CommandFailed(f"{job}: exit code 1: no <b>room</b>")
        target = Partition.parse(flags[job])
        with publish(target, Args(target)) as out:
            if job == "tower_metrics":
                self._measure(out, Partition.parse(flags["towers"]))
            else:
                (out.folder / "weights.bin").write_bytes(b"0" * 1000)
                space = hashlib.sha256(words.encode()).hexdigest()[:16]
                seed, batch = int(flags["seed"]), int(flags.get("batch_size", 0))
                worth = 0.3 + 0.05 * np.log2(batch or 1) + 0.1 * ("--start" in words) + 0.01 * seed
                out.facts.update(space_id=space, worth=worth, best_epoch=seed)
                if job == "negatives":
                    out.facts["false_negatives"] = [{"ranks": "all", "estimate": 0.25}]

    def _measure(self, out: object, towers: Partition) -> None:
        worth = pin(towers).facts["worth"]
        rng = np.random.default_rng(0)  # the same queries, easy and hard, for all towers
        values = np.clip(worth + rng.normal(0, 0.05, QUERIES), 0, 1)
        splits = ["dev" if row % 2 else "test" for row in range(QUERIES)]
        table = pa.table(
            {
                "query_id": [f"{row:03d}" for row in range(QUERIES)],
                "split": splits,
                "segment": ["tail"] * QUERIES,
                "typo": [row < 10 for row in range(QUERIES)],
                "model_number": [False] * QUERIES,
                "length": ["1 word"] * QUERIES,
                **dict.fromkeys(MEASURES, values),
            }
        )
        pq.write_table(table, out.folder / "measures.parquet")  # type: ignore[attr-defined]
        mean = float(values[1::2].mean())
        told = {"dev": {"all": {name: [mean, mean, mean] for name in MEASURES}}}
        out.facts.update(space_id=towers.values["step"], splits=told)  # type: ignore[attr-defined]


@pytest.fixture
def commands(lake: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    publish_classroom()
    found = Commands()
    monkeypatch.setattr(trials.TrialCommands, "_run", lambda *given: found.run(*given))
    monkeypatch.setattr(trials, "fault_point", fault_point)
    return found


def run(**settings: object) -> dict[str, object]:
    wanted = {"sweep": SWEEP_AT, "space": SPACE, "fixed": FIXED} | settings
    return sweep.main(sweep.Args(**INPUTS, **wanted))  # type: ignore[arg-type]


def names_in(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if "sweep_v1" not in str(path))


def test_a_grid_is_trained_judged_and_told(commands: Commands, lake: Path) -> None:
    before = names_in(lake)
    said = run(seeds=2)
    assert (said["trials"], said["failed"], said["left"]) == (4, 0, 0)
    # step 1 once for each batch size and seed, mining and step 3 for each setting and seed
    jobs = [line.split()[0] for line in commands.log]
    assert (jobs.count("towers"), jobs.count("negatives"), jobs.count("tower_metrics")) == (4 + 8, 8, 4 + 8)
    assert names_in(lake) == before  # the nightly lake has the study and nothing else
    made = pin(SWEEP_AT)
    rows = pq.read_table(made.path("measures.parquet")).to_pylist()
    found = {
        (row["point"], row["stage"]): row
        for row in rows
        if (row["slice"], row["split"], row["measure"]) == ("all", "dev", "R@60")
    }
    one = found["batch_size=12;r_min=0", "star"]
    in_batch = found["batch_size=12;r_min=0", "in_batch"]
    assert one["queries"] == QUERIES // 2
    assert one["seeds"] == 2
    assert one["low"] < one["value"] < one["high"]
    assert one["value"] - in_batch["value"] == pytest.approx(0.1)
    assert found["batch_size=12;r_min=0", DIFFERENCE]["value"] == pytest.approx(0.1)
    ratio = found["batch_size=12;r_min=0", RATIO]
    assert ratio["value"] == pytest.approx(one["value"] / in_batch["value"])
    assert ratio["low"] < ratio["value"] < ratio["high"]
    # Student over two seeds that differ by .01: half width 12.7062 x .0070711 / sqrt(2)
    assert one["seeds_high"] - one["value"] == pytest.approx(0.0635310, abs=1e-5)
    slopes = {(row["stage"], row["split"], row["measure"]): row for row in made.facts["slopes"]}
    assert {row["flag"] for row in slopes.values()} == {"batch_size"}  # r_min=0 has no doubling
    assert slopes["in_batch", "dev", "R@60"]["per_doubling"] == pytest.approx([0.05] * 3)
    best = made.facts["best"]
    assert best["point"] == said["best"] == "batch_size=12;r_min=0"
    assert best["flags"]["star"]["batch_size"] == 12
    kept = pq.read_table(made.path("trials.parquet")).to_pylist()
    assert [row["batch_size"] for row in kept] == [6, 6, 12, 12]
    # of two seeds one stayed at step 1's towers (best epoch 0)
    assert {(row["unmoved_frac"], row["false_frac"]) for row in kept} == {(0.5, 0.25)}
    page = made.path("sweep.html").read_text("utf-8")
    assert "R@60 of star by batch_size" in page
    assert "per doubling" in page.lower()
    assert "false negatives by r_min" in page
    assert "On test, which did not choose it" in page
    assert "http" not in page.replace("http-equiv", "")


def test_after_success_only_the_best_trials_towers_stay(commands: Commands, lake: Path) -> None:
    freed = run()["freed_bytes"]
    left = [path.name for path in (lake.parent / "var/trials" / f"{DS}-trying").iterdir()]
    assert sorted(name.split("-")[0] for name in left) == ["negatives", *["tower_metrics"] * 6, "towers", "towers"]
    assert int(str(freed)) > 4 * 1000
    # what it found can be told again, and nothing is trained for it
    count = len(commands.log)
    assert run()["trials"] == 4
    assert len(commands.log) == count


def test_a_trial_that_fails_is_told_and_ends_nothing(commands: Commands) -> None:
    commands.broken = "--r_min 2"
    said = run()
    assert (said["trials"], said["failed"]) == (4, 2)
    made = pin(SWEEP_AT)
    errors = [row["error"] for row in pq.read_table(made.path("trials.parquet")).to_pylist()]
    assert [bool(error) for error in errors] == [False, True, False, True]
    assert errors[1] == "negatives: exit code 1: no <b>room</b>"
    assert "<b>room" not in made.path("sweep.html").read_text("utf-8")
    assert made.manifest.accounting[0].dropped == {"failed": 2, "not begun": 0}
    # tried again only when asked
    commands.broken = ""
    assert run()["failed"] == 2
    assert run(retry="on")["failed"] == 0
    commands.broken = "towers"
    with pytest.raises(RuntimeError, match="none of 4 trials succeeded: towers: exit code 1"):
        run(space="batch_size=3,4,5,6", stages="in_batch", fixed="epochs=2", sweep=SWEEP_AT.having(study="other"))


def test_a_killed_sweep_goes_on_and_does_nothing_twice(
    commands: Commands, monkeypatch: pytest.MonkeyPatch, lake: Path
) -> None:
    done = lake.parent / "done"
    monkeypatch.setattr(trials.TrialCommands, "_run", lambda *given: noted(done, commands, *given))
    for kill_after in (2, 5):
        if not (pid := os.fork()):
            monkeypatch.setenv("NIGHTSHELF_FAULT", f"sweep.command:{kill_after}")
            try:
                run()
            finally:
                os._exit(3)
        assert os.waitpid(pid, 0)[1] == 9
    assert len(done.read_text().splitlines()) == 7
    assert run()["trials"] == 4
    lines = done.read_text().splitlines()
    assert len(lines) == len(set(lines)) == 2 * 2 + 3 * 4


def noted(path: Path, commands: Commands, bench: object, job: str, argv: Sequence[str], root: Path, lock: int) -> None:
    commands.run(bench, job, argv, root, lock)
    with path.open("a") as file:
        file.write(f"{root.name}\n")


def test_mlflow_has_the_study_its_trials_and_their_figures(commands: Commands) -> None:
    run(stages="in_batch")
    api = client()
    parent = api.get_run(pin(SWEEP_AT).manifest.mlflow_run_id)
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["R_at_60"] > 0.4
    runs = api.search_runs([parent.info.experiment_id])
    children = [one for one in runs if one.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert {one.info.run_name for one in children} == {
        "batch_size=6;r_min=0",
        "batch_size=6;r_min=2",
        "batch_size=12;r_min=0",
        "batch_size=12;r_min=2",
    }
    assert {one.data.params["batch_size"] for one in children} == {"6", "12"}


def test_a_dags_three_phases_are_one_sweep(commands: Commands) -> None:
    points = run(only="plan")["points"]
    assert isinstance(points, list)
    assert len(points) == 4
    for words in points:
        given = dict(zip(words[::2], words[1::2], strict=True))
        assert (given["--only"], given["--fixed"]) == ("work", FIXED)
        run(only="work", point=given["--point"])
    assert run(only="plan")["points"] == []
    count = len(commands.log)
    assert run(only="publish")["trials"] == 4
    assert len(commands.log) == count
    commands.broken = "negatives"
    with pytest.raises(RuntimeError, match="batch_size=3;r_min=0: negatives"):
        run(only="work", point="batch_size=3;r_min=0", space="batch_size=3;r_min=0", sweep=SWEEP_AT.having(study="red"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sampler": "best"}, "sampler='best': expected one of grid"),
        ({"objective": "R@7"}, "objective='R@7': expected one of R@10"),
        ({"seeds": 0}, "seeds"),
        ({"point": "lr=1"}, "give --only work too"),
        ({"space": ""}, "space='': expected 3 characters or more"),
        ({"space": "epochs=1,2"}, "none in both"),
        ({"space": "r_min=5,500"}, "negatives refuses"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused_before_it_begins(
    commands: Commands, wrong: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        run(**wrong)
    assert commands.log == []


@pytest.mark.slow
def test_a_real_sweep_of_two_mining_windows(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_classroom()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = names_in(lake)
    said = run(fixed=f"{FIXED};hard_negatives=2", space="batch_size=6;r_min=0,2")
    assert (said["trials"], said["failed"]) == (2, 0)
    assert names_in(lake) == before
    rows = pq.read_table(pin(SWEEP_AT).path("measures.parquet")).to_pylist()
    stages = {row["stage"] for row in rows}
    assert {"in_batch", "star"} <= stages
    assert {row["split"] for row in rows} == {"dev", "test"}
    assert client().search_registered_models() == []  # what a sweep tries is nobody's candidate
    assert json.dumps(said)
