"""The corridor once, small, by jobs/local/nightly.sh; then its tables again by the DAG on a cluster, a worker of which
dies; then commands are killed and run again.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.lake.alias import CHAMPION, pin_alias
from jobs.lake.partitions import Partition
from jobs.lake.read import pin, read_table
from jobs.local.airflow_env import ROOT, airflow, airflow_env, prepare
from jobs.platform.spark import archive_options
from jobs.platform.tracking import client
from tests.dags.spark_cluster import Cluster, spark_cluster

SPARK_CONN = "nightshelf_spark"  # as the DAGs name it
DS = "2026-01-31"
DAY = f"ds={DS}"
NIGHT = "night.json"
SMALL = {
    "ITEMS": "600",
    "QUERIES": "300",
    "SEARCHES": "1500",
    "MIN_SEARCHERS": "2",
    "TRAINING": "--preset small --epochs 2 --batch_size 128 --lr 0.01 --checkpoint_s 0",
    "PYTHON": sys.executable,
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A lake with the corridor in it, which all tests of this file share; NIGHT holds what the script printed last."""
    root = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTSHELF_LAKE", str(root / "lake"))
        patch.setenv("NIGHTSHELF_HOME", str(root / "var"))
        patch.setenv("NIGHTSHELF_SALT", "the same for both")
        patch.setenv("OMP_NUM_THREADS", "2")  # threads may not race either
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        for name in ("NIGHTSHELF_WARM_SPARK", "NIGHTSHELF_SPARK_MASTER"):
            patch.delenv(name, raising=False)
        done = run(str(ROOT / "jobs/local/nightly.sh"), **SMALL)
        assert done.returncode == 0, done.stderr[-3000:]
        (root / NIGHT).write_text(done.stdout.splitlines()[-1], encoding="utf-8")
        yield root


def run(*command: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a person would."""
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **env},
        text=True,
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def command_of(output: str) -> list[str]:
    """The command line that made a partition, as its manifest has it."""
    manifest = pin(Partition.parse(output)).manifest
    flags = [word for name, value in manifest.args.items() if value != "" for word in (f"--{name}", str(value))]
    return [sys.executable, "-m", "jobs", manifest.job, *flags]


def content(partition: str) -> str:
    return pin(Partition.parse(partition)).manifest.content_sha256


@pytest.mark.slow
@pytest.mark.spark
def test_a_log_becomes_a_served_index(shop: Path) -> None:
    promoted = json.loads((shop / NIGHT).read_text("utf-8"))["jobs"][-1]
    assert promoted["promoted"] is True
    index = pin_alias(CHAMPION).partition
    at = str(index).removeprefix("index/")
    assert at.startswith(f"{DAY}/space=")
    summary = json.loads(pin(Partition.parse(f"report/{at}")).path("summary.json").read_text("utf-8"))
    aliases = client().get_registered_model("search").aliases
    assert aliases["champion"] == aliases["challenger"], "judged last, and promoted"
    assert summary["second_view"]["queries"] > 10, "what was clicked, beside what people judged"
    assert {(one["query_seen"], one["item_seen"]) for one in summary["seen_unseen"]} >= {(False, True), (True, True)}
    # far above chance, which finds 60 of 600 items: 0.1
    assert {arm: found["R@60"] > 0.3 for arm, found in summary["measures"].items()} == {
        arm: True for arm in ("served", "dense", "sparse", "hybrid", "hybrid_rrf", "hybrid_minmax", "hybrid_zscore")
    }


@pytest.mark.slow
@pytest.mark.spark
def test_nothing_of_a_lake_or_its_home_is_everybodys(shop: Path) -> None:
    """Files 0640, folders 0750, whoever wrote them: Arrow, Spark, safetensors, MLflow's database and artefacts, Data Docs."""
    made = [path for place in ("lake", "var") for path in (shop / place).rglob("*")]
    names = {path.name for path in made}
    assert {"mlflow.db", "index.html", "weights.safetensors", "_manifest.json"} <= names
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in made if not path.is_symlink()}
    others = {str(path.relative_to(shop)): oct(mode) for path, mode in modes.items() if mode & 0o027}
    assert len(modes) > 200 and others == {}


@pytest.mark.slow
@pytest.mark.spark
def test_no_held_out_query_is_in_what_is_learnt_from(shop: Path) -> None:
    queries = read_table(pin(Partition.parse(f"queries/{DAY}"))).to_pandas()
    pairs = read_table(pin(Partition.parse(f"pairs/{DAY}"))).to_pandas()
    split = queries.set_index("query_id")["split"]
    assert set(split) == {"train", "dev", "test"}
    assert (pairs["query_id"].map(split) == pairs["split"]).all()
    qrels = read_table(pin(Partition.parse(f"qrels/{DAY}"))).to_pandas()
    tested = set(qrels.loc[qrels["split"] == "test", "query_id"])
    assert tested
    assert not tested & set(pairs.loc[pairs["split"] == "train", "query_id"])


FORM = {"ds": DS, "labels_ds": DS, "min_searchers": 2}
# one job of each kind: Python on the executors, many shuffles and four outputs, counts, windows over days
ON_SPARK = ("items", "impressions", "click_counts", "pairs")
MADE = (*ON_SPARK, "late_impressions", "query_counts", "item_events")
# taken from the corridor: each costs a driver and two executors, and runs the same code as those above
TAKEN = ("session_events", "propensities", "item_features", "queries", "qrels")
# judged on this machine under every runner, so their time would prove nothing here
CHECKS = ("expect_tables", "expect_sessions", "expect_daily", "expect_features", "expect_pairs")
# lz4 files of searches stand, their sessions and robots are looked for: the middle of a job of some ten shuffles
MIDDLE = f"impressions_v1/{DAY}/attempts/*/_tables/searches/*.parquet"


@pytest.mark.slow
@pytest.mark.spark
def test_the_days_dag_on_a_cluster_makes_the_same_tables_though_a_worker_dies(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By one Airflow connection more than on one machine."""
    expected = {table: made(table) for table in MADE}
    lake = tmp_path / "lake"
    for taken in ("catalogue", "labels", "log", "propensities", "queries"):
        shutil.copytree(shop / "lake" / f"{taken}_v1", lake / f"{taken}_v1")
    monkeypatch.setenv("NIGHTSHELF_LAKE", str(lake))
    archive = archive_options()
    flags = ["--driver-java-options", archive, "--conf", f"spark.executor.extraJavaOptions={archive}"]
    with spark_cluster(tmp_path / "spark") as cluster:
        struck = threading.Event()
        threading.Thread(target=strike, args=(cluster, lake, struck), daemon=True).start()
        connection = {"conn_type": "spark", "host": "spark://127.0.0.1", "port": cluster.port}
        env = airflow_env() | {
            f"AIRFLOW_CONN_{SPARK_CONN.upper()}": json.dumps(connection),
            "NIGHTSHELF_SPARK_ARGS": shlex.join([*flags, "--conf", "spark.executor.memory=900m"]),
            "SPARK_LOCAL_IP": "127.0.0.1",
        }
        prepare(env)
        dag_test = airflow("dags", "test", "pairs_daily", "--conf", json.dumps(FORM))
        done = run(*dag_test, "--mark-success-pattern", "|".join((*CHECKS, *TAKEN)), **env)
        output = (done.stdout + done.stderr)[-6000:]
        assert done.returncode == 0 and "state=success" in output, output
        state = cluster.state()
    assert struck.is_set(), "the job was done before its worker died"
    assert state["aliveworkers"] == 1
    # each Spark job of the day ran there, and the one that lost a worker did not begin anew
    ran = [app["name"] for app in state["completedapps"]]
    assert sorted(set(ran)) == sorted(f"nightshelf {name}" for name in ON_SPARK), ran
    assert len(list(lake.glob(f"impressions_v1/{DAY}/attempts/*"))) == 1
    assert {table: made(table) for table in MADE} == expected


def strike(cluster: Cluster, lake: Path, struck: threading.Event) -> None:
    """Kill a worker in the middle of impressions."""
    while not list(lake.glob(MIDDLE)):
        if struck.wait(0.05):
            return
    cluster.strike()
    struck.set()


def made(table: str) -> tuple[str, object]:
    """A partition's content hash and its account of rows."""
    manifest = pin(Partition.parse(f"{table}/{DAY}")).manifest
    return manifest.content_sha256, manifest.accounting


@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.parametrize(
    ("output", "fault"),
    [
        (f"impressions/{DAY}", "publish.files_written"),  # Spark has written all its files
        (f"pairs/{DAY}", "publish.before_pointer"),  # the manifest is written, nothing points at it
        (f"towers/{DAY}/step=in_batch", "towers.step:5"),
    ],
)
def test_a_job_killed_in_the_middle_and_run_again_makes_the_same(shop: Path, output: str, fault: str) -> None:
    command, before, attempt = command_of(output), content(output), pin(Partition.parse(output)).manifest.attempt
    killed = run(*command, NIGHTSHELF_FAULT=fault)
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    assert pin(Partition.parse(output)).manifest.attempt == attempt  # readers see no change
    again = run(*command)
    assert again.returncode == 0, again.stderr[-3000:]
    assert content(output) == before
    assert pin(Partition.parse(output)).manifest.attempt != attempt
    attempts = (shop / "lake").glob(f"*/{output.partition('/')[2]}/attempts/*")
    assert all((folder / "_manifest.json").is_file() for folder in attempts)
