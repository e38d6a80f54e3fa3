"""A failed task or run, and what a job wants somebody to be told, as one JSON line: the sink that needs no account anywhere.

SMTP, Slack and others are notifiers of the same kind: add them to `on_failure_callback`.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.sdk import BaseNotifier

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

MAX_CHARS = 2_000


class Alert(BaseNotifier):
    """Appends to $NIGHTSHELF_HOME/alerts.jsonl: when, what failed, why, and where its log is."""

    def notify(self, context: Context) -> None:
        """Write one line."""
        _append(alert_of(context))


def tell(context: Context, said: str) -> None:
    """One line of a task that did not fail, and has something that a person should look at."""
    _append({**alert_of(context), "reason": said[:MAX_CHARS], "failed": False})


def _append(line: dict[str, str | int | None]) -> None:
    """O_APPEND keeps lines of concurrent tasks whole."""
    path = Path(os.environ.get("NIGHTSHELF_HOME", "var")) / "alerts.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")


def alert_of(context: Context) -> dict[str, str | int | None]:
    """What a person on call needs first."""
    dag_run, task = context.get("dag_run"), context.get("task_instance")
    reason = context.get("exception") or context.get("reason") or ""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "dag": getattr(dag_run, "dag_id", None),
        "dag_run": getattr(dag_run, "run_id", None),
        "partition_key": getattr(dag_run, "partition_key", None),
        "task": getattr(task, "task_id", None),
        "try_number": getattr(task, "try_number", None),
        "reason": str(reason)[:MAX_CHARS],
        "log_url": getattr(task, "log_url", None),
    }
