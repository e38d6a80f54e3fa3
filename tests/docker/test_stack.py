"""The stack in containers, for real: built, started, attacked, worked with, killed, taken down and brought up again.

    tests/docker/engine.sh start FOLDER     where the machine has no engine: as root, once
    . FOLDER/env
    NIGHTSHELF_STACK=1 python -m pytest tests/docker/test_stack.py

Half an hour on two cores. It has a compose project, secrets and ports of its own, and deletes what it made.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import inet_ntoa
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from jobs.local.airflow_env import ROOT

pytestmark = [
    pytest.mark.containers,
    pytest.mark.skipif("NIGHTSHELF_STACK" not in os.environ, reason="half an hour; NIGHTSHELF_STACK=1 and an engine"),
]

DOCKER = ROOT / "docker"
PORTS = {"AIRFLOW": 28080, "MLFLOW": 25000, "SITE": 28090}
# always the same, or nothing that was built before would be taken again
TORCH_PORT = 8765
AIRFLOW, MLFLOW, SITE = (f"http://127.0.0.1:{port}" for port in PORTS.values())
FIRST, SECOND = "2026-01-31", "2026-02-01"
SIZES = {
    "ITEMS": "600",
    "QUERIES": "300",
    "SEARCHES": "1500",
    "MIN_SEARCHERS": "2",
    "TRAINING": "--preset small --epochs 2 --batch_size 128 --lr 0.01 --checkpoint_s 0",
}
NEXT_DAY = f"""
marketplace --catalogue catalogue/ds={SECOND} --labels labels/ds={SECOND} --items 600 --queries 300
simulate --labels labels/ds={SECOND} --catalogue catalogue/ds={SECOND} --log log/ds={SECOND} --searches 1500 --seed 1
 --simulated_truth simulated_truth/ds={SECOND} --before simulated_truth/ds={FIRST}
""".replace("\n ", " ")
# who listens inside the stack, and on which ports; 0: any one more, that Spark chooses
LISTENS: dict[str, set[int]] = {
    **{name: set() for name in ("scheduler", "dag-processor", "triggerer")},
    "api-server": {8080},
    "mlflow": {5000},
    "site": {8090},
    "spark-master": {7077, 8080},
    "spark-worker": {8081, 0},
}
SERVICES = tuple(LISTENS)


class Stack:
    """A compose project; `secrets` are those of its .env."""

    def __init__(self, folder: Path, torch_index: str) -> None:
        self.env_file = folder / ".env"
        shutil.copy(DOCKER / "secrets.sh", folder)
        subprocess.run(["sh", folder / "secrets.sh"], check=True)
        self.secrets = dict(line.split("=", 1) for line in self.env_file.read_text("utf-8").splitlines())
        self.lake = folder / "lake"
        self.lake.mkdir()
        os.chown(self.lake, 1000, 1000)
        ports = {f"NIGHTSHELF_{name}_PORT": str(port) for name, port in PORTS.items()}
        settings = {"NIGHTSHELF_LAKE_FOLDER": str(self.lake), "NIGHTSHELF_TORCH_INDEX": torch_index}
        self.environment = os.environ | ports | settings
        self.token = ""

    def compose(self, *words: str, check: bool = True, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """`docker compose` on this project."""
        start = ["docker", "compose", "--project-name", "nightshelf-test", "--env-file", str(self.env_file)]
        command = [*start, "--file", str(DOCKER / "compose.yaml"), *words]
        done = subprocess.run(
            command, env=self.environment, text=True, capture_output=True, check=False, input=given or ""
        )
        assert not check or done.returncode == 0, f"{' '.join(words)}: {(done.stdout + done.stderr)[-4000:]}"
        return done

    def run(self, service: str, *words: str, user: str = "nightshelf", check: bool = True) -> str:
        """Output of a command in a service's container."""
        return self.compose("exec", "--no-TTY", "--user", user, service, *words, check=check).stdout

    def up(self) -> float:
        """Start all, wait until all are healthy; returns the seconds."""
        start = time.monotonic()
        self.compose("up", "--detach", "--wait", "--wait-timeout", "600")
        return time.monotonic() - start

    def log_in(self) -> None:
        """Take a token of the administrator."""
        account = {"username": "admin", "password": self.secrets["AIRFLOW_ADMIN_PASSWORD"]}
        self.token = call(f"{AIRFLOW}/auth/token", body=account)["access_token"]

    def airflow(self, path: str, body: object = None, method: str = "") -> Any:
        """Airflow's REST API."""
        return call(f"{AIRFLOW}/api/v2/{path}", f"Bearer {self.token}", body, method)

    def states(self, dag: str) -> dict[str, str]:
        """Run id -> state."""
        return {run["dag_run_id"]: run["state"] for run in self.airflow(f"dags/{dag}/dagRuns")["dag_runs"]}

    def start_run(self, dag: str, **conf: object) -> str:
        """Start a DAG by hand. Runs of the clock, which wait for a log of yesterday, make room."""
        for run, state in self.states(dag).items():
            if state in ("running", "queued"):
                self.airflow(f"dags/{dag}/dagRuns/{run}", {"state": "failed"}, "PATCH")
        started = self.airflow(f"dags/{dag}/dagRuns", {"logical_date": None, "conf": conf})
        return str(started["dag_run_id"])

    def wait_for_run(self, dag: str, run: str, minutes: int = 30) -> None:
        """Until it is green; a red one shows the log of the task that failed."""
        eventually(lambda: self.states(dag)[run] not in ("queued", "running"), f"{dag} {run} ends", 60 * minutes)
        tasks = self.airflow(f"dags/{dag}/dagRuns/{run}/taskInstances")["task_instances"]
        states = {task["task_id"]: task["state"] for task in tasks}
        assert self.states(dag)[run] == "success", states
        assert set(states.values()) <= {"success"}, states


def call(url: str, login: str = "", body: object = None, method: str = "") -> Any:
    """The JSON that a server answers."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **({"Authorization": login} if login else {})}
    with urlopen(Request(url, data, headers, method=method or None), timeout=60) as answer:
        return json.load(answer)


def status(url: str, login: str = "", body: object = None) -> int:
    """The status that a server answers with."""
    try:
        call(url, login, body)
    except HTTPError as error:
        return error.code
    return 200


def eventually(true: Callable[[], bool], what: str, seconds: float) -> None:
    """Wait until it is true, through restarts of servers.

    Raises:
        TimeoutError: it was not in time.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            if true():
                return
        time.sleep(2)
    raise TimeoutError(f"{what}: not within {seconds:.0f} s")


def host_address() -> str:
    """This host's address, as a container sees it."""
    command = ["docker", "run", "--rm", "python:3.11-slim-bookworm", "cat", "/proc/net/route"]
    routes = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (gateway,) = re.findall(r"^\w+\t00000000\t([0-9A-F]{8})\t", routes, re.MULTILINE)
    return inet_ntoa(bytes.fromhex(gateway)[::-1])  # little endian


@contextlib.contextmanager
def torch_for_cpus(folder: Path, address: str) -> Iterator[str]:
    """A local wheel of torch among pip's `find-links`, as an index that the build can reach; else PyPI's CUDA build."""
    shown = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    links = {link for _, link in re.findall(r"find-links='((?:file://)?(/[^']+))'", shown.stdout)}
    wheels = [wheel for link in links for wheel in Path(link).glob("torch-2*+cpu-cp311-*.whl")]
    if not wheels:
        yield ""
        return
    (folder / "torch").mkdir(parents=True)
    for wheel in wheels:
        (folder / "torch" / wheel.name).symlink_to(wheel)
    with ThreadingHTTPServer((address, TORCH_PORT), partial(SimpleHTTPRequestHandler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{address}:{TORCH_PORT}/"
        server.shutdown()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Built and healthy; in the end it is deleted with its data."""
    folder = tmp_path_factory.mktemp("stack")
    gateway = host_address()
    pip = folder / "pip.conf"
    certificates = "/etc/ssl/certs/ca-certificates.crt"
    pip.write_text(f"[global]\ncert = {certificates}\ntrusted-host = {gateway}\ntimeout = 180\n", encoding="utf-8")
    with torch_for_cpus(folder / "index", gateway) as index, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_CONFIG_FILE", str(pip))
        made = Stack(folder, index)
        try:
            start = time.monotonic()
            made.compose("build", "init")
            report(f"built in {time.monotonic() - start:.0f} s, healthy in {made.up():.0f} s")
            made.log_in()
            yield made
        finally:
            made.compose("down", "--volumes", "--timeout", "20", check=False)


def report(line: str) -> None:
    """Figures for docker/README.md."""
    sys.stderr.write(f"\n{line}\n")


def test_every_dag_is_imported_and_a_broken_one_is_an_illness(stack: Stack) -> None:
    assert stack.airflow("importErrors")["total_entries"] == 0
    files = {path.stem for path in (ROOT / "dags").glob("*.py") if "with DAG(" in path.read_text("utf-8")}
    assert {dag["dag_id"] for dag in stack.airflow("dags")["dags"]} == files and len(files) > 8
    check = ("python", "docker/health.py", "dag-processor")
    stack.run("dag-processor", *check)
    sql = "INSERT INTO import_error (filename, stacktrace) VALUES ('broken.py', E'Traceback\\nNo module named dags')"
    psql = ("psql", "--username=nightshelf", "--dbname=airflow", "--command")
    stack.run("postgres", *psql, sql, user="postgres")
    ill = stack.compose("exec", "--no-TTY", "dag-processor", *check, check=False)
    stack.run("postgres", *psql, "DELETE FROM import_error WHERE filename = 'broken.py'", user="postgres")
    assert ill.returncode == 1 and "broken.py: No module named dags" in ill.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_listens_where_it_must_and_owns_no_code(stack: Stack, service: str) -> None:
    tables = stack.run(service, "cat", "/proc/net/tcp", "/proc/net/tcp6")
    listening = re.findall(r"^\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) \S+ 0A ", tables, re.MULTILINE)
    ports = {int(port, 16) for address, port in listening if not address.endswith("7F")}  # 127.0.0.0/8, little endian
    named = LISTENS[service] - {0}
    assert named <= ports and len(ports - named) == (0 in LISTENS[service]), ports
    assert stack.run(service, "id", "--user").strip() == "1000"
    written = "find /srv /opt /usr /etc -writable -not -type l 2> /dev/null"
    assert stack.run(service, "sh", "-c", written, check=False).split() == []
    tests = "find / -xdev -path '*/nightshelf/tests*' -o -path /srv/nightshelf/.ci"
    assert stack.run(service, "sh", "-c", f"{tests} 2> /dev/null", check=False) == ""


def test_ports_are_open_on_this_host_alone(stack: Stack) -> None:
    shown = [json.loads(line) for line in stack.compose("ps", "--format", "json").stdout.splitlines()]
    open_at = {
        (port["URL"], port["PublishedPort"]) for each in shown for port in each["Publishers"] or () if port["URL"]
    }
    assert open_at == {("127.0.0.1", port) for port in PORTS.values()}


def test_secrets_are_in_no_log_and_their_files_are_closed(stack: Stack) -> None:
    logs = stack.compose("logs", "--no-color").stdout
    assert len(logs) > 10_000
    assert [name for name, secret in stack.secrets.items() if secret in logs] == []
    holding = " -e ".join(stack.secrets[name] for name in ("AIRFLOW_ADMIN_PASSWORD", "SPARK_SECRET"))
    found = stack.run("scheduler", "sh", "-c", f"grep -rl -e {holding} /state | xargs stat -c '%a %n'")
    assert sorted(found.splitlines()) == ["600 /state/airflow/passwords.json", "600 /state/spark.conf"]


def test_who_does_not_log_in_reads_and_writes_nothing(stack: Stack) -> None:
    assert [status(f"{AIRFLOW}/api/v2/dags", login) for login in ("", "Bearer nonsense")] == [401, 403]
    wrong = {"username": "admin", "password": "admin"}
    assert status(f"{AIRFLOW}/auth/token", body=wrong) == 401
    search, write = f"{MLFLOW}/api/2.0/mlflow/experiments/search?max_results=1", "experiments/create"
    assert status(search) == 401
    assert status(f"{MLFLOW}/api/2.0/mlflow/{write}", body={"name": "mine"}) == 401
    assert status(f"{AIRFLOW}/nightshelf/data-quality/index.html") == 401


SUBMIT = """
from pyspark.sql import SparkSession
session = SparkSession.builder.master("spark://spark-master:7077").config("spark.cores.max", 1).getOrCreate()
print("counted", session.range(7).count())
"""


def test_spark_takes_no_work_from_who_lacks_the_secret(stack: Stack) -> None:
    known = stack.run("scheduler", "timeout", "120", "python", "-c", SUBMIT)
    assert "counted 7" in known
    stranger = ("env", "PYSPARK_SUBMIT_ARGS=pyspark-shell", "timeout", "120", "python", "-c", SUBMIT)
    assert "counted" not in stack.run("scheduler", *stranger, check=False)


def test_a_night(stack: Stack) -> None:
    """A demo's lake, a second day by REST on Spark's worker, and a scheduler that dies in its middle."""
    start = time.monotonic()
    sizes = [word for name, value in SIZES.items() for word in ("--env", f"{name}={value}")]
    local = ("run", "--rm", "--no-deps", "--no-TTY", "--env", "NIGHTSHELF_SPARK_MASTER=local[2]")
    stack.compose(*local, *sizes, "scheduler", "bash", "jobs/local/nightly.sh")
    stack.compose(*local, "scheduler", "python", "-m", "jobs", "batch", "--commands", "-", given=NEXT_DAY)
    report(f"a lake of {SIZES['ITEMS']} items in {time.monotonic() - start:.0f} s")
    start = time.monotonic()
    run = stack.start_run("pairs_daily", ds=SECOND, labels_ds=SECOND, min_searchers=2)
    log = stack.lake / "impressions_v1" / f"ds={SECOND}"
    eventually(log.exists, "impressions begin", 900)
    stack.run("scheduler", "pkill", "-9", "-f", "airflow scheduler", check=False)
    stack.wait_for_run("pairs_daily", run)
    report(f"pairs_daily in {time.monotonic() - start:.0f} s, a killed scheduler included")
    page = json.loads(stack.run("spark-master", "python", "-c", MASTER_PAGE))
    assert {"nightshelf pairs", "nightshelf qrels"} <= {app["name"] for app in page["completedapps"]}
    start = time.monotonic()
    eventually(lambda: bool(stack.states("index_nightly")), "the day is announced", 300)
    (night,) = stack.states("index_nightly")
    stack.wait_for_run("index_nightly", night)
    report(f"index_nightly in {time.monotonic() - start:.0f} s")
    stack.wait_for_run("index_nightly", stack.start_run("index_nightly", ds=SECOND))


MASTER_PAGE = "import urllib.request as u; print(u.urlopen('http://spark-master:8080/json/').read().decode())"


def test_reports_and_data_quality_are_in_the_menu(stack: Stack) -> None:
    cookie = {"Authorization": f"Bearer {stack.token}"}
    with urlopen(Request(f"{AIRFLOW}/nightshelf/data-quality/index.html", headers=cookie), timeout=60) as answer:
        assert f"{SECOND}" in answer.read().decode()
    with urlopen(SITE, timeout=60) as answer:
        assert f"/report/ds={SECOND}/" in answer.read().decode()
    menu = {view["name"] for plugin in stack.airflow("plugins")["plugins"] for view in plugin["external_views"]}
    assert menu >= {"Data quality", "Reports", "MLflow"}


def test_down_and_up_lose_nothing(stack: Stack) -> None:
    login = "Basic " + b64encode(f"admin:{stack.secrets['MLFLOW_ADMIN_PASSWORD']}".encode()).decode()

    def held() -> dict[str, object]:
        stack.log_in()
        model = call(f"{MLFLOW}/api/2.0/mlflow/registered-models/get?name=search", login)["registered_model"]
        experiments = call(f"{MLFLOW}/api/2.0/mlflow/experiments/search?max_results=100", login)["experiments"]
        pinned = json.loads(stack.run("scheduler", "python", "-m", "jobs", "pin").splitlines()[-1])
        return {
            "runs": {dag: stack.states(dag) for dag in ("pairs_daily", "index_nightly")},
            "experiments": sorted(each["name"] for each in experiments),
            "aliases": {each["alias"]: each["version"] for each in model["aliases"]},
            "champion": {**pinned, "seconds": 0},
        }

    before = held()
    stack.compose("down", "--timeout", "60")
    report(f"healthy again in {stack.up():.0f} s")
    assert held() == before
    assert before["aliases"] and SECOND in str(before["champion"])
