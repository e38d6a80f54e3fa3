"""Airflow, MLflow and the reports on this machine: `make up` and `make down`.   python -m jobs up --action start

Background processes on the loopback interface, each with a log and a pid file under NIGHTSHELF_HOME. Ports:
NIGHTSHELF_AIRFLOW_PORT (8080), NIGHTSHELF_MLFLOW_PORT (5000), NIGHTSHELF_SITE_PORT (8090).
"""

from __future__ import annotations

import json
import socket
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from jobs.local.airflow_env import ROOT, USER, airflow, airflow_env, airflow_home, port, prepare, url
from jobs.local.services import Service
from jobs.platform import tracking

HEALTHY_S = 240.0
PORTS = ("airflow", "mlflow", "site")


@dataclass(frozen=True)
class Args:
    """action  start or stop"""

    action: str

    def __post_init__(self) -> None:
        if self.action not in ("start", "stop"):
            raise ValueError(f"action={self.action}: expected start or stop")


def services() -> list[Service]:
    """What runs, in the order of starting."""
    mlflow = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        str(port("mlflow")),
        "--backend-store-uri",
        tracking.tracking_uri(),
        "--workers",
        "1",
        "--allowed-hosts",
        ",".join(f"{host}:{port('mlflow')}" for host in ("localhost", "127.0.0.1")),
    ]
    return [
        Service("mlflow", mlflow),
        Service("site", [sys.executable, "-m", "jobs", "site", "--port", str(port("site"))]),
        Service("api-server", airflow("api-server")),
        Service("scheduler", airflow("scheduler")),
        Service("dag-processor", airflow("dag-processor")),
        Service("triggerer", airflow("triggerer")),
    ]


def main(args: Args) -> None:
    """Start all and wait until they are healthy, or stop all."""
    console = Console(width=None if sys.stdout.isatty() else 120)
    if args.action == "stop":
        ended = _stop()
        console.print(f"stopped: {', '.join(ended)}" if ended else "nothing was running")
        return
    running = [service.name for service in services() if service.runs()]
    if running:
        console.print(f"already up: {', '.join(running)}; `make down` ends them")
    else:
        _start(console)
    console.print(_table())


def _start(console: Console) -> None:
    for name in PORTS:
        check_free(name)
    env = airflow_env() | {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # ten processes less
    }
    with console.status("Airflow's database and pools"):
        prepare(env)
    with console.status("MLflow's store"):
        tracking.client()
    for service in services():
        service.start(env, ROOT)
    started = time.monotonic()
    with console.status("waiting until all are healthy"):
        while waiting := unhealthy():
            dead = [service for service in services() if not service.runs()]
            if dead or time.monotonic() - started > HEALTHY_S:
                said = [f"{service.name}: {service.tail()}" for service in dead]
                _stop()
                raise RuntimeError("\n".join([f"not healthy: {', '.join(waiting)}", *said]))
            time.sleep(1)
    console.print(f"healthy after {time.monotonic() - started:.0f} s")


def _stop() -> list[str]:
    """Ask all at once, then see each end; returns the names of those that ran."""
    asked = [service.name for service in services() if service.ask_to_stop()]
    for service in services():
        service.stop()
    return asked


def check_free(name: str) -> None:
    """Refuse to start on a port that something else listens on.

    Raises:
        RuntimeError: names the port and the variable that moves it.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port(name)))
        except OSError:
            raise RuntimeError(
                f"port {port(name)} is taken; set NIGHTSHELF_{name.upper()}_PORT to another for {name}"
            ) from None


def unhealthy() -> list[str]:
    """Which parts do not answer yet."""
    found = [name for name, path in (("mlflow", "/health"), ("site", "/")) if _get(name, path) is None]
    health = _get("airflow", "/api/v2/monitor/health")
    if health is None:
        return [*found, "airflow"]
    return found + [part for part, said in json.loads(health).items() if said["status"] != "healthy"]


def _get(name: str, path: str) -> bytes | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port(name)}{path}", timeout=5) as answer:
            return bytes(answer.read())
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return None


def _table() -> Table:
    password = json.loads((airflow_home() / "passwords.json").read_text("utf-8"))[USER]
    table = Table(title="Nightshelf is up, on this machine only", title_justify="left")
    for column in ("what", "where", ""):
        table.add_column(column, overflow="fold")
    table.add_row("Airflow", url("airflow"), f"login {USER}, password {password}")
    table.add_row("MLflow", url("mlflow"), "runs, curves, registry")
    table.add_row("Reports", url("site"), "evaluations and Data Docs; also in Airflow's menu")
    table.add_row("logs", str(tracking.home() / "run"), "`make down` ends all")
    return table
