"""A failed task or run, and what a job wants somebody to be told: a JSON line, and the channels that are set up."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.sdk import BaseNotifier
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout

from dags.channels import public, send

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

MAX_CHARS = 2_000
Line = dict[str, str | int | bool | None]
# what they say was written by people of this house; any other error may carry a value of the data
OURS = (AirflowFailException, AirflowSensorTimeout)


class Alert(BaseNotifier):
    """Appends to $NIGHTSHELF_HOME/alerts.jsonl: when, what failed, why, where its log is; then mail and Slack.

    `reason` may quote the data; `public` does not, and the overview of data quality shows it alone.

    Airflow calls it after a task's last try, and when a run has failed.
    """

    def notify(self, context: Context) -> None:
        """Write one line, send one message."""
        told = context.get("exception")
        shown = str(told or context.get("reason") or "")
        if isinstance(told, BaseException) and not isinstance(told, OURS):
            shown = f"{type(told).__name__}; its log says more"
        line = {**alert_of(context), "public": public(shown)}
        _append(line)
        _send(line)


class Told(BaseNotifier):
    """After a task that runs elsewhere, as a pod: what its job printed to be told."""

    def notify(self, context: Context) -> None:
        """Tell it."""
        task = context["ti"]
        found = task.xcom_pull(task_ids=task.task_id, map_indexes=task.map_index)
        tell(context, found.get("alerts", []) if isinstance(found, dict) else [])


def tell(context: Context, said: Sequence[str]) -> None:
    """Lines of a task that did not fail, and has something that a person should look at; one message for all."""
    line = {**alert_of(context), "failed": False}
    for text in said:
        _append({**line, "reason": text[:MAX_CHARS], "public": public(text)})
    if said:
        _send({**line, "public": "\n".join(said)})


def _send(alert: Line) -> None:
    """Send it; a channel that failed is a line of its own."""
    for channel, wrong in send(alert).items():
        told = {**alert, "channel": channel, "reason": f"alert not sent by {channel}: {wrong}"}
        _append({name: value for name, value in told.items() if name != "public"})


def _append(line: Line) -> None:
    """O_APPEND keeps lines of concurrent tasks whole; the lock keeps them out while jobs.privacy.retention shortens the file."""
    path = Path(os.environ.get("NIGHTSHELF_HOME", "var")) / "alerts.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def alert_of(context: Context) -> Line:
    """What a person on call needs first."""
    dag_run, task = context.get("dag_run"), context.get("task_instance")
    reason = context.get("exception") or context.get("reason") or ""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        # where no task of the run is left, Airflow knows no more than these two
        "dag": getattr(dag_run or context.get("dag"), "dag_id", None),
        "dag_run": getattr(dag_run, "run_id", None) or context.get("run_id"),
        "partition_key": getattr(dag_run, "partition_key", None),
        "day": _day(context),
        "task": getattr(task, "task_id", None),
        "try_number": getattr(task, "try_number", None),
        "reason": str(reason)[:MAX_CHARS],
        "log_url": getattr(task, "log_url", None),
    }


def _day(context: Context) -> str | None:
    """The day of the run's partitions, by the rule of dags/day.py."""
    dag_run = context.get("dag_run")
    given = (context.get("params") or {}).get("ds") or getattr(dag_run, "partition_key", None)
    date = getattr(dag_run, "logical_date", None) or getattr(dag_run, "run_after", None)
    return str(given) if given else date.strftime("%Y-%m-%d") if date else None
