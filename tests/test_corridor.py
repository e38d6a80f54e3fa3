"""The whole house once, small: from a made-up shop to a served index; then jobs are killed and run again."""

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
TABLES = f"--pairs pairs/{DAY} --queries queries/{DAY} --items items/{DAY}"
TRAIN = f"towers {TABLES} --preset small --epochs 2 --batch_size 128 --lr 0.01 --checkpoint_s 0"
FRONT = [
    f"marketplace --catalogue catalogue/{DAY} --labels labels/{DAY} --items 600 --queries 300",
    f"simulate --labels labels/{DAY} --catalogue catalogue/{DAY} --log log/{DAY} --simulated_truth simulated_truth/{DAY} --searches 1500",
    f"items --catalogue catalogue/{DAY} --items items/{DAY}",
    f"impressions --log log/{DAY} --impressions impressions/{DAY} --min_searchers 2",
    f"click_counts --impressions impressions/{DAY} --late_impressions late_impressions/{DAY} --items items/{DAY} --click_counts click_counts/{DAY} --query_counts query_counts/{DAY}",
    f"propensities --click_counts click_counts/{DAY} --propensities propensities/{DAY}",
    f"queries --query_counts query_counts/{DAY} --labels labels/{DAY} --queries queries/{DAY}",
    f"pairs --click_counts click_counts/{DAY} --propensities propensities/{DAY} {TABLES}",
    f"qrels --click_counts click_counts/{DAY} --queries queries/{DAY} --items items/{DAY} --labels labels/{DAY} --qrels qrels/{DAY}",
    f"expect --partitions items/{DAY},impressions/{DAY},queries/{DAY},pairs/{DAY},qrels/{DAY}",
]


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


def batch(*lines: str) -> list[dict[str, object]]:
    """Run the commands as a person would, in one process; what each printed."""
    command = [sys.executable, "-m", "jobs", "batch", "--commands", "-"]
    done = subprocess.run(command, input="\n".join(lines), cwd=ROOT, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found: list[dict[str, object]] = json.loads(done.stdout.splitlines()[-1])["jobs"]
    return found


def killed(line: str, fault: str) -> None:
    name, *argv = line.split()
    env = {**os.environ, "NIGHTSHELF_FAULT": fault}
    done = subprocess.run(
        [sys.executable, "-m", "jobs", name, *argv], cwd=ROOT, env=env, capture_output=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]


def content(partition: str) -> str:
    return pin(Partition.parse(partition)).manifest.content_sha256


@pytest.mark.slow
@pytest.mark.spark
def test_a_log_becomes_a_served_index(shop: Path) -> None:
    batch(*FRONT)
    step1, *_ = batch(f"{TRAIN} --towers towers/{DAY}/step=in_batch")
    space1 = step1["space_id"]
    *_, step2 = batch(
        f"negatives --towers towers/{DAY}/step=in_batch {TABLES} --negatives negatives/{DAY}/space={space1}",
        f"{TRAIN} --start towers/{DAY}/step=in_batch --negatives negatives/{DAY}/space={space1} --towers towers/{DAY}/step=star",
    )
    at = f"{DAY}/space={step2['space_id']}"
    judged = f"--queries queries/{DAY} --qrels qrels/{DAY} --items items/{DAY}"
    *_, promoted = batch(
        f"embeddings --items items/{DAY} --towers towers/{DAY}/step=star --embeddings embeddings/{at}/shard=0of2",
        f"embeddings --items items/{DAY} --towers towers/{DAY}/step=star --embeddings embeddings/{at}/shard=1of2",
        f"trained_index --embeddings embeddings/{at}/shard=0of2 --towers towers/{DAY}/step=star --trained_index trained_index/{at} --queries queries/{DAY} --qrels qrels/{DAY}",
        *(
            f"codes --embeddings embeddings/{at}/shard={one}of2 --trained_index trained_index/{at} --codes codes/{at}/shard={one}of2"
            for one in (0, 1)
        ),
        f"index --codes codes/{at}/shard=0of2 --trained_index trained_index/{at} --embeddings embeddings/{at}/shard=0of2 --towers towers/{DAY}/step=star --index index/{at} {judged}",
        f"rankings --index index/{at} --rankings rankings/{at} {judged}",
        f"report --rankings rankings/{at} --index index/{at} --report report/{at} {judged} --second impressions/{DAY}",
        f"expect --partitions embeddings/{at}/shard=0of2,rankings/{at},negatives/{DAY}/space={space1}",
        f"verify --index index/{at}",
        f"promote --report report/{at}",
    )
    assert promoted["promoted"] is True
    assert str(pin_alias(CHAMPION).partition) == f"index/{at}"
    summary = json.loads(pin(Partition.parse(f"report/{at}")).path("summary.json").read_text("utf-8"))
    aliases = client().get_registered_model("search").aliases
    assert aliases["champion"] == aliases["challenger"], "judged last, and promoted"
    assert summary["second_view"]["queries"] > 10, "what was clicked, beside what people judged"
    assert {(one["query_seen"], one["item_seen"]) for one in summary["cells"]} >= {(False, True), (True, True)}
    # far above chance, which finds 60 of 600 items: 0.1
    assert {arm: found["R@60"] > 0.3 for arm, found in summary["measures"].items()} == {
        arm: True for arm in ("dense", "sparse", "hybrid", "hybrid_rrf", "hybrid_minmax", "hybrid_zscore")
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
    ("line", "output", "fault"),
    [
        (FRONT[3], f"impressions/{DAY}", "publish.files_written"),  # Spark has written all its files
        (FRONT[7], f"pairs/{DAY}", "publish.before_pointer"),  # the manifest stands, nothing points at it
        (f"{TRAIN} --towers towers/{DAY}/step=in_batch", f"towers/{DAY}/step=in_batch", "towers.step:5"),
    ],
)
def test_a_job_killed_in_the_middle_and_run_again_makes_the_same(
    shop: Path, line: str, output: str, fault: str
) -> None:
    before, attempt = content(output), pin(Partition.parse(output)).manifest.attempt
    killed(line, fault)
    assert pin(Partition.parse(output)).manifest.attempt == attempt  # readers see no change
    batch(line)
    assert content(output) == before
    assert pin(Partition.parse(output)).manifest.attempt != attempt
    attempts = (shop / "lake").glob(f"*/{output.partition('/')[2]}/attempts/*")
    assert all((folder / "_manifest.json").is_file() for folder in attempts)
