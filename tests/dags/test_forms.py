"""The trigger form comes from the jobs: defaults stand in Args alone."""

from __future__ import annotations

import dataclasses
from importlib import import_module
from pathlib import Path

import pytest

from dags import forms
from jobs.lake.commands import module_of
from tests.dags.rendering import DAGS, load

JOB = '''
from dataclasses import dataclass
from jobs.lake.partitions import NOWHERE, Partition

@dataclass(frozen=True)
class Args:
    """log      raw files of the day
    impressions  output, on
        two lines
    window_days  days of clicks: 100% of them, and
        a day more
    lr           step
    labels       optional
    """

    log: Partition
    window_days: int = 28
    lr: float = -1e-3
    language: str = "auto"
    labels: Partition = NOWHERE
    bare: str = ""
'''


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """jobs.invented, which cannot be imported: reading it must be enough."""
    package = tmp_path / "jobs"
    package.mkdir()
    (package / "invented.py").write_text("raise RuntimeError('imported')\n" + JOB, encoding="utf-8")
    (package / "bare.py").write_text("x = 1\n", encoding="utf-8")
    monkeypatch.setattr(import_module("jobs"), "__path__", [str(package)])
    monkeypatch.setattr(forms, "module_of", lambda command: f"jobs.{command}")
    forms.fields.cache_clear()


def test_type_default_and_help_are_the_fields(job: None) -> None:
    found = forms.fields("invented")
    assert list(found) == ["window_days", "lr", "language", "bare"]  # no Partition, none without default
    assert found["window_days"] == forms.Field("window_days", "int", 28, "days of clicks: 100% of them, and a day more")
    assert (found["lr"].default, found["lr"].help, found["bare"].help) == (-1e-3, "step", "")
    param = forms.form("invented", "Window", window_days={"minimum": 1})["window_days"]
    assert (param.value, param.schema["type"], param.schema["minimum"]) == (28, "integer", 1)
    assert forms.templates({"lr": param}) == {"lr": "{{ params.lr }}"}


def test_a_job_or_field_that_is_not_there_is_an_error(job: None) -> None:
    with pytest.raises(LookupError, match="jobs.nothing: no such module"):
        forms.fields("nothing")
    with pytest.raises(LookupError, match="jobs.bare: no class Args"):
        forms.fields("bare")
    with pytest.raises(LookupError, match="invented: Args has no log, other with a default"):
        forms.form("invented", "Window", lr={}, log={}, other={})


@pytest.mark.parametrize("dag_id", DAGS)
def test_a_params_value_is_the_default_of_every_job_it_is_passed_to(dag_id: str) -> None:
    forms.fields.cache_clear()
    dag = load(dag_id)
    for task in dag.tasks:
        words = list(getattr(task, "argv", []))
        if len(words) < 4 or words[1:3] != ["-m", "jobs"]:
            continue
        args = import_module(module_of(words[3])).Args
        defaults = {field.name: field.default for field in dataclasses.fields(args)}
        for flag, value in zip(words[4::2], words[5::2], strict=True):
            name = flag[2:]
            if value == f"{{{{ params.{name} }}}}":
                assert defaults[name] == dag.params[name], f"{task.task_id} {flag}"
