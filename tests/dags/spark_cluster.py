"""A Spark standalone cluster on this machine: a master and workers of one core, of the classes in the pyspark package."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyspark

from jobs.platform.java import java_home

SPARK = Path(pyspark.__file__).parent
READY_S = 120.0


@dataclass(frozen=True)
class Cluster:
    """A master's port, its page's port, and its workers, each with its executors a process group."""

    port: int
    page: int
    workers: list[subprocess.Popen[bytes]]

    def state(self) -> dict[str, Any]:
        """The master's own state, as JSON."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.page}/json/", timeout=5) as page:
            found: dict[str, Any] = json.load(page)
            return found

    def strike(self) -> None:
        """A machine dies: a worker and all that runs on it, at once."""
        os.killpg(self.workers[0].pid, signal.SIGKILL)


@contextlib.contextmanager
def spark_cluster(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """Started, with all its workers known to the master; logs under the folder."""
    port, page = _free_port(), _free_port()
    names = ["--host", "127.0.0.1"]
    with contextlib.ExitStack() as running:
        ports = ["--port", str(port), "--webui-port", str(page)]
        running.enter_context(_daemon(folder, "master", "master.Master", *names, *ports))
        size = ["--cores", "1", "--memory", "1g", "--webui-port", "0"]
        at = f"spark://127.0.0.1:{port}"
        started = [
            running.enter_context(
                _daemon(
                    folder,
                    f"worker{number}",
                    "worker.Worker",
                    *names,
                    *size,
                    "--work-dir",
                    str(folder / f"work{number}"),
                    at,
                )
            )
            for number in range(workers)
        ]
        cluster = Cluster(port, page, started)
        _wait_for_workers(cluster, workers)
        yield cluster


@contextlib.contextmanager
def _daemon(folder: Path, name: str, kind: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    folder.mkdir(parents=True, exist_ok=True)
    env = os.environ | {"JAVA_HOME": java_home(), "SPARK_HOME": str(SPARK), "SPARK_DAEMON_MEMORY": "300m"}
    command = [str(SPARK / "bin" / "spark-class"), f"org.apache.spark.deploy.{kind}", *words]
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_for_workers(cluster: Cluster, workers: int) -> None:
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        with contextlib.suppress(urllib.error.URLError, OSError):
            if cluster.state()["aliveworkers"] == workers:
                return
        time.sleep(0.5)
    raise TimeoutError(f"fewer than {workers} workers after {READY_S:.0f} s")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
