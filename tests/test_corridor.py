"""The corridor once, small, by jobs/local/nightly.sh; then commands are killed and run again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.lake.alias import CHAMPION, pin_alias
from jobs.lake.partitions import Partition
from jobs.lake.read import pin, read_table
from jobs.platform.tracking import client

ROOT = Path(__file__).resolve().parent.parent
DAY = "ds=2026-01-31"
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
    """A lake that all tests of this file share: each takes it up where the one before left it."""
    root = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTSHELF_LAKE", str(root / "lake"))
        patch.setenv("NIGHTSHELF_HOME", str(root / "var"))
        patch.setenv("OMP_NUM_THREADS", "2")  # threads may not race either
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.delenv("NIGHTSHELF_WARM_SPARK", raising=False)
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
    done = run(str(ROOT / "jobs/local/nightly.sh"), **SMALL)
    assert done.returncode == 0, done.stderr[-3000:]
    promoted = json.loads(done.stdout.splitlines()[-1])["jobs"][-1]
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
