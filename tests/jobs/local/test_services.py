"""Background programs: started once, found again, ended; ports, pools and the launcher."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from jobs import __main__ as launch
from jobs.local import airflow_env, up
from jobs.local.services import Service

SLEEPER = [sys.executable, "-c", "import time; print('hello', flush=True); time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('hello', flush=True); time.sleep(60)",
]


@pytest.mark.parametrize("command", [SLEEPER, STUBBORN], ids=["polite", "stubborn"])
def test_a_service_is_started_once_and_ended(lake: Path, command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.local.services.STOP_S", 1.0)
    service = Service("sleeper", command)
    assert not service.runs()
    service.start(os.environ, Path.cwd())
    try:
        while not service.tail():
            assert service.runs()
        with pytest.raises(RuntimeError, match="runs already"):
            service.start(os.environ, Path.cwd())
    finally:
        service.stop()
    assert not service.runs()
    assert not service.pid_file.exists()
    assert service.tail() == "hello"
    assert not service.ask_to_stop()


def test_a_pid_of_another_program_is_left_alone(lake: Path) -> None:
    """After a reboot the number in the file may belong to anyone; only a lock that is held counts."""
    other = subprocess.Popen(SLEEPER, stdout=subprocess.DEVNULL)
    try:
        service = Service("sleeper", SLEEPER)
        service.pid_file.parent.mkdir(parents=True)
        service.pid_file.write_text(str(other.pid), encoding="utf-8")
        assert not service.runs()
        service.stop()
        assert other.poll() is None
        assert not service.pid_file.exists()
    finally:
        other.kill()
        other.wait()


def test_a_port_that_is_taken_or_none_is_named(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("NIGHTSHELF_MLFLOW_PORT", str(taken.getsockname()[1]))
        with pytest.raises(RuntimeError, match="is taken; set NIGHTSHELF_MLFLOW_PORT"):
            up.check_free("mlflow")
    for text in ("80", "x", "99999", ""):
        monkeypatch.setenv("NIGHTSHELF_MLFLOW_PORT", text)
        with pytest.raises(ValueError, match="expected a port from 1024 to 65535"):
            airflow_env.port("mlflow")


def test_everything_listens_on_this_machine_alone(lake: Path) -> None:
    env = airflow_env.airflow_env()
    assert env["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert env["AIRFLOW__CORE__LOAD_EXAMPLES"] == "False"
    assert env["NIGHTSHELF_LAKE"] == str(lake)
    mlflow = next(service for service in up.services() if service.name == "mlflow").command
    assert mlflow[mlflow.index("--host") + 1] == "127.0.0.1"


def test_an_object_stores_lake_is_passed_on_as_it_is(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHELF_LAKE", "s3://shop/lake")
    assert airflow_env.airflow_env()["NIGHTSHELF_LAKE"] == "s3://shop/lake"


def test_the_action_is_start_or_stop() -> None:
    with pytest.raises(ValueError, match="expected start or stop"):
        up.Args("restart")


def test_the_launcher_runs_a_job_and_hands_its_result_to_a_pod(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(launch, "XCOM", tmp_path / "return.json")
    monkeypatch.setattr(sys, "argv", ["launch"])
    launch.main(["ready", "--partitions", "pairs/ds=2026-01-31"])
    found = json.loads((tmp_path / "return.json").read_text())
    assert found["missing"] == ["pairs/ds=2026-01-31"]
    assert json.loads(capsys.readouterr().out) == found


def test_the_launcher_as_a_file_does_not_let_the_folder_hide_libraries(lake: Path) -> None:
    """spark-submit puts the file's folder first on the path; jobs/tables.py must not pass for PyTables."""
    root = Path(launch.__file__).parents[1]
    code = "import runpy, sys; sys.argv = ['jobs/__main__.py', 'ready', '--partitions', 'pairs/ds=2026-01-31']; sys.path[0] = 'jobs'; runpy.run_path('jobs/__main__.py', run_name='__main__'); sys.exit('/jobs/platform' in getattr(sys.modules.get('platform'), '__file__', '') or 'jobs' in sys.path)"
    found = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["missing"] == ["pairs/ds=2026-01-31"]
