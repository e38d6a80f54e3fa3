"""The day's DAG on a cluster: one Airflow connection more, and the same partitions, though a worker dies in the middle."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dags.operators import SPARK_CONN
from jobs.lake.partitions import Partition
from jobs.lake.read import pin
from jobs.local.airflow_env import ROOT, airflow, airflow_env, prepare
from tests.dags.rendering import load, rendered
from tests.dags.spark_cluster import Cluster, spark_cluster

DS = "2026-01-31"
SHOP = f"""
marketplace --catalogue catalogue/ds={DS} --labels labels/ds={DS} --items 600 --queries 300
simulate --labels labels/ds={DS} --catalogue catalogue/ds={DS} --log log/ds={DS} --simulated_truth simulated_truth/ds={DS} --searches 1500
"""
# JVMs that live for a few seconds never earn back their second compiler
CONF = """
spark.executor.memory 900m
spark.executor.extraJavaOptions -XX:TieredStopAtLevel=1
spark.driver.extraJavaOptions -XX:TieredStopAtLevel=1
"""
FORM = {"ds": DS, "labels_ds": DS, "min_searchers": 2}
JOBS_ON_SPARK = ("items", "impressions", "click_counts", "propensities", "queries", "pairs", "qrels")
MADE = (
    "items",
    "impressions",
    "late_impressions",
    "click_counts",
    "query_counts",
    "propensities",
    "queries",
    "pairs",
    "qrels",
)
# judged on this machine under every runner, so their time would prove nothing here
CHECKS = ("expect_tables", "expect_daily", "expect_pairs")
# lz4 files of searches stand, their sessions and robots are looked for: the middle of a job of some ten shuffles
MIDDLE = f"impressions_v1/ds={DS}/attempts/*/_tables/searches/*.parquet"


@pytest.mark.slow
@pytest.mark.spark
def test_another_connection_and_the_same_partitions_though_a_worker_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NIGHTSHELF_SPARK_MASTER", "NIGHTSHELF_WARM_SPARK", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NIGHTSHELF_SALT", "the same for both")
    monkeypatch.setenv("NIGHTSHELF_HOME", str(tmp_path / "var"))
    alone, cluster_lake = tmp_path / "alone", tmp_path / "cluster"
    monkeypatch.setenv("NIGHTSHELF_LAKE", str(alone))
    _batch(SHOP)
    shutil.copytree(alone, cluster_lake)
    _batch("\n".join(_commands()))
    expected = {table: _made(table) for table in MADE}

    monkeypatch.setenv("NIGHTSHELF_LAKE", str(cluster_lake))
    conf = tmp_path / "conf"
    conf.mkdir()
    (conf / "spark-defaults.conf").write_text(CONF, "utf-8")
    with spark_cluster(tmp_path / "spark") as cluster:
        struck = threading.Event()
        blow = threading.Thread(target=_strike, args=(cluster, cluster_lake, struck), daemon=True)
        blow.start()
        connection = {"conn_type": "spark", "host": "spark://127.0.0.1", "port": cluster.port}
        _day(
            {
                f"AIRFLOW_CONN_{SPARK_CONN.upper()}": json.dumps(connection),
                "SPARK_CONF_DIR": str(conf),
                "SPARK_LOCAL_IP": "127.0.0.1",
            }
        )
        state = cluster.state()
    assert struck.is_set(), "the job was done before its worker died"
    assert state["aliveworkers"] == 1
    # each Spark job of the day ran there, and the one that lost a worker did not begin anew
    ran = [app["name"] for app in state["completedapps"]]
    assert sorted(set(ran)) == sorted(f"nightshelf {one}" for one in JOBS_ON_SPARK), ran
    assert len(list(cluster_lake.glob(f"impressions_v1/ds={DS}/attempts/*"))) == 1
    assert {table: _made(table) for table in MADE} == expected


def _batch(lines: str) -> None:
    command = [sys.executable, "-m", "jobs", "batch", "--commands", "-"]
    subprocess.run(command, input=lines, cwd=ROOT, text=True, check=True)


def _commands() -> list[str]:
    """The commands of the DAG's tasks, for one process on local[*]."""
    tasks = load("pairs_daily").topological_sort()
    filled = [rendered(task, FORM) for task in tasks]
    words = [one.argv[3:] for one in filled if type(one).__name__ == "JobOperator" and one.task_id not in CHECKS]
    return [shlex.join(command) for command in words]


def _day(more: dict[str, str]) -> None:
    """`airflow dags test pairs_daily`, with one Airflow of this machine."""
    env = airflow_env() | more
    prepare(env)
    words = airflow("dags", "test", "pairs_daily", "--conf", json.dumps(FORM))
    words += ["--mark-success-pattern", "|".join(CHECKS)]
    done = subprocess.run(words, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr)[-6000:]
    assert done.returncode == 0 and "state=success" in said, said


def _strike(cluster: Cluster, lake: Path, struck: threading.Event) -> None:
    while not list(lake.glob(MIDDLE)):
        if struck.wait(0.05):
            return
    cluster.strike()
    struck.set()


def _made(table: str) -> tuple[str, object]:
    """A partition's content hash and its account of rows."""
    manifest = pin(Partition.parse(f"{table}/ds={DS}")).manifest
    return manifest.content_sha256, manifest.accounting
