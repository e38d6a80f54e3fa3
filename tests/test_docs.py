"""Parts of docs/ that are said to be tried: the units of systemd, and the dumps of the two databases in Postgres."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from jobs.local.airflow_env import POOLS, airflow_env, migrate

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
POSTGRES = max(
    Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/nowhere"), key=lambda path: int(path.parts[-2])
)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze (Debian's package systemd)")
def test_systemd_reads_the_units_without_a_word(tmp_path: Path) -> None:
    blocks = re.findall(r"```ini\n(.*?)```", (DOCS / "operations.md").read_text("utf-8"), re.DOTALL)
    named = ["# nightshelf.service\n" + blocks[0], *re.split(r"(?m)^(?=# nightshelf-)", blocks[1])]
    units = [re.fullmatch(r"# (\S+)\n(.*)", text, re.DOTALL) for text in named if text]
    for unit in units:
        assert unit is not None
        # programs must be there; where they lie is this machine's
        (tmp_path / unit[1]).write_text(unit[2].replace("/srv/nightshelf/.venv/bin/python", sys.executable))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["nightshelf-freshness.service", "nightshelf-freshness.timer", "nightshelf.service"]
    command = ["systemd-analyze", "verify", *(tmp_path / name for name in names)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


class Cluster:
    """A Postgres of its own, as the stack's is when its volume is new."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = str(free.getsockname()[1])
        self.env = os.environ | {"PGHOST": "127.0.0.1", "PGPORT": self.port, "PGUSER": "nightshelf"}
        self.env["PATH"] = f"{POSTGRES}:{self.env['PATH']}"
        folder.mkdir()
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        self.run_as_owner(
            "initdb", "--auth=trust", "--encoding=UTF8", "--username=nightshelf", f"--pgdata={folder}/data"
        )
        options = f"-p {self.port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self.run_as_owner("pg_ctl", f"--pgdata={folder}/data", f"--log={folder}/log", "--wait", "-o", options, "start")
        self.run("createdb", "airflow")
        self.run("psql", "--dbname=airflow", f"--file={ROOT}/docker/postgres.sql")

    def run_as_owner(self, *words: str) -> None:
        """A program that root may not run."""
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        # what the server inherits must not hold this test's pipe open
        subprocess.run([*user, *words], env=self.env, cwd="/", check=True, stdout=subprocess.DEVNULL)

    def run(self, *words: str) -> str:
        """Output of a client."""
        return subprocess.run(words, env=self.env, check=True, capture_output=True, text=True).stdout

    def address(self, database: str) -> str:
        """Of a database, as SQLAlchemy reads it."""
        return f"postgresql+psycopg2://nightshelf@127.0.0.1:{self.port}/{database}"

    def follow(self, program: str, folder: Path) -> None:
        """Run the page's lines with this program as they stand, here instead of in the container."""
        text = (DOCS / "backup.md").read_text()
        lines = re.findall(rf"^    (?:docker compose .* postgres )?(umask .*|{program} .*)$", text, re.MULTILINE)
        assert len(lines) == 3
        subprocess.run(["sh", "-ec", "\n".join(lines)], env=self.env, cwd=folder, check=True)

    def stop(self) -> None:
        """End it."""
        self.run_as_owner("pg_ctl", f"--pgdata={self.folder}/data", "--mode=immediate", "stop")


@pytest.fixture
def clusters() -> Iterator[list[Cluster]]:
    """One in use, and a new one."""
    if not (POSTGRES / "initdb").is_file():
        pytest.skip("no Postgres (Debian's package postgresql)")
    pytest.importorskip("psycopg2", reason="a package of the extra cluster")
    made: list[Cluster] = []
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        try:
            for name in ("used", "new"):
                made.append(Cluster(Path(folder) / name))
            yield made
        finally:
            for cluster in made:
                cluster.stop()


@pytest.mark.slow
def test_both_databases_are_restored_from_their_dumps(clusters: list[Cluster], tmp_path: Path, lake: Path) -> None:
    used, new = clusters
    client = MlflowClient(used.address("mlflow"))
    run = client.create_run(client.create_experiment("towers", artifact_location=str(tmp_path))).info.run_id
    client.log_metric(run, "recall", 0.75)
    client.create_registered_model("search")
    client.create_model_version("search", str(tmp_path), run)
    client.set_registered_model_alias("search", "champion", "1")
    env = airflow_env() | {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": used.address("airflow")}
    Path(env["AIRFLOW_HOME"]).mkdir(parents=True)
    migrate(env)
    used.follow("pg_dump", tmp_path)
    dumps = sorted(tmp_path.glob("*.dump"))
    assert [(dump.name, dump.stat().st_mode & 0o777) for dump in dumps] == [
        ("airflow.dump", 0o600),
        ("mlflow.dump", 0o600),
    ]
    client.delete_registered_model("search")  # after the backup

    new.follow("pg_restore", tmp_path)
    back = MlflowClient(new.address("mlflow"))
    assert back.get_run(run).data.metrics == {"recall": 0.75}
    assert str(back.get_model_version_by_alias("search", "champion").version) == "1"
    pools = new.run("psql", "--dbname=airflow", "--tuples-only", "--no-align", "--command=SELECT pool FROM slot_pool")
    assert set(pools.split()) == {"default_pool", *POOLS}
    migrate(env | {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": new.address("airflow")})
