"""The one place that sets up Airflow on one machine: its environment, its database, its pools.

`make up`, the demo and the tests all go through it. A cluster sets the same variables in its own way (docker/).
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from jobs.lake.partitions import lake_root
from jobs.lake.storage import umask
from jobs.platform.tracking import home

ROOT = Path(__file__).absolute().parents[2]
USER = "admin"
# of Airflow's simple auth manager, and with a capital letter of FAB, from looking to everything
ROLES = ("viewer", "user", "op", "admin")
MANAGER = "AIRFLOW__CORE__AUTH_MANAGER"
SIMPLE = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
# name -> slots and what for. A slot is a GPU, or a JVM's worth of memory; tasks beyond wait their turn.
POOLS: dict[str, tuple[int, str]] = {
    "gpu": (1, "training, mining and embedding: one slot per GPU, or one for the machine without"),
    "spark": (1, "Spark drivers on this machine"),
}


# people's login under FAB; a shop may name a file of its own
LOGIN = ROOT / "jobs" / "local" / "webserver_config.py"
USERS, PASSWORDS = (f"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_{name}" for name in ("USERS", "PASSWORDS_FILE"))


def port(service: str) -> int:
    """The port of airflow, mlflow or site, by NIGHTSHELF_AIRFLOW_PORT and so on.

    Raises:
        ValueError: the variable holds no port.
    """
    name = f"NIGHTSHELF_{service.upper()}_PORT"
    text = os.environ.get(name, {"airflow": "8080", "mlflow": "5000", "site": "8090"}[service])
    if not text.isdecimal() or not 1024 <= int(text) <= 65535:
        raise ValueError(f"{name}={text!r}: expected a port from 1024 to 65535")
    return int(text)


def url(service: str) -> str:
    """The address of airflow, mlflow or site: on this machine only."""
    return f"http://localhost:{port(service)}"


def airflow_home() -> Path:
    """Airflow's own folder."""
    return home() / "airflow"


def airflow_env() -> dict[str, str]:
    """The whole environment of an Airflow process here: this one's, with Airflow's settings put over it."""
    lake = lake_root()
    folder = airflow_home()
    # SQLite has one writer at a time: on a busy machine five seconds are too few to wait for it
    database = f"sqlite:///{folder}/airflow.db?timeout=60"
    return os.environ | {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "dags" / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        # every idle slot is a process of 130 MB
        "AIRFLOW__CORE__PARALLELISM": os.environ.get("NIGHTSHELF_PARALLELISM", "4"),
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        # a run started by hand in the UI or by REST goes through, and so does a backfill
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        MANAGER: manager(),
        USERS: accounts(),
        PASSWORDS: str(folder / "passwords.json"),
        "AIRFLOW__FAB__CONFIG_FILE": os.environ.get("AIRFLOW__FAB__CONFIG_FILE", str(LOGIN)),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port('airflow')}/execution/",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
        "NIGHTSHELF_AIRFLOW_DB": database,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port("airflow")),
        "AIRFLOW__API__BASE_URL": url("airflow"),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__EXPOSE_CONFIG": "False",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
        "AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FOLDER_PERMISSIONS": f"0o{0o777 & ~umask():o}",
        "AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FILE_PERMISSIONS": f"0o{0o666 & ~umask():o}",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        "NIGHTSHELF_HOME": str(home()),
        "NIGHTSHELF_MLFLOW_URL": url("mlflow"),
        "NIGHTSHELF_SITE_URL": url("site"),
        "NIGHTSHELF_LAKE": lake if "://" in lake else str(Path(lake).absolute()),
    }


def manager() -> str:
    """The class by which people log in, which Airflow's own setting names.

    Raises:
        ValueError: NIGHTSHELF_OIDC_ISSUER is set, and this class would not ask it.
    """
    name = os.environ.get(MANAGER) or SIMPLE
    if os.environ.get("NIGHTSHELF_OIDC_ISSUER") and name != FAB:
        raise ValueError(
            f"NIGHTSHELF_OIDC_ISSUER is set, and {MANAGER}={name} does not log in through it: expected {FAB}"
        )
    return name


def accounts() -> str:
    """Airflow's accounts as name:role: the administrator, and those of NIGHTSHELF_AIRFLOW_USERS.

    Raises:
        ValueError: the setting holds anything else, or the administrator again.
    """
    text = os.environ.get("NIGHTSHELF_AIRFLOW_USERS", "")
    for account in filter(None, text.split(",")):
        name, _, role = account.partition(":")
        if not re.fullmatch(r"[\w.@-]+", name) or name == USER or role not in ROLES:
            raise ValueError(
                f"NIGHTSHELF_AIRFLOW_USERS={text!r}: expected names with one of the roles {', '.join(ROLES)}, such as"
                f" anna:viewer,bert:op; {USER} is there already"
            )
    return ",".join(filter(None, [f"{USER}:admin", text]))


def write_passwords(env: Mapping[str, str], given: Mapping[str, str]) -> None:
    """Write the password of each account, which this user alone may read: those given, those that the file has, or new ones.

    Airflow would write the ones that it makes into its log.
    """
    file = Path(env[PASSWORDS])
    known = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    names = [account.partition(":")[0] for account in env[USERS].split(",")]
    passwords = {name: given.get(name) or known.get(name) or secrets.token_urlsafe(12) for name in names}
    file.touch(mode=0o600)
    file.chmod(0o600)
    file.write_text(json.dumps(passwords), encoding="utf-8")


def airflow(*words: str) -> list[str]:
    """An Airflow command of this environment."""
    return [sys.executable, "-m", "airflow", *words]


def prepare(env: Mapping[str, str]) -> None:
    """Write the passwords; make or migrate the database, pools and accounts, once for each version of Airflow and its accounts.

    Raises:
        RuntimeError: Airflow refused; its last lines.
    """
    folder = Path(env["AIRFLOW_HOME"])
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)  # its database, keys and passwords are nobody else's
    write_passwords(env, {})
    done = folder / "prepared.json"
    state = {"airflow": version("apache-airflow"), "pools": POOLS, "manager": env[MANAGER], "accounts": env[USERS]}
    if done.is_file() and json.loads(done.read_text("utf-8")) == json.loads(json.dumps(state)):
        return
    migrate(env)
    done.write_text(json.dumps(state), encoding="utf-8")


def migrate(env: Mapping[str, str]) -> None:
    """Make or migrate the database, make the pools, and the accounts where FAB keeps them.

    Raises:
        RuntimeError: Airflow refused; its last lines.
    """
    pools = Path(env["AIRFLOW_HOME"]) / "pools.json"
    pools.write_text(
        json.dumps(
            {
                name: {"slots": slots, "description": text, "include_deferred": False}
                for name, (slots, text) in POOLS.items()
            }
        ),
        encoding="utf-8",
    )
    _run(env, "db", "migrate")
    _run(env, "pools", "import", str(pools))
    if env[MANAGER] == FAB:
        passwords = json.loads(Path(env[PASSWORDS]).read_text("utf-8"))
        for name, _, role in (account.partition(":") for account in env[USERS].split(",")):
            _add_account(env, name, role, passwords[name])


def _add_account(env: Mapping[str, str], name: str, role: str, password: str) -> None:
    """An account of FAB, unless it has one of this name: password and role are FAB's from then on."""
    mail = name if "@" in name else f"{name}@localhost"
    words = {"username": name, "role": role.capitalize(), "firstname": name, "lastname": name, "email": mail}
    # not as an argument, which everybody on this machine may read
    _run(env, "users", "create", *(f"--{flag}={word}" for flag, word in words.items()), typed=f"{password}\n" * 2)


def _run(env: Mapping[str, str], *words: str, typed: str = "") -> None:
    """One of Airflow's commands, without a terminal that it could ask.

    Raises:
        RuntimeError: it refused; its last lines.
    """
    process = subprocess.run(
        airflow(*words),
        env=dict(env),
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        start_new_session=True,
    )
    if process.returncode:
        tail = "\n".join((process.stdout + process.stderr).splitlines()[-10:])
        raise RuntimeError(f"airflow {' '.join(words)}: exit code {process.returncode}:\n{tail}")
