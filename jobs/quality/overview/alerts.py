"""Alerts as the overview shows them: which task said what of which day, and never a text that somebody typed."""

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


class Told(NamedTuple):
    """One alert. failed: a task gave up; otherwise a job wants somebody to look."""

    at: str
    task: str
    failed: bool
    text: str


def alerts_file() -> Path:
    """Where dags/alerts.py writes them."""
    return home() / "alerts.jsonl"


def told(path: Path) -> Mapping[str, Sequence[Told]]:
    """Day -> its alerts, the newest first, each once. A line that cannot be read is passed over."""
    found: dict[str, dict[tuple[str, str], Told]] = {}
    for line in _lines(path):
        try:
            one = json.loads(line)
            day = date.fromisoformat(str(one["day"])).isoformat()
            alert = _told(one)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        if alert is not None:
            found.setdefault(day, {})[alert.task, alert.text] = alert
    return {
        day: sorted(_without_echoes(alerts.values()), key=lambda one: one.at, reverse=True)
        for day, alerts in found.items()
    }


def _without_echoes(alerts: Iterable[Told]) -> list[Told]:
    """A run that fails tells of its last task once more; where the task itself said why, that is enough."""
    known = list(alerts)
    said = {one.task for one in known if one.failed and one.text != RUN_FAILED}
    return [one for one in known if one.text != RUN_FAILED or one.task not in said]


def _told(one: dict[str, Any]) -> Told | None:
    """What is shown is `public`, which dags/alerts.py made fit for a mail; a line without it says no reason."""
    if one.get("channel"):  # an alert that could not be sent: of no day's data
        return None
    names = [str(one[name]) for name in ("dag", "task") if one.get(name)]
    task = ".".join(name for name in names if _NAME.fullmatch(name))
    text = plain(str(one.get("public") or "")) or "its log says why"
    return Told(str(one["at"])[:16], task or "a run", one.get("failed") is not False, text)


def _lines(path: Path) -> Sequence[str]:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - MOST_BYTES))
            data = file.read()
    except FileNotFoundError:
        return []
    return data.decode("utf-8", "replace").splitlines()
