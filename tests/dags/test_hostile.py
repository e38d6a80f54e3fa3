"""Hostile values in a trigger form: each is refused in a clear line, and makes nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException, ParamValidationError

from dags.process import ROOT, JobProcess, JobRefused
from tests.dags.rendering import DAGS, DAILY, load, rendered, unmapped

HOSTILE = [
    "2026-01-31; rm -rf /",
    "../../x",
    "{{ 1 }}",
    "$(touch made)",
    "2026-01-31/../../x",
    "2026-1-31",
    "20260131",
    "2026-02-30",
    "2026-01-31\n",
    " ",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("dag_id", DAILY)
def test_the_form_refuses_a_day_that_is_none(dag_id: str, text: str) -> None:
    """Airflow validates conf against the params when a run is made, whether from form, API or CLI."""
    params = load(dag_id).params
    with pytest.raises(ParamValidationError, match="ds"):
        params["ds"] = text


@pytest.mark.parametrize("text", HOSTILE)
def test_a_partition_key_that_is_no_day_is_refused_by_the_job_and_makes_nothing(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An asset event's key is checked by nobody before; so each job checks its addresses itself."""
    monkeypatch.setenv("NIGHTSHELF_LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("NIGHTSHELF_HOME", str(tmp_path / "var"))
    task = load("pairs_daily").get_task("wait")
    argv = rendered(task, {}, partition_key=text).argv
    assert argv[5] == f"log/ds={text},catalogue/ds={text}"  # rendered once, never twice
    said: list[str] = []
    with pytest.raises(JobRefused, match="exit code 2, not tried again"):
        JobProcess(argv, {}).run(said.append)
    assert "Traceback" not in "\n".join(said)
    assert list(tmp_path.iterdir()) == []


BAD_IDS = [text for text in HOSTILE if text != "20260131"]  # whose digits may begin an id


@pytest.mark.parametrize("text", [*BAD_IDS, "previous; ls", "3F9C", "current"])
def test_the_form_refuses_a_bundle_that_is_none(text: str) -> None:
    params = load("rollback").params
    with pytest.raises(ParamValidationError, match="to"):
        params["to"] = text


@pytest.mark.parametrize(("to", "word"), [("", "previous"), ("3f9c1a", "3f9c1a")])
def test_an_empty_form_goes_back_to_the_bundle_before(to: str, word: str) -> None:
    argv = rendered(load("rollback").get_task("find"), {"to": to}).argv
    assert argv[4:] == ["--list", "1", "--to", word, "--alias", "search/champion"]


@pytest.mark.parametrize("dag_id", DAGS)
def test_a_key_of_conf_that_the_form_lacks_ends_the_run_before_each_task(dag_id: str) -> None:
    """Airflow passes over it: `rollback` with `too` for `to` went back to the bundle before."""
    dag = load(dag_id)
    for task in map(unmapped, dag.tasks):
        hook = task._pre_execute_hook
        assert hook is not None, task.task_id
        with pytest.raises(AirflowFailException, match="conf has too, what, expected keys of the form: "):
            hook({"dag": dag, "dag_run": SimpleNamespace(conf={"too": "3f9c", "what": 1})})
        for conf in (None, {}, dict.fromkeys(dag.params)):
            hook({"dag": dag, "dag_run": SimpleNamespace(conf=conf)})


@pytest.mark.parametrize("text", [*HOSTILE, "champion", "search/champion; ls", "search/", "../champion", ""])
def test_the_form_refuses_an_alias_that_is_none(text: str) -> None:
    params = load("rollback").params
    with pytest.raises(ParamValidationError, match="alias"):
        params["alias"] = text


def test_a_number_is_a_number() -> None:
    params = load("pairs_daily").params
    for text in ("3; ls", "3.5", 0, 10_000):
        with pytest.raises(ParamValidationError):
            params["window_days"] = text


def test_the_launcher_takes_names_of_jobs_alone() -> None:
    for name in ("../up", "os", "lake; ls", "", "jobs.datasets.pairs", "Pairs"):
        found = subprocess.run(
            [sys.executable, "jobs/__main__.py", name], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert found.returncode != 0, name
        assert found.stdout == ""
