"""The trigger form comes from the jobs: defaults stand in Args alone."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from dags import forms
from jobs.lake.commands import module_of
from jobs.platform.arguments import arguments
from tests.dags.rendering import DAGS, load

JOB = '''
from __future__ import annotations
from typing import Annotated
import numpy as np
from annotated_types import Ge
from jobs.lake.partitions import NOWHERE, Partition
from jobs.bare import METHODS
from jobs.platform.arguments import FIRST, CommandArgs, OneOf, PositiveInt, WindowDays

SIZES: dict[str, object] = {"half": np.float16, "full": helper(np.float32)}
STEP = 2
def helper(x): ...

class Base(CommandArgs, kw_only=True):
    """depth  of a class that others extend"""
    depth: PositiveInt = 3

class Args(Base, kw_only=True):
    """log      raw files of the day
    impressions  output, on
        two lines
    window_days  days of clicks: 100% of them, and
        a day more
    lr           step
    labels       optional
    """

    log: Partition
    window_days: Annotated[WindowDays, FIRST] = 28
    lr: float = -1e-3
    method: Annotated[str, OneOf("auto", *METHODS)] = "auto"
    size: Annotated[str, OneOf(*SIZES)] = "half"
    even: Annotated[int, Ge(STEP)] = 4
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
    (package / "bare.py").write_text("raise RuntimeError\nMETHODS = ('exact', 'ivf')\n", encoding="utf-8")
    (package / "platform").mkdir()
    monkeypatch.setattr(import_module("jobs"), "__path__", [str(package)])
    monkeypatch.setattr(forms, "module_of", lambda command: f"jobs.{command}")
    forms.fields.cache_clear()


def test_type_bounds_default_and_help_are_the_fields(job: None) -> None:
    known = forms.fields("invented")
    # no Partition, none without default; those of the base class first
    assert list(known) == ["depth", "window_days", "lr", "method", "size", "even", "language", "bare"]
    assert known["window_days"].help == "days of clicks: 100% of them, and a day more"
    assert (known["lr"].default, known["lr"].help, known["bare"].help) == (-1e-3, "step", "")
    assert known["depth"].help == "of a class that others extend"
    param = forms.form("invented", "Window", "window_days")["window_days"]
    assert (param.value, param.schema["section"], param.description) == (28, "Window", known["window_days"].help)
    assert [param.schema[name] for name in ("type", "minimum", "maximum")] == ["integer", 1, 365]
    assert forms.templates({"lr": param}) == {"lr": "{{ params.lr }}"}


def test_bounds_that_constants_hold_are_read_and_not_imported(job: None) -> None:
    known = forms.fields("invented")
    assert known["method"].schema["enum"] == ["auto", "exact", "ivf"]  # a constant of another module
    assert known["size"].schema["enum"] == ["half", "full"]  # keys of a dict whose values need numpy
    assert known["even"].schema == {"type": "integer", "minimum": 2}


def test_choices_that_take_an_import_to_know_are_an_error(job: None, tmp_path: Path) -> None:
    source = "KINDS = tuple(f'a{i}' for i in range(3))\nclass Args:\n    kind: Annotated[str, OneOf(*KINDS)] = 'a0'\n"
    head = "from typing import Annotated\nfrom jobs.platform.arguments import OneOf\n"
    (tmp_path / "jobs" / "computed.py").write_text(head + source, encoding="utf-8")
    with pytest.raises(TypeError, match=r"jobs.computed: \*KINDS takes an import to know"):
        forms.fields("computed")


def test_a_job_or_field_that_is_not_there_is_an_error(job: None) -> None:
    with pytest.raises(LookupError, match="jobs.nothing: no such module"):
        forms.fields("nothing")
    with pytest.raises(LookupError, match="jobs.bare: no class Args"):
        forms.fields("bare")
    with pytest.raises(LookupError, match="invented: Args has no log, other with a default"):
        forms.form("invented", "Window", "lr log other")


@pytest.mark.parametrize("dag_id", DAGS)
def test_a_param_has_the_default_and_the_bounds_of_every_command_it_is_passed_to(dag_id: str) -> None:
    """Read from the source for the form, imported for the command: both say the same."""
    dag = load(dag_id)
    for task in dag.tasks:
        words = list(getattr(task, "argv", []))
        if len(words) < 4 or words[1:3] != ["-m", "jobs"]:
            continue
        known = arguments(import_module(module_of(words[3])).Args)
        for flag, value in zip(words[4::2], words[5::2], strict=True):
            name = flag[2:]
            if value in (f"{{{{ params.{name} }}}}", f"{{{{ params.{name} or '' }}}}"):
                assert known[name].default == dag.params[name], f"{task.task_id} {flag}"
                schema = dag.params.get_param(name).schema
                assert forms.form_schema(known[name]).items() <= schema.items(), f"{task.task_id} {flag}"


@pytest.mark.parametrize("dag_id", DAGS)
def test_a_form_can_be_sent_as_it_opens(dag_id: str) -> None:
    """The page locks its button while a field whose type lacks null is empty."""
    params = load(dag_id).params
    fields = {name: params.get_param(name) for name in params}
    assert [name for name, field in fields.items() if field.value in ("", None) and not forms.may_be_null(field)] == []
