"""Fixtures of the whole house."""

from __future__ import annotations

import os

# the last bits of a sum follow from the number of threads: the same here and in the jobs that tests start
os.environ["OMP_NUM_THREADS"] = "1"
# two workers share two cores: the JVM's second compiler would take twice the time that it saves on small data
os.environ["JDK_JAVA_OPTIONS"] = "-XX:TieredStopAtLevel=1"

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobs.lake.partitions import Partition
from jobs.lake.publish import publish
from jobs.platform.tracking import client

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


# files that take minutes, and start no JVM or carry no mark for it
LONG = ("test_serving.py", "test_hybrid.py", "test_embed.py", "test_codes.py", "test_train.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, the corridor before all: no worker is then left alone with the last one."""
    long = {item.path for item in items if item.get_closest_marker("slow") or item.get_closest_marker("spark")}
    items.sort(key=lambda item: item.path not in long and item.path.name not in LONG)
    items.sort(key=lambda item: item.path.name != "test_corridor.py")


@pytest.fixture(scope="session")
def mlflow_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow store: its tables take MLflow two seconds, which a copy saves each test."""
    home = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTSHELF_HOME", str(home))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        client()
    os.environ.pop("MLFLOW_TRACKING_URI", None)  # MLflow keeps the store's address there
    return home / "mlflow.db"


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mlflow_store: Path) -> Path:
    """An empty lake, and a home with nothing but an empty MLflow store, named by the environment as on any machine."""
    root, home = tmp_path / "lake", tmp_path / "var"
    home.mkdir()
    shutil.copy(mlflow_store, home)
    monkeypatch.setenv("NIGHTSHELF_LAKE", str(root))
    monkeypatch.setenv("NIGHTSHELF_HOME", str(home))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return root


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """One warm session for all tests of a process; the jobs under test use it and leave it open."""
    from jobs.platform.spark import spark_session

    os.environ["NIGHTSHELF_WARM_SPARK"] = "1"
    with spark_session("tests") as session:
        # small data is read faster by Spark's interpreter than code is made for it
        session.conf.set("spark.sql.codegen.wholeStage", "false")
        session.conf.set("spark.sql.codegen.factoryMode", "NO_CODEGEN")
        yield session
        del os.environ["NIGHTSHELF_WARM_SPARK"]


@dataclass(frozen=True)
class Delivery:
    """The arguments of no job: somebody put files there."""

    to: Partition


@pytest.fixture
def deliver(lake: Path) -> Callable[[str, dict[str, bytes]], Partition]:
    """Publish raw files as a partition: deliver("log/ds=2026-01-31", {"a.ndjson": b"..."})."""

    def put(partition: str, files: dict[str, bytes]) -> Partition:
        to = Partition.parse(partition)
        with publish(to, Delivery(to)) as out:
            for name, data in files.items():
                (out.folder / name).write_bytes(data)
        return to

    return put
