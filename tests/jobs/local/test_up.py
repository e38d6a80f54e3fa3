"""Background programs under their supervisor: started once, restarted, ended; ports, pools and the launcher."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobs import __main__ as launch
from jobs.local import airflow_env, site, up

SLEEPER = [sys.executable, "-c", "import time; print('hello', flush=True); time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('hello', flush=True); time.sleep(60)",
]
PARENT = ["sh", "-c", "sleep 60 & wait"]
FAILING = ["sh", "-c", "echo no disk; exit 1"]
CHATTY = [sys.executable, "-c", "while True: print('x' * 1000, flush=True)"]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home with a path that is short enough for a socket; what still runs there is ended."""
    with tempfile.TemporaryDirectory(dir="/tmp") as home:
        monkeypatch.setenv("NIGHTSHELF_HOME", home)
        monkeypatch.setattr(up, "STOP_S", 1)
        yield up.folder()
        up.stop()


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("command", [SLEEPER, STUBBORN], ids=["polite", "stubborn"])
def test_programs_are_started_once_restarted_when_they_die_and_ended(run: Path, command: list[str]) -> None:
    assert up.stop() == []
    up.launch({"sleeper": command, "other": SLEEPER}, os.environ)
    until(lambda: up.running().keys() == {"sleeper", "other"} and up.tail("sleeper") == "hello")
    with pytest.raises(RuntimeError, match="already listening"):
        up.launch({"sleeper": command}, os.environ)
    first = up.running()
    os.kill(first["sleeper"], signal.SIGKILL)
    until(lambda: up.running().get("sleeper", first["sleeper"]) != first["sleeper"])
    assert up.running()["other"] == first["other"]
    until(lambda: up.tail("sleeper") == "hello\nhello")  # the log goes on where the dead one left it
    last = list(up.running().values())
    assert set(up.stop()) == {"sleeper", "other"}
    assert up.running() == {}
    for pid in last:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert (run / "sleeper.log").is_file()


def test_what_a_killed_supervisor_leaves_is_ended_by_the_next_start_and_by_down(run: Path) -> None:
    """Its programs go on without it, and would keep their ports and Airflow's database."""
    for end in (up.end_leftovers, up.stop):
        up.launch({"sleeper": PARENT}, os.environ)
        until(lambda: len(up.leftovers()) == 3)  # the supervisor, its program, and a child of that
        os.kill(int((run / "supervisord.pid").read_text()), signal.SIGKILL)
        until(lambda: up.supervisor() is None)
        assert len(up.leftovers()) == 2
        assert len(end()) > 0
        assert up.leftovers() == []


def test_a_child_of_a_killed_service_ends_with_down(run: Path) -> None:
    up.launch({"scheduler": PARENT}, os.environ)
    until(lambda: len(up.leftovers()) == 3)
    os.kill(up.running()["scheduler"], signal.SIGKILL)
    until(lambda: len(up.leftovers()) == 4)  # the successor with its child, and that of the dead
    assert up.stop() == ["scheduler"]
    assert up.leftovers() == []


def test_up_is_judged_by_health_and_says_what_to_do(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs run, and nothing answers; one ends again and again, and is named."""
    for name in up.PORTS:
        with socket.create_server(("127.0.0.1", 0)) as free:
            monkeypatch.setenv(f"NIGHTSHELF_{name.upper()}_PORT", str(free.getsockname()[1]))
    up.launch({"scheduler": SLEEPER, "site": FAILING}, os.environ)
    with pytest.raises(
        RuntimeError, match="not healthy: mlflow, site, airflow; look into the logs in .*make down"
    ) as told:
        up.main(up.Args("start"))
    assert "site: no disk" in str(told.value)
    monkeypatch.setattr(up, "HEALTHY_S", 0.0)
    with pytest.raises(RuntimeError, match="not healthy: mlflow, site, airflow"):
        up.main(up.Args("start"))


def test_a_program_is_never_given_up(run: Path) -> None:
    """The disk is full for longer than supervisord's own three tries take, and then is not."""
    waiting = ["sh", "-c", f"test -e {run}/room && exec sleep 60; echo no disk; exit 1"]
    up.launch({"scheduler": waiting}, os.environ)
    until(lambda: (run / "scheduler.log").is_file() and (run / "scheduler.log").read_text().count("no disk") == 5)
    (run / "room").touch()
    until(lambda: "scheduler" in up.running())


@pytest.mark.parametrize(
    ("name", "like"), [("NIGHTSHELF_TIMEZONE", "NIGHTSHELF_TIME_ZONE"), ("NIGHTSHELF_SALTT", "NIGHTSHELF_SALT")]
)
def test_a_setting_that_is_misspelt_is_refused(
    name: str, like: str, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    up.refuse_unknown_settings()
    monkeypatch.setenv(name, "x")
    with pytest.raises(ValueError, match=f"{name} is no setting; the most like it is {like};"):
        up.main(up.Args("start"))
    assert not run.exists()


def test_logs_are_rotated(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up, "LOG_BYTES", 50_000)
    up.launch({"chatty": CHATTY}, os.environ)
    until((run / "chatty.log.2").exists)
    assert not (run / "chatty.log.3").exists()


def test_a_pid_of_another_program_is_left_alone(run: Path) -> None:
    """After a reboot the number in the file may belong to any program, and the socket to none."""
    other = subprocess.Popen(SLEEPER, stdout=subprocess.DEVNULL)
    try:
        run.mkdir(parents=True)
        (run / "supervisord.pid").write_text(str(other.pid), encoding="utf-8")
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(run / "sock"))
        assert up.stop() == []
        up.launch({"sleeper": SLEEPER}, os.environ)
        until(lambda: "sleeper" in up.running())
        assert up.stop() == ["sleeper"]
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_the_supervisor_is_this_users_alone_and_on_no_port(run: Path) -> None:
    up.launch({"sleeper": SLEEPER}, os.environ)
    assert stat.S_IMODE((run / "sock").stat().st_mode) == 0o700
    assert "inet_http_server" not in (run / "supervisord.conf").read_text()


def test_logs_are_not_everybodys(run: Path) -> None:
    """A supervisor that is not told its umask sets 022."""
    before = os.umask(0o027)
    try:
        up.launch({"sleeper": [*SLEEPER[:2], f"open('{run}/made', 'w'); {SLEEPER[2]}"]}, os.environ)
        until(lambda: "sleeper" in up.running() and up.tail("sleeper") == "hello")
        env = airflow_env.airflow_env()
    finally:
        os.umask(before)
    for name in ("made", "sleeper.log", "supervisord.log"):
        assert stat.S_IMODE((run / name).stat().st_mode) == 0o640
    assert env["AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FOLDER_PERMISSIONS"] == "0o750"
    assert env["AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FILE_PERMISSIONS"] == "0o640"


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


def test_a_home_too_deep_for_a_socket_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHELF_HOME", str(tmp_path / ("deep" * 20)))
    with pytest.raises(RuntimeError, match="set NIGHTSHELF_HOME shorter"):
        up.launch({"sleeper": SLEEPER}, os.environ)


def test_a_login_that_nobody_would_be_asked_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simple manager would pass over the provider, and everybody would type a password."""
    monkeypatch.delenv(airflow_env.MANAGER, raising=False)
    assert airflow_env.manager() == airflow_env.SIMPLE
    monkeypatch.setenv("NIGHTSHELF_OIDC_ISSUER", "https://login.shop")
    with pytest.raises(ValueError, match=r"NIGHTSHELF_OIDC_ISSUER is set.*expected airflow\.providers\.fab"):
        airflow_env.manager()
    monkeypatch.setenv(airflow_env.MANAGER, airflow_env.FAB)
    assert airflow_env.manager() == airflow_env.FAB


@pytest.mark.parametrize("text", ["anna", "anna:boss", "admin:viewer", "anna:viewer:team", " anna:viewer", "a b:op"])
def test_accounts_that_airflow_would_misread_are_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHELF_AIRFLOW_USERS", text)
    with pytest.raises(ValueError, match="expected names with one of the roles viewer, user, op, admin, such as"):
        airflow_env.airflow_env()


def test_each_account_has_a_password_of_its_own_that_stays(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {}
    for users in ("", "anna:viewer,bert:op", "bert:user"):
        monkeypatch.setenv("NIGHTSHELF_AIRFLOW_USERS", users)
        env = airflow_env.airflow_env()
        Path(env["AIRFLOW_HOME"]).mkdir(parents=True, exist_ok=True)
        airflow_env.write_passwords(env, {"bert": "his"} if users == "bert:user" else {})
        file = Path(env[airflow_env.PASSWORDS])
        made[users] = json.loads(file.read_text("utf-8"))
        assert file.stat().st_mode & 0o077 == 0
    assert [set(each) for each in made.values()] == [{"admin"}, {"admin", "anna", "bert"}, {"admin", "bert"}]
    assert len({each["admin"] for each in made.values()}) == 1, "who knows it keeps it"
    assert len(set(made["anna:viewer,bert:op"].values())) == 3
    assert min(map(len, made["anna:viewer,bert:op"].values())) >= 16 and made["bert:user"]["bert"] == "his"


def test_everything_listens_on_this_machine_alone(lake: Path) -> None:
    env = airflow_env.airflow_env()
    assert env["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert env["AIRFLOW__CORE__LOAD_EXAMPLES"] == "False"
    assert env["AIRFLOW__API__EXPOSE_CONFIG"] == "False"
    assert not any("ALL_ADMINS" in name for name in env)  # everybody would be an administrator without a login
    assert env["NIGHTSHELF_LAKE"] == str(lake)
    programs = up.programs()
    assert programs["mlflow"][programs["mlflow"].index("--host") + 1] == "127.0.0.1"
    assert "--listen" not in programs["site"] and site.Args().listen == "127.0.0.1"
    assert all("--skip-serve-logs" in programs[name] for name in ("scheduler", "triggerer"))


def test_an_object_stores_lake_is_passed_on_as_it_is(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHELF_LAKE", "s3://shop/lake")
    assert airflow_env.airflow_env()["NIGHTSHELF_LAKE"] == "s3://shop/lake"


def test_the_action_is_start_or_stop() -> None:
    with pytest.raises(ValueError, match="action='restart': expected one of start, stop"):
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
