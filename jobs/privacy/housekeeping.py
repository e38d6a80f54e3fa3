"""Delete old rows of Airflow's database and old task logs.

    python -m jobs housekeeping

Airflow keeps both for ever. Its own command `airflow db clean` deletes the rows, without a copy; the last scheduled
run of each DAG stays. The database is the one that NIGHTSHELF_AIRFLOW_DB names, because Airflow hides its own from tasks.
"""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated

from annotated_types import Ge

from jobs.lake import storage as store
from jobs.platform.arguments import CommandArgs
from jobs.platform.tracking import home

DATABASE = "NIGHTSHELF_AIRFLOW_DB"
LOGS = "airflow/logs"
# no run lasts so long: one that is going on must not lose its rows
LeastDays = Annotated[int, Ge(7)]


class Args(CommandArgs):
    """database_days  days that Airflow's runs, tasks and results stay
    log_days       days that logs of tasks stay
    """

    database_days: LeastDays = 90
    log_days: LeastDays = 30


def main(args: Args) -> dict[str, object]:
    """Clean the database, then the logs.

    Raises:
        RuntimeError: there is no address of the database, or Airflow refused; its last lines.
    """
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    before = today - timedelta(days=args.database_days)
    clean_database(before)
    deleted = delete_logs((today - timedelta(days=args.log_days)).timestamp())
    return {"database_before": before.isoformat(), "logs_deleted": deleted}


def clean_database(before: datetime) -> None:
    """Delete rows from before a time.

    Raises:
        RuntimeError: as for `main`.
    """
    if not (address := os.environ.get(DATABASE)):
        raise RuntimeError(
            f"{DATABASE}: not set, expected Airflow's database as in AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
        )
    words = ["--clean-before-timestamp", before.isoformat(), "--skip-archive", "--yes", "--error-on-cleanup-failure"]
    command = [sys.executable, "-m", "airflow", "db", "clean", *words]
    env = os.environ | {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": address}
    process = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if process.returncode:
        tail = "\n".join((process.stdout + process.stderr).splitlines()[-10:])
        raise RuntimeError(f"airflow db clean: exit code {process.returncode}:\n{tail}")


def delete_logs(before_s: float) -> int:
    """Delete logs that were written before a time, and folders that are empty then; returns how many files."""
    old = [file for file in store.walk(str(home() / LOGS)) if file.changed_s < before_s]
    for file in old:
        path = home() / LOGS / file.name
        path.unlink(missing_ok=True)
        store.delete_empty(str(path.parent), str(home() / LOGS))
    return len(old)
