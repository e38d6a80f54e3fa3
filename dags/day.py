"""The day of a run, the asset between the DAGs, and their defaults.

The unit of scheduling is a day's partition. DAY takes the first of three values: the `ds` typed into the trigger form; the run's partition key (schedule, backfill, asset event); the date the run was started
for, the only one of `airflow dags test` and of a trigger with an empty form.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pendulum
from airflow.sdk import Asset, Param
from airflow.sdk.exceptions import AirflowFailException

from dags.alerts import Alert

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

# where a shop's day begins and ends
TIME_ZONE = os.environ.get("NIGHTSHELF_TIME_ZONE", "") or "UTC"
START = pendulum.datetime(2026, 1, 1, tz=TIME_ZONE)
KEY_FORMAT = "%Y-%m-%d"

# One event for each day whose pairs, queries and qrels have passed their data-quality gate.
PAIRS_READY = Asset("nightshelf_pairs", uri="nightshelf://pairs")

_DAY = "params.ds or dag_run.partition_key or ((dag_run.logical_date or dag_run.run_after) | ds)"
DAY = f"{{{{ {_DAY} }}}}"
# `labels/ds=...`, or nothing where clicks judge.
LABELS = "{{ 'labels/ds=' ~ params.labels_ds if params.labels_ds else '' }}"


def days_before(days: str) -> str:
    """The day that lies `days` (an expression) before DAY, as a template."""
    return f"{{{{ macros.ds_add({_DAY}, -({days} | int)) }}}}"


def result(task_id: str, name: str) -> str:
    """A value of the JSON line that a task's command printed last, as a template."""
    return f"{{{{ ti.xcom_pull(task_ids='{task_id}')['{name}'] }}}}"


def refuse_unknown(context: Context) -> None:
    """Refuse a run whose conf has a key that its form lacks: Airflow passes over it, and the run would do something else.

    Raises:
        AirflowFailException: names the keys.
    """
    dag_run, dag = context["dag_run"], context["dag"]
    if strange := sorted(set(dag_run.conf or {}) - set(dag.params)):
        raise AirflowFailException(
            f"conf has {', '.join(strange)}, expected keys of the form: {', '.join(sorted(dag.params))};"
            " trigger a new run"
        )


DEFAULTS: dict[str, Any] = {
    "owner": "search",
    # an outage may pass, bad data will not: dags/process.py fails the latter without a retry
    "retries": 2,
    "retry_delay": timedelta(minutes=1),
    "retry_exponential_backoff": 3,
    "max_retry_delay": timedelta(minutes=30),
    "execution_timeout": timedelta(hours=6),
    "on_failure_callback": Alert(),
    # before every task, for a cleared one may be the first that runs
    "pre_execute": refuse_unknown,
}
# settings of every DAG
EVERY_DAG: dict[str, Any] = {
    "start_date": START,
    "catchup": False,
    "default_args": DEFAULTS,
    "on_failure_callback": DEFAULTS["on_failure_callback"],
}


def date_param(section: str, description: str) -> Param:
    """A field for a day, which may stay empty; the form shows a calendar."""
    return Param(None, type=["null", "string"], format="date", section=section, description=description)


def day_param() -> dict[str, Param]:
    """The form's field for the day."""
    text = "Day of the partitions. Empty: the run's partition key, else the date it was started for"
    return {"ds": date_param("Day", text)}


def labels_param() -> dict[str, Param]:
    """The form's field for people's judgements."""
    text = "Day of the human judgements, labels/ds=. Empty: clicks judge"
    return {"labels_ds": date_param("Judgements", text)}
