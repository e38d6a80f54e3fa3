"""The stores under NIGHTSHELF_HOME: files named after a partition expire with it, others by their age.

mlflow.db, optuna.db and Airflow's database hold addresses and figures, no text; they have a retention of their own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from jobs.lake import storage as store
from jobs.lake.fault import fault_point
from jobs.lake.locks import file_lock
from jobs.lake.partitions import table_today
from jobs.platform.tracking import home
from jobs.privacy.limits import AgeLimits
from jobs.quality import data_docs

# pages and results of jobs.quality.expect: validations/pairs/ds=2026-01-31/...
CHECK_STORES = ("data_docs", "validations")
# files named after a partition: towers,ds=2026-01-31,step=star.safetensors
PARTITION_STORES = ("checkpoints", "scratch", "sweeps")
# files of no day: caches, artefacts of mlflow_runs, those that MLflow did not take, logs of services; those of Airflow's
# tasks are deleted by jobs.privacy.housekeeping alone
AGED_STORES = ("logs", "mlflow", "mlflow_journal", "stores")
ALERTS = "alerts.jsonl"
_PARTITION = re.compile(r"(?:^|/)([a-z0-9_]+)[,/]ds=([0-9-]{10})")


def expired_files(limits: AgeLimits) -> dict[str, list[Path]]:
    """Files to delete, by store."""
    checks = {name: sorted(_by_partition(name, limits)) for name in CHECK_STORES}
    named = {name: sorted({*_by_partition(name, limits), *_by_age(name, limits)}) for name in PARTITION_STORES}
    return checks | named | {name: sorted(_by_age(name, limits)) for name in AGED_STORES}


def erase(files: dict[str, list[Path]], limits: AgeLimits) -> None:
    """Delete the files, write the index of the Data Docs anew, and shorten the alerts."""
    for paths in files.values():
        for path in paths:
            path.unlink(missing_ok=True)
            store.delete_empty(str(path.parent), str(home()))
            fault_point("retention.home")
    if (data_docs.site() / "index.html").is_file():  # a killed try may have left it behind its pages
        data_docs.refresh()
    _shorten(home() / ALERTS, limits)


def _by_partition(name: str, limits: AgeLimits) -> Iterator[Path]:
    for file in store.walk(str(home() / name)):
        match = _PARTITION.search(file.name)
        if match and (table := table_today(match[1])) and limits.expired(table, match[2]):
            yield home() / name / file.name


def _by_age(name: str, limits: AgeLimits) -> Iterator[Path]:
    for file in store.walk(str(home() / name)):
        if limits.age_expired(file.changed_s, limits.derived_days):
            yield home() / name / file.name


def _shorten(path: Path, limits: AgeLimits) -> None:
    """Drop expired lines. Tasks that add a line meanwhile wait for the lock."""
    if not path.is_file():
        return
    with file_lock(path.with_suffix(".lock")):
        lines = path.read_text("utf-8").splitlines(keepends=True)
        kept = [line for line in lines if not limits.age_expired(written_s(line), limits.derived_days)]
        if len(kept) < len(lines):
            store.write_bytes(str(path), "".join(kept).encode())


def written_s(line: str) -> float:
    """Time of an alert in seconds since 1970; 0 where it has none."""
    try:
        return datetime.fromisoformat(json.loads(line)["at"]).astimezone(UTC).timestamp()
    except (ValueError, KeyError, TypeError):
        return 0.0
