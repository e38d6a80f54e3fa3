"""Alerts of a failed task or run, or of a command that reports one: a JSON line, and the configured channels."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.sdk import BaseNotifier
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout

from dags.channels import public, send
from dags.process import json_object
from jobs.lake.locks import file_lock

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

MAX_CHARS = 2_000
AlertLine = dict[str, str | int | bool | None]
# by which Airflow tells a DAG's callback that the run failed because a task did
TASK_FAILED = "task_failure"
ONE_TRY = ("dag", "dag_run", "task", "try_number")
# their messages are written in this repository; any other error may quote a value of the data
OWN_ERRORS = (AirflowFailException, AirflowSensorTimeout)


class Alert(BaseNotifier):
    """Appends to $NIGHTSHELF_HOME/alerts.jsonl: time, task, reason, URL of the log; then mail and Slack.

    `reason` may quote the data; `public` does not, and is the only text that the data-quality page shows. Airflow calls
    the notifier after a task's last try, and when a run has failed: each failure is one alert.
    """

    def notify(self, context: Context) -> None:
        """Write one line, send one message; none for a run whose failed task has alerted itself."""
        if context.get("reason") == TASK_FAILED and _has_alerted(alert_of(context)):
            return
        error = context.get("exception")
        text = str(error or context.get("reason") or "")
        if isinstance(error, BaseException) and not isinstance(error, OWN_ERRORS):
            text = f"{type(error).__name__}; its log says more"
        line = {**alert_of(context), "public": public(text)}
        _append(line)
        _send(line)


class PodAlerts(BaseNotifier):
    """Sends the alerts that a command printed in a pod, after its task has succeeded."""

    def notify(self, context: Context) -> None:
        """Send them."""
        task = context["ti"]
        result = task.xcom_pull(task_ids=task.task_id, map_indexes=task.map_index)
        send_alerts(context, result.get("alerts", []) if isinstance(result, dict) else [])


def send_alerts(context: Context, texts: Sequence[str]) -> None:
    """Alerts of a task that succeeded: a line each, and one message for all."""
    line = {**alert_of(context), "failed": False}
    for text in texts:
        _append({**line, "reason": text[:MAX_CHARS], "public": public(text)})
    if texts:
        _send({**line, "public": "\n".join(texts)})


def _send(alert: AlertLine) -> None:
    """Send it; a channel that failed is a line of its own."""
    for channel, error in send(alert).items():
        failure = {**alert, "channel": channel, "reason": f"alert not sent by {channel}: {error}"}
        _append({name: value for name, value in failure.items() if name != "public"})


def _append(line: AlertLine) -> None:
    """O_APPEND keeps lines of concurrent tasks whole; the lock excludes `retention`, which shortens the file."""
    path = alerts_file()
    with file_lock(path.with_suffix(".lock")), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")


def alerts_file() -> Path:
    """The file of all alerts."""
    return Path(os.environ.get("NIGHTSHELF_HOME", "var")) / "alerts.jsonl"


def _has_alerted(line: AlertLine) -> bool:
    """Whether the try that failed has a line: its worker wrote it, unless a person or the scheduler failed the task."""
    if line["task"] is None or not alerts_file().is_file():
        return False
    with alerts_file().open(encoding="utf-8") as file:
        lines = map(json_object, file)
        return any(all(old.get(name) == line[name] for name in ONE_TRY) and old.get("failed", True) for old in lines)


def alert_of(context: Context) -> AlertLine:
    """The facts that a person on call needs first."""
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
    return day_of(context.get("dag_run"), context.get("params"))


def day_of(dag_run: object, params: Mapping[str, object] | None) -> str | None:
    """The day of the run's partitions, by the rule of dags/day.py. params: of its form, or its conf."""
    given = (params or {}).get("ds") or getattr(dag_run, "partition_key", None)
    date = getattr(dag_run, "logical_date", None) or getattr(dag_run, "run_after", None)
    return str(given) if given else date.strftime("%Y-%m-%d") if date else None
