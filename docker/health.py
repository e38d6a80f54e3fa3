"""Whether a service of the stack works: exit code 0, or 1 and why not.

    python docker/health.py dag-processor

Airflow's processes are judged by their heartbeats in its database: Airflow's own command for this takes ten seconds of
CPU each time. The DAG processor is healthy only if every DAG could be imported.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from contextlib import closing
from typing import Any
from urllib.request import urlopen

PAGES = {
    "api-server": "http://localhost:8080/api/v2/monitor/health",
    "mlflow": "http://localhost:5000/health",
    "site": "http://localhost:8090/",
}
JOBS = {"scheduler": "SchedulerJob", "dag-processor": "DagProcessorJob", "triggerer": "TriggererJob"}
MASTER = "http://spark-master:8080/json/"
ALIVE = """
SELECT COUNT(*) FROM job
WHERE job_type = %s AND state = 'running' AND latest_heartbeat > NOW() - INTERVAL '1 minute'
"""
BROKEN = "SELECT filename, stacktrace FROM import_error ORDER BY filename"


def fault(service: str) -> str:
    """The illness of a service in words; empty where all is well."""
    if service in PAGES:
        urlopen(PAGES[service], timeout=5).close()
        return ""
    if service in JOBS:
        return airflow_fault(service)
    with urlopen(MASTER, timeout=5) as answer:
        return spark_fault(service, json.load(answer), socket.gethostbyname(socket.gethostname()))


def airflow_fault(service: str) -> str:
    """No heartbeat within a minute, or DAGs that cannot be imported."""
    import psycopg2

    uri = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("+psycopg2", "")
    with closing(psycopg2.connect(uri, connect_timeout=5)) as database, database.cursor() as cursor:
        cursor.execute(ALIVE, [JOBS[service]])
        if not cursor.fetchone()[0]:
            return f"{service}: no heartbeat for a minute"
        if service != "dag-processor":
            return ""
        cursor.execute(BROKEN)
        return "\n".join(f"{name}: {trace.strip().splitlines()[-1]}" for name, trace in cursor.fetchall())


def spark_fault(service: str, master: dict[str, Any], address: str) -> str:
    """A master that is not alive, or that does not know the worker at this address."""
    if master["status"] != "ALIVE":
        return f"Spark's master is {master['status']}"
    alive = {worker["host"] for worker in master["workers"] if worker["state"] == "ALIVE"}
    return "" if service == "spark-master" or address in alive else f"{address} is no worker of Spark's master: {alive}"


if __name__ == "__main__":
    sys.exit(fault(sys.argv[1]) or 0)
