"""Start or stop Airflow, MLflow and the reports locally.

    python -m jobs up --action start

supervisord runs them in the background, restarts one that dies and rotates the logs. Everything listens on the
loopback interface; supervisord itself on a socket that this user alone may open. Logs, settings and socket lie in
NIGHTSHELF_HOME/run. Ports: NIGHTSHELF_AIRFLOW_PORT (8080), NIGHTSHELF_MLFLOW_PORT (5000), NIGHTSHELF_SITE_PORT (8090).
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Mapping
from configparser import ConfigParser
from pathlib import Path
from typing import Annotated, Any
from xmlrpc.client import Fault, ServerProxy

from rich.console import Console
from rich.table import Table
from supervisor.xmlrpc import SupervisorTransport

from jobs.lake.storage import umask
from jobs.local.airflow_env import FAB, ROOT, USER, airflow, airflow_env, airflow_home, manager, port, prepare, url
from jobs.platform import tracking
from jobs.platform.arguments import CommandArgs, OneOf

HEALTHY_S = 240.0
STOP_S = 20  # from the polite signal to the kill
# supervisord gives up a program after three tries, six seconds, by itself: a full disk or memory may last longer. It waits
# a second longer before each try
TRIES = 100_000
FAILED_S = 5  # in which a program that ends at once is tried three times
LOG_BYTES, LOGS_KEPT = 20_000_000, 2
SOCKET_CHARS = 96  # 107 by the system, less the process id that supervisord adds at first
MARK = "NIGHTSHELF_RUN"  # names the folder in the environment of all that is started here
# set by tests, and by commands for those that they start
INTERNAL = tuple(f"NIGHTSHELF_{name}" for name in ("DATA", "STACK", "FAULT", "WARM_SPARK", "PARENT_RUN"))
PORTS = ("airflow", "mlflow", "site")


class Args(CommandArgs):
    """action  for `make up` and `make down`"""

    action: Annotated[str, OneOf("start", "stop")]


def programs() -> dict[str, list[str]]:
    """Name -> command of each program, in the order of their start."""
    hosts = ",".join(f"{host}:{port('mlflow')}" for host in ("localhost", "127.0.0.1"))
    address = ["--host", "127.0.0.1", "--port", str(port("mlflow")), "--allowed-hosts", hosts, "--workers", "1"]
    return {
        "mlflow": [
            *(sys.executable, "-m", "mlflow", "server", "--backend-store-uri", tracking.tracking_uri()),
            *address,
        ],
        "site": [sys.executable, "-m", "jobs", "site", "--port", str(port("site"))],
        **{name: airflow(name) for name in ("api-server", "dag-processor")},
        # the API server reads task logs from this disk: they would be served on all interfaces
        **{name: airflow(name, "--skip-serve-logs") for name in ("scheduler", "triggerer")},
    }


def main(args: Args) -> None:
    """Start all and wait until they are healthy, or stop all."""
    console = Console(width=None if sys.stdout.isatty() else 120)
    if args.action == "stop":
        ended = stop()
        console.print(f"stopped: {', '.join(ended)}" if ended else "nothing was running")
        return
    refuse_unknown_settings()
    if not supervisor():
        _start(console)
    elif begun := start_again():
        console.print(f"started again: {', '.join(begun)}")
    _wait(console)
    console.print(_table())


def refuse_unknown_settings() -> None:
    """Refuse a setting that none of the tables of settings has: a misspelt one would be passed over.

    Raises:
        ValueError: names it, and the one that is most like it.
    """
    pages = "".join((ROOT / room / "README.md").read_text("utf-8") for room in ("dags", "docker"))
    known = {*re.findall(r"^\| `(NIGHTSHELF_\w+)` ", pages, re.MULTILINE), MARK, *INTERNAL}
    for name in sorted(os.environ.keys() - known):
        if name.startswith("NIGHTSHELF_"):
            (like,) = difflib.get_close_matches(name, known, 1, 0.0)
            raise ValueError(f"{name} is no setting; the most like it is {like}; all of them: dags/README.md")


def _start(console: Console) -> None:
    if ended := end_leftovers():
        console.print(f"ended {len(ended)} processes that a killed supervisor left behind; their tasks are tried again")
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
    launch(programs(), env)


def _wait(console: Console) -> None:
    """Wait until all answer, those of an earlier start too: a process that runs may be of no use.

    Raises:
        RuntimeError: a program ended again and again, or does not answer.
    """
    started, ended = time.monotonic(), Counter[str]()
    with console.status("waiting until all are healthy"):
        while waiting := unhealthy():
            ended.update(info["name"] for info in _processes() if info["statename"] in ("BACKOFF", "FATAL"))
            failed = [name for name, seen in ended.items() if seen > FAILED_S]
            if failed or time.monotonic() - started > HEALTHY_S:
                tails = [f"{name}: {tail(name)}" for name in failed]
                advice = f"not healthy: {', '.join(waiting)}; look into the logs in {folder()}, then `make down` and `make up`"
                raise RuntimeError("\n".join([advice, *tails]))
            time.sleep(1)
    console.print(f"healthy after {time.monotonic() - started:.0f} s")


def folder() -> Path:
    """The folder of logs, settings and the supervisor's socket."""
    return tracking.home() / "run"


def launch(commands: Mapping[str, list[str]], env: Mapping[str, str]) -> None:
    """Start a supervisor of these commands; it outlives this terminal.

    Raises:
        RuntimeError: one runs already, it refuses its settings, or the path is too long for a socket.
    """
    if len(os.fsencode(folder() / "sock")) > SOCKET_CHARS:
        raise RuntimeError(f"{folder()}/sock: a socket takes {SOCKET_CHARS} characters; set NIGHTSHELF_HOME shorter")
    folder().mkdir(parents=True, exist_ok=True)
    settings = folder() / "supervisord.conf"
    with settings.open("w", encoding="utf-8") as file:
        _settings(commands).write(file)
    command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(settings)]
    # Airflow's processes give themselves a title, which else is written over the environment that they are known by
    marked = {**env, MARK: str(folder()), "SPT_NOENV": "1"}
    done = subprocess.run(command, env=marked, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"supervisord: exit code {done.returncode}: {(done.stdout + done.stderr).strip()}")


def _settings(commands: Mapping[str, list[str]]) -> ConfigParser:
    at = str(folder()).replace("%", "%%")  # supervisord replaces %(name)s
    sections: dict[str, dict[str, Any]] = {
        "supervisord": {
            "logfile": f"{at}/supervisord.log",
            "pidfile": f"{at}/supervisord.pid",
            "umask": f"{umask():03o}",
        },
        "unix_http_server": {"file": f"{at}/sock", "chmod": "0700"},
        "rpcinterface:supervisor": {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        },
        "supervisorctl": {"serverurl": f"unix://{at}/sock"},
    }
    for priority, (name, command) in enumerate(commands.items()):
        sections[f"program:{name}"] = {
            "command": shlex.join(command).replace("%", "%%"),
            "directory": str(ROOT).replace("%", "%%"),
            "priority": priority,
            "autorestart": "true",
            "startretries": TRIES,
            "stopasgroup": "true",
            "killasgroup": "true",
            "stopwaitsecs": STOP_S,
            "redirect_stderr": "true",
            "stdout_logfile": f"{at}/{name}.log",
            "stdout_logfile_maxbytes": LOG_BYTES,
            "stdout_logfile_backups": LOGS_KEPT,
        }
    config = ConfigParser(interpolation=None)
    config.read_dict(sections)
    return config


def supervisor() -> Any:
    """The remote interface of the running supervisor; None where none runs."""
    transport = SupervisorTransport(None, None, f"unix://{folder()}/sock")
    remote = ServerProxy("http://127.0.0.1", transport=transport).supervisor
    try:
        remote.getState()
    except Fault:  # it shuts down, and answers nothing else until its programs have ended
        return remote
    except OSError:
        return None
    return remote


def _processes() -> list[dict[str, Any]]:
    remote = supervisor()
    with contextlib.suppress(Fault):
        return list(remote.getAllProcessInfo()) if remote else []
    return []


def start_again() -> list[str]:
    """Start the programs that supervisord has given up; returns their names."""
    given_up = [info["name"] for info in _processes() if info["statename"] in ("FATAL", "EXITED", "STOPPED")]
    for name in given_up:
        with contextlib.suppress(Fault):  # it has just been started
            supervisor().startProcess(name, False)
    return given_up


def leftovers() -> list[int]:
    """Processes of this home that no supervisor watches any more: what it, or a service, had started before it was killed.

    They are known by their environment. Only on Linux can it be read.
    """
    mark = f"{MARK}={folder()}".encode()
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if pid != os.getpid() and mark in _environment(pid)]


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # it has ended, or is somebody else's
        return []


def end_leftovers() -> list[int]:
    """Kill them, and wait until they are gone."""
    pids = leftovers()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    while leftovers():
        time.sleep(0.1)
    return pids


def running() -> dict[str, int]:
    """Name -> process id of each program that runs."""
    return {info["name"]: info["pid"] for info in _processes() if info["pid"]}


def tail(name: str) -> str:
    """The end of a program's log."""
    return str(supervisor().tailProcessStdoutLog(name, 0, 2_000)[0]).strip()


def stop() -> list[str]:
    """End the programs and the supervisor; returns the names of those that ran."""
    remote, names = supervisor(), list(running())
    if remote:
        with contextlib.suppress(Fault):
            remote.stopAllProcesses(False)  # all at once, where a shutdown alone asks one after the other
            remote.shutdown()
    while supervisor():
        time.sleep(0.1)
    # children of a service that was killed, which its successor does not know
    left = end_leftovers()
    return names or [f"{len(left)} processes that a killed supervisor left"] * bool(left)


def check_free(name: str) -> None:
    """Refuse to start on a port that another program listens on.

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
    """The parts that do not answer yet."""
    silent = [name for name, path in (("mlflow", "/health"), ("site", "/")) if _get(name, path) is None]
    health = _get("airflow", "/api/v2/monitor/health")
    if health is None:
        return [*silent, "airflow"]
    return silent + [part for part, state in json.loads(health).items() if state["status"] != "healthy"]


def _get(name: str, path: str) -> bytes | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port(name)}{path}", timeout=5) as answer:
            return bytes(answer.read())
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return None


def _login() -> str:
    """How a person gets in. FAB's accounts change their passwords themselves."""
    if issuer := os.environ.get("NIGHTSHELF_OIDC_ISSUER"):
        return f"log in through {issuer}"
    password = json.loads((airflow_home() / "passwords.json").read_text("utf-8"))[USER]
    return f"login {USER}, {'first password' if manager() == FAB else 'password'} {password}"


def _table() -> Table:
    table = Table(title="Nightshelf is up, on this machine only", title_justify="left")
    for column in ("what", "where", ""):
        table.add_column(column, overflow="fold")
    table.add_row("Airflow", url("airflow"), _login())
    table.add_row("MLflow", url("mlflow"), "runs, curves, registry")
    table.add_row("Reports", url("site"), "evaluations and Data Docs; also in Airflow's menu")
    table.add_row("logs", str(folder()), "`make down` ends all")
    return table
