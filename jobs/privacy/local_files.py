"""The stores under NIGHTSHELF_HOME: pages and results go with their partition, the rest by its age.

mlflow.db, optuna.db and Airflow's database hold addresses and figures, no text; they have a retention of their own.
"""

from __future__ import annotations

import fcntl
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from jobs.lake import storage as store
from jobs.lake.fault import fault_point
from jobs.platform.tracking import home
from jobs.privacy.limits import Limits
from jobs.privacy.partition_folders import KNOWN
from jobs.quality import data_docs

# what jobs.quality.expect says of a partition: validations/pairs/ds=2026-01-31/...
SAID = ("data_docs", "validations")
# named after a partition: towers,ds=2026-01-31,step=star.safetensors
NAMED = ("checkpoints", "scratch", "sweeps")
# of no day: caches, artefacts of mlflow_runs, logs
AGED = ("airflow/logs", "logs", "mlflow", "stores")
ALERTS = "alerts.jsonl"
_NAME = re.compile(r"(?:^|/)([a-z_]+)[,/]ds=([0-9-]{10})")


def doomed(limits: Limits) -> dict[str, list[Path]]:
    """Files that must go, by store."""
    said = {name: sorted(_named(name, limits)) for name in SAID}
    named = {name: sorted({*_named(name, limits), *_aged(name, limits)}) for name in NAMED}
    return said | named | {name: sorted(_aged(name, limits)) for name in AGED}


def erase(found: dict[str, list[Path]], limits: Limits) -> None:
    """Delete them, write the index of the Data Docs anew, and shorten the alerts."""
    for paths in found.values():
        for path in paths:
            path.unlink(missing_ok=True)
            store.delete_empty(str(path.parent), str(home()))
            fault_point("retention.home")
    if (data_docs.site() / "index.html").is_file():  # a killed try may have left it behind its pages
        data_docs.refresh()
    _shorten(home() / ALERTS, limits)


def _named(name: str, limits: Limits) -> Iterator[Path]:
    for file in store.walk(str(home() / name)):
        of = _NAME.search(file.name)
        if of is not None and of[1] in KNOWN and limits.over(of[1], of[2]):
            yield home() / name / file.name


def _aged(name: str, limits: Limits) -> Iterator[Path]:
    for file in store.walk(str(home() / name)):
        if limits.written_over(file.changed_s, limits.derived_days):
            yield home() / name / file.name


def _shorten(path: Path, limits: Limits) -> None:
    """Drop the lines whose days are over; tasks that add one meanwhile wait for the lock."""
    if not path.is_file():
        return
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lines = path.read_text("utf-8").splitlines(keepends=True)
        kept = [line for line in lines if not limits.written_over(written_s(line), limits.derived_days)]
        if len(kept) < len(lines):
            store.write_bytes(str(path), "".join(kept).encode())


def written_s(line: str) -> float:
    """When an alert was written; 0 where it does not say."""
    try:
        return datetime.fromisoformat(json.loads(line)["at"]).astimezone(UTC).timestamp()
    except (ValueError, KeyError, TypeError):
        return 0.0
