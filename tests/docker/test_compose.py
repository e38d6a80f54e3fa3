"""The compose stack as far as it can be checked without an engine: shape, secrets, known traps."""

import re
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

DOCKER = Path(__file__).resolve().parents[2] / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
AIRFLOW = sorted(name for name, service in SERVICES.items() if "AIRFLOW_HOME" in service.get("environment", {}))


def test_airflow_is_five_services_with_one_environment() -> None:
    """A JWT secret or execution URL that only some have fails every task."""
    assert AIRFLOW == ["api-server", "dag-processor", "init", "scheduler", "triggerer"]
    assert len({str(SERVICES[name]["environment"]) for name in AIRFLOW}) == 1


def test_every_airflow_setting_exists_in_the_pinned_version() -> None:
    package = find_spec("airflow")
    assert package and package.submodule_search_locations
    template = Path(package.submodule_search_locations[0]) / "config_templates" / "config.yml"
    known = yaml.safe_load(template.read_text())
    for name in SERVICES["scheduler"]["environment"]:
        if name.startswith("AIRFLOW__"):
            _, section, option = name.lower().split("__")
            assert option in known[section]["options"], name


def test_every_mlflow_option_exists_in_the_pinned_version() -> None:
    from mlflow.cli import server

    known = {option for parameter in server.params for option in parameter.opts}
    given = {word.partition("=")[0] for word in SERVICES["mlflow"]["command"][2:]}
    assert given <= known


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_names_is_there(name: str) -> None:
    service = SERVICES[name]
    assert set(service.get("depends_on", {})) <= set(SERVICES)
    for volume in service.get("volumes", []):
        source = volume.partition(":")[0]
        assert source in COMPOSE["volumes"] or (DOCKER / source).exists()


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


def test_the_gpu_file_gives_the_scheduler_a_gpu() -> None:
    """Tasks run as the scheduler's children, so the GPU belongs there."""
    services = yaml.safe_load((DOCKER / "gpu.yaml").read_text())["services"]
    for name in ("scheduler", "trainer"):
        (device,) = services[name]["deploy"]["resources"]["reservations"]["devices"]
        assert device["capabilities"] == ["gpu"]
        assert services[name]["build"]["target"] == "trainer"


def test_the_image_is_made_from_the_lock() -> None:
    text = (DOCKER / "Dockerfile").read_text()
    installs = re.findall(r"pip install .*", text)
    assert installs and all("--constraint requirements.lock" in line for line in installs)
    for target in re.findall(r"\[([a-z,-]+)\]'", text):
        assert not {"faiss-cpu", "faiss-gpu"} <= set(target.split(","))
