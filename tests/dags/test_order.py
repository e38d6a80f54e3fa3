"""Airflow's own scheduler: a late day holds nobody back, ready days go in order, a typo in conf ends a run, with one alert.

And a task of it cleans its own database, which Airflow hides from tasks; a night on which nothing has to be mended is skipped.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import sqlite3
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.lake import storage as store
from jobs.lake.alias import move_alias
from jobs.lake.manifest import VERDICT
from jobs.lake.partitions import CLICK_COUNTS, LOG, PROPENSITIES, QRELS, QUERIES, RANKER
from jobs.lake.publish import publish
from jobs.local import up
from jobs.local.airflow_env import ROOT, USER, airflow_env, airflow_home, prepare, url
from models.reranking.features import FEATURES
from tests.conftest import Delivery
from tests.jobs.serving.test_pin import OTHER, SPACE, made, promoted

pytestmark = pytest.mark.slow
LIMIT_S = 600
DAYS = """
import os
from airflow.sdk import DAG
from dags.day import DAY, EVERY_DAG, day_param
from dags.operators import JobOperator
from dags.runner import take_turn, wait_for
from jobs.lake.partitions import LOG

WORK = '''
import os, pathlib, sys, time
home, day = pathlib.Path(os.environ["NIGHTSHELF_HOME"]), sys.argv[1]
def say(text):
    with (home / "said").open("a") as file:
        file.write(text + chr(10))
say("begin " + day)
while day == "2026-01-28" and not (home / "go").exists():
    time.sleep(0.2)
say("end " + day)
'''

with DAG("days", schedule=None, max_active_runs=16, **EVERY_DAG, params=day_param()):
    wait, turn = wait_for(LOG.at(ds=DAY), hours=1, gated=False), take_turn(last="announce")
    wait.poke_interval, turn.poke_interval = 15, 1
    work = JobOperator(task_id="work", argv=["python", "-c", WORK, DAY])
    wait >> turn >> work >> JobOperator(task_id="announce", argv=["python", "-c", ""])
"""


class Airflow:
    """Its REST interface, as far as it is needed."""

    def __init__(self, user: str = USER) -> None:
        password = json.loads((airflow_home() / "passwords.json").read_text("utf-8"))[user]
        self.token = ""
        self.token = self.call("/auth/token", {"username": user, "password": password})["access_token"]

    def call(self, path: str, body: dict[str, object] | None = None) -> Any:
        data = json.dumps(body).encode() if body else None
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        with urllib.request.urlopen(urllib.request.Request(url("airflow") + path, data, headers), timeout=60) as answer:
            return json.load(answer)

    def trigger(self, conf: dict[str, str], dag: str = "days") -> str:
        run: str = self.call(f"/api/v2/dags/{dag}/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"]
        return run

    def schedule(self, key: str, dag: str) -> str:
        """Start a run as the clock does: with a partition key and an untouched form."""
        body = {"logical_date": None, "conf": {}, "partition_key": key}
        run: str = self.call(f"/api/v2/dags/{dag}/dagRuns", body)["dag_run_id"]
        return run

    def state(self, run: str, dag: str = "days") -> str:
        state: str = self.call(f"/api/v2/dags/{dag}/dagRuns/{run}")["state"]
        return state

    def clear(self, run: str, task: str, behind: bool = True) -> None:
        """Clear a task, and those behind it where Downstream is ticked in the UI's dialog."""
        what = {"dag_run_id": run, "task_ids": [task], "include_downstream": behind, "only_failed": False}
        self.call("/api/v2/dags/days/clearTaskInstances", {**what, "reset_dag_runs": True, "dry_run": False})

    def states(self, run: str, dag: str = "days") -> dict[str, str | None]:
        tasks = self.call(f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances")["task_instances"]
        return {task["task_id"]: task["state"] for task in tasks}


@pytest.fixture(scope="module")
def started(mlflow_store: Path) -> Iterator[Path]:
    """A home in which Airflow runs, with a DAG whose work is to say its day, and the one that cleans up."""
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        tempfile.TemporaryDirectory(dir="/tmp") as folder,
        socket.create_server(("127.0.0.1", 0)) as free,
    ):
        home = Path(folder)
        monkeypatch.setenv("NIGHTSHELF_HOME", folder)
        monkeypatch.setenv("NIGHTSHELF_LAKE", str(home / "lake"))
        monkeypatch.setenv("NIGHTSHELF_AIRFLOW_PORT", str(free.getsockname()[1]))
        monkeypatch.setenv("NIGHTSHELF_AIRFLOW_USERS", "anna:viewer,bert:user")
        free.close()
        (home / "dags").mkdir()
        (home / "dags" / "days.py").write_text(DAYS)
        for name in ("housekeeping", "ranker_weekly"):
            shutil.copy(ROOT / "dags" / f"{name}.py", home / "dags")
        env = airflow_env() | {
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(home / "plugins"),
        }
        prepare(env)
        services = up.programs()
        up.launch({name: services[name] for name in ("api-server", "scheduler", "dag-processor")}, env)
        try:
            yield home
        finally:
            up.stop()


def until(true: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while True:
        try:
            if true():
                return
        except (urllib.error.URLError, ConnectionError, KeyError):
            pass
        assert time.monotonic() < deadline, f"{what}\n{up.tail('scheduler')}"
        time.sleep(0.5)


def deliver(ds: str) -> None:
    at = LOG.at(ds=ds)
    with publish(at, Delivery(at)) as out:
        (out.folder / "a.ndjson").write_text("{}\n")


def test_a_late_day_holds_nobody_back_and_ready_days_go_in_order(started: Path) -> None:
    said = started / "said"
    until(lambda: Airflow().call("/api/v2/dags/days"), "the DAG is read")
    api = Airflow()
    late = api.trigger({"ds": "2026-01-29"})
    until(lambda: api.states(late)["wait"] == "up_for_reschedule", "the late day waits")
    for day in ("2026-01-28", "2026-01-30", "2026-01-31"):
        deliver(day)
    first = api.trigger({"ds": "2026-01-28"})
    until(said.exists, "another day is worked on")
    # both are ready while the first works; the later one was there before
    last, second = api.trigger({"ds": "2026-01-31"}), api.trigger({"ds": "2026-01-30"})
    until(lambda: {api.states(run)["wait"] for run in (last, second)} == {"success"}, "both are ready")
    (started / "go").touch()
    until(lambda: api.states(last)["announce"] == "success", "all ready days are done")
    order = [f"{word} 2026-01-{day}" for day in (28, 30, 31) for word in ("begin", "end")]
    assert said.read_text().splitlines() == order
    assert api.states(first)["announce"] == "success" and api.states(late)["turn"] is None
    deliver("2026-01-29")
    until(lambda: api.states(late)["announce"] == "success", "the late day is done")

    # days of which something is cleared take their turn again; so does a task that is cleared alone
    for alone in ("", first, second):
        said.unlink(), (started / "go").unlink()
        api.clear(first, "work", behind=alone != first)
        until(said.exists, "the first day works again")
        api.clear(second, "work", behind=alone != second)
        until(lambda: api.states(second)["turn"] == "up_for_reschedule", "the other day waits for it")
        (started / "go").touch()
        until(lambda: api.state(second) == "success", "both days are done")
        assert said.read_text().splitlines() == order[:4]

    typo = api.trigger({"dss": "2026-01-31"})
    until(lambda: api.state(typo) == "failed", "a typo is refused")
    time.sleep(15)  # the dag-processor calls the DAG's own callback some seconds later
    alerts = [json.loads(line) for line in (started / "alerts.jsonl").read_text("utf-8").splitlines()]
    (alert,) = [alert for alert in alerts if alert["failed"]] if "failed" in alerts[0] else alerts
    assert (alert["task"], alert["dag_run"]) == ("wait", typo)
    assert alert["reason"].startswith("conf has dss, expected keys of the form: ds; trigger")


def listening() -> set[str]:
    """Addresses, in hexadecimal, on which the services and their children listen, as Linux tells them."""
    sockets = set()
    for pid in up.leftovers():
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                sockets.add(str(entry.readlink()))
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in sockets:
                found.add(words[1].partition(":")[0])
    return found


def test_services_listen_on_this_machine_alone(started: Path) -> None:
    """Airflow's scheduler served logs on all interfaces."""
    until(lambda: Airflow().call("/api/v2/monitor/health")["scheduler"]["status"] == "healthy", "the scheduler is up")
    assert listening() == {"0100007F"}


def test_who_does_not_log_in_reads_and_starts_nothing(started: Path) -> None:
    until(lambda: Airflow().call("/api/v2/dags/days"), "the DAG is read")
    before = len(runs(airflow_home() / "airflow.db"))
    api = Airflow()
    passwords = airflow_home() / "passwords.json"
    assert passwords.stat().st_mode & 0o077 == 0 and len(json.loads(passwords.read_text("utf-8"))[USER]) >= 16
    for token in ("", "nonsense", api.token[:-8] + "AAAAAAAA"):
        api.token = token
        for path, body in (("dags", None), ("dags/days/dagRuns", {"logical_date": None, "conf": {}})):
            with pytest.raises(urllib.error.HTTPError) as refused:
                api.call(f"/api/v2/{path}", body)
            assert refused.value.code in (401, 403)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        api.call("/auth/token", {"username": USER, "password": "admin"})
    assert len(runs(airflow_home() / "airflow.db")) == before


def test_each_role_may_what_it_should(started: Path) -> None:
    """Anna looks, Bert starts runs too; neither sees the connections, which hold passwords."""
    until(lambda: Airflow().call("/api/v2/dags/days"), "the DAG is read")
    anna, bert = Airflow("anna"), Airflow("bert")
    assert anna.call("/api/v2/dags/days")["dag_id"] == "days"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        anna.trigger({"dss": "2026-01-31"})
    assert bert.trigger({"dss": "2026-01-31"}) in runs(airflow_home() / "airflow.db")
    assert Airflow().call("/api/v2/connections")["total_entries"] >= 0
    for account in (anna, bert):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            account.call("/api/v2/connections")


def runs(database: Path) -> set[str]:
    """Ids of the runs in Airflow's database."""
    with sqlite3.connect(database, timeout=60) as tables:
        return {run for (run,) in tables.execute("SELECT run_id FROM dag_run")}


def test_housekeeping_deletes_old_runs_and_logs_and_no_others(started: Path) -> None:
    database, logs = airflow_home() / "airflow.db", airflow_home() / "logs"
    until(lambda: Airflow().call("/api/v2/dags/housekeeping"), "the DAG is read")
    api = Airflow()
    old, young = (api.trigger({"dss": "2026-01-31"}) for _ in range(2))  # ends at once
    until(lambda: {api.state(run) for run in (old, young)} == {"failed"}, "both have ended")
    with sqlite3.connect(database, timeout=60) as tables:
        tables.execute("UPDATE dag_run SET start_date = datetime('now', '-91 days') WHERE run_id = ?", [old])
    for name, days in (("old", 31), ("young", 29)):
        (logs / name).mkdir()
        (logs / name / "1.log").write_text("line")
        os.utime(logs / name / "1.log", (written := time.time() - days * 86400, written))
    run = api.trigger({}, "housekeeping")
    until(lambda: api.state(run, "housekeeping") in ("success", "failed"), "the run ends")
    assert api.state(run, "housekeeping") == "success"
    assert old not in runs(database) and {young, run} <= runs(database)
    assert not (logs / "old").exists() and (logs / "young" / "1.log").is_file()


def test_a_night_trains_a_ranker_where_none_fits_the_towers_and_is_skipped_else(started: Path) -> None:
    dag = "ranker_weekly"
    promoted()  # towers of 31 January
    for ds in ("2026-02-01", "2026-02-02"):
        for table in (CLICK_COUNTS, PROPENSITIES, QUERIES, QRELS):
            verdict = json.dumps({"verdict": "pass"}).encode()
            store.write_bytes(f"{made(table.at(ds=ds)).uri}/{VERDICT}", verdict)
    move_alias(
        "reranking/champion", made(RANKER.at(ds="2026-01-31", kind="trees"), space_id=SPACE, features=[*FEATURES])
    )
    until(lambda: Airflow().call(f"/api/v2/dags/{dag}"), "the DAG is read")
    api = Airflow()
    fits = api.schedule("2026-02-01", dag)
    until(lambda: api.state(fits, dag) in ("success", "failed"), "the night with a ranker ends")
    states = api.states(fits, dag)
    assert {states.pop(task) for task in ("check", "wait")} == {"success"}
    assert set(states.values()) == {"skipped"}, states

    move_alias(
        "reranking/champion", made(RANKER.at(ds="2026-01-24", kind="trees"), space_id=OTHER, features=[*FEATURES])
    )
    lacks = api.schedule("2026-02-02", dag)
    until(lambda: api.states(lacks, dag)["pin"] in ("success", "failed", "skipped"), "the night without one begins")
    assert api.states(lacks, dag)["pin"] == "success"
    pulled = api.call(f"/api/v2/dags/{dag}/dagRuns/{lacks}/taskInstances/pin/xcomEntries/return_value")["value"]
    found = json.loads(pulled) if isinstance(pulled, str) else pulled
    assert (found["window_days"], found["bundle_ds"]) == (2, "2026-01-31")
