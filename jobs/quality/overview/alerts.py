"""Alerts as the overview shows them: the task, the day and the reason, never a text that somebody typed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from jobs.platform.tracking import home
from jobs.quality.overview.record import plain

MOST_BYTES = 8 << 20  # of a file that grew for years, the newest part
RUN_FAILED = "task_failure"  # Airflow's word for it
_NAME = re.compile(r"\w[\w.-]{0,60}")


class Alert(NamedTuple):
    """One alert. failed: a task gave up; otherwise a job asks somebody to look."""

    at: str
    task: str
    failed: bool
    text: str


def alerts_file() -> Path:
    """The file that dags/alerts.py writes."""
    return home() / "alerts.jsonl"


def read_alerts(path: Path) -> Mapping[str, Sequence[Alert]]:
    """Day -> its alerts, the newest first, each once. A line that cannot be read is passed over."""
    by_day: dict[str, dict[tuple[str, str], Alert]] = {}
    for line in _lines(path):
        try:
            fields = json.loads(line)
            day = date.fromisoformat(str(fields["day"])).isoformat()
            alert = _alert(fields)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        if alert is not None:
            by_day.setdefault(day, {})[alert.task, alert.text] = alert
    return {
        day: sorted(_without_echoes(alerts.values()), key=lambda alert: alert.at, reverse=True)
        for day, alerts in by_day.items()
    }


def _without_echoes(alerts: Iterable[Alert]) -> list[Alert]:
    """Without the alert of a failed run that repeats a task whose own alert has the reason."""
    known = list(alerts)
    explained = {alert.task for alert in known if alert.failed and alert.text != RUN_FAILED}
    return [alert for alert in known if alert.text != RUN_FAILED or alert.task not in explained]


def _alert(fields: dict[str, Any]) -> Alert | None:
    """The line's `public` text, which dags/alerts.py made fit for a mail; a line without it has no reason to show."""
    if fields.get("channel"):  # an alert that could not be sent: of no day's data
        return None
    names = [str(fields[name]) for name in ("dag", "task") if fields.get(name)]
    task = ".".join(name for name in names if _NAME.fullmatch(name))
    text = plain(str(fields.get("public") or "")) or "its log says why"
    return Alert(str(fields["at"])[:16], task or "a run", fields.get("failed") is not False, text)


def _lines(path: Path) -> Sequence[str]:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - MOST_BYTES))
            data = file.read()
    except FileNotFoundError:
        return []
    return data.decode("utf-8", "replace").splitlines()
