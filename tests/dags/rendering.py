"""Rendering tasks without a database: what a worker would put into a task's templates."""

from __future__ import annotations

import copy
import importlib
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pendulum
from airflow.sdk import DAG, BaseOperator
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.sdk.execution_time import macros

FOLDER = Path(__file__).resolve().parents[2] / "dags"
# Airflow itself takes what the list of other files leaves
IGNORED = (FOLDER / ".airflowignore").read_text("utf-8").splitlines()
DAGS = tuple(sorted(path.stem for path in FOLDER.glob("*.py") if path.name not in IGNORED))
DAILY = tuple(name for name in DAGS if name not in ("housekeeping", "rollback"))  # their form asks for a day
SPACES = {
    "pin_in_batch": "1111111111111111",
    "pin_star": "2222222222222222",
    "pin": "3333333333333333",
    "pin_adore": "4444444444444444",
}

TABLES = ("pairs", "queries", "items", "qrels")
TRIAL = [
    *(word for name in TABLES for word in (f"--{name}", f"{name}/ds=2026-01-31")),
    *("--sweep", "sweep/ds=2026-01-31/study=by_hand", "--only", "work", "--point", "batch_size=256"),
]


def load(dag_id: str) -> DAG:
    """The DAG, its modules imported anew so that the runner's setting is read again."""
    for name in [name for name in sys.modules if name == "dags" or name.startswith("dags.")]:
        del sys.modules[name]
    module: ModuleType = importlib.import_module(f"dags.{dag_id}")
    return next(value for value in vars(module).values() if isinstance(value, DAG))


def pulled(task_ids: str) -> dict[str, object]:
    """The JSON that pin, a plan or a look at the history would print in these tasks."""
    if task_ids == "plan":
        return {"points": [TRIAL]}
    if task_ids == "find":
        return {"to": "3f9c1a2b4d5e"}
    if task_ids.startswith("ranker_"):
        return {"ranker_id": "4444444444444444"}
    if task_ids == "report":
        return {"report": "report/ds=2026-01-31/space=3333333333333333", "verdict": "pass", "summary": "| arm |"}
    if task_ids in ("content", "prod2vec"):
        return {"space": "5555555555555555" if task_ids == "content" else "6666666666666666"}
    step = {"pin_in_batch": "in_batch", "pin_adore": "adore"}.get(task_ids, "star")
    return {
        "towers": f"towers/ds=2026-01-31/step={step}",
        "space": SPACES[task_ids],
        "items_space": SPACES["pin" if task_ids == "pin_adore" else task_ids],
        "champion": "index/ds=2026-01-30/space=3333333333333333",
        "item_features": "item_features/ds=2026-01-30",
        "bundle_ds": "2026-01-25",
        "window_days": 6,
        **{f"previous_{name}": "2026-01-29" for name in ("embeddings", "trained_index", "codes")},
    }


def unmapped(task: BaseOperator | MappedOperator) -> BaseOperator:
    """The task, or one of those it is mapped to, with the words that a plan would print."""
    if not isinstance(task, MappedOperator):
        return task
    return task.unmap({next(iter(task.expand_input.value)): TRIAL})


def rendered(
    task: BaseOperator,
    params: dict[str, object] | None = None,
    partition_key: str | None = "2026-01-31",
    logical_date: str | None = None,
) -> BaseOperator:
    """A copy of the task with its templates filled in."""
    defaults = {name: param.value for name, param in task.dag.params.items()}
    context = {
        "params": defaults | (params or {}),
        "dag_run": SimpleNamespace(
            partition_key=partition_key,
            logical_date=pendulum.parse(logical_date) if logical_date else None,
            run_after=pendulum.datetime(2026, 3, 3, 12),
        ),
        "macros": macros,
        "ti": SimpleNamespace(xcom_pull=pulled),
    }
    found = copy.copy(unmapped(task))
    found.render_template_fields(context, task.dag.get_template_env())
    return found
