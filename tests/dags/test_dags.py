"""The DAGs as Airflow takes them: they import, are documented, owned, retried, pooled, and cheap to parse."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import BaseOperator

from dags.process import ROOT
from jobs.local.airflow_env import POOLS
from tests.dags.rendering import DAGS, FOLDER, unmapped

HEAVY = ("torch", "pyspark", "pandas", "numpy", "pyarrow", "great_expectations", "mlflow", "faiss")
MAX_IMPORT_S = 0.5


@pytest.fixture(scope="module")
def bag() -> DagBag:
    return DagBag(str(FOLDER))


def test_all_dags_import_and_there_are_no_others(bag: DagBag) -> None:
    assert bag.import_errors == {}
    assert set(bag.dags) == set(DAGS)
    # runner.py and the like are listed in .airflowignore: a scheduler that parses them wastes its time
    assert {Path(dag.fileloc).name for dag in bag.dags.values()} == {f"{name}.py" for name in DAGS}
    assert {Path(stat.file).name for stat in bag.dagbag_stats} == {f"{name}.py" for name in DAGS}


def test_the_readme_has_a_row_for_every_dag() -> None:
    table = (FOLDER / "README.md").read_text("utf-8").partition("**Day.**")[0]
    firsts = " ".join(re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE))
    assert sorted(re.findall(r"`(\w+)`", firsts)) == sorted(DAGS)


@pytest.mark.parametrize("dag_id", DAGS)
def test_the_docstring_is_the_runbook(bag: DagBag, dag_id: str) -> None:
    text = bag.dags[dag_id].doc_md or ""
    for part in ("**Reads**", "**Writes**", "**If red**"):
        assert part in text
    named = set(re.findall(r"`(\w+)`", text.partition("**If red**")[2]))
    assert named & {task.task_id for task in bag.dags[dag_id].tasks}, "it names tasks"


@pytest.mark.parametrize("dag_id", DAGS)
def test_every_dag_has_tags_one_of_them_a_tier_and_an_alert(bag: DagBag, dag_id: str) -> None:
    dag = bag.dags[dag_id]
    assert len([tag for tag in dag.tags if tag.startswith("tier-")]) == 1
    assert len(dag.tags) == 2
    assert dag.on_failure_callback
    # runs that wait are many, runs that work are one after another
    assert dag.max_active_runs <= (16 if dag.has_task("turn") else 3)
    assert not dag.catchup


@pytest.mark.parametrize("dag_id", DAGS)
def test_every_task_is_owned_retried_with_backoff_and_alerts(bag: DagBag, dag_id: str) -> None:
    for task in map(unmapped, bag.dags[dag_id].tasks):
        assert isinstance(task, BaseOperator)
        assert task.owner == "search"
        assert task.retries >= 1
        assert task.retry_exponential_backoff > 1
        assert task.max_retry_delay is not None
        assert task.execution_timeout is not None
        assert task.on_failure_callback


def test_every_pool_that_a_task_names_is_made(bag: DagBag) -> None:
    """A task of a pool that does not exist waits for ever."""
    named = {task.pool for dag in bag.dags.values() for task in dag.tasks}
    assert named - {"default_pool"} == set(POOLS)


def test_the_corridor_runs_one_way(bag: DagBag) -> None:
    """Ids in topological order; topological_sort raises on a cycle."""
    order = {dag_id: [task.task_id for task in bag.dags[dag_id].topological_sort()] for dag_id in DAGS}
    for before, after in (("queries", "pairs"), ("expect_tables", "queries"), ("expect_pairs", "announce")):
        assert order["pairs_daily"].index(before) < order["pairs_daily"].index(after)
    assert order["towers_weekly"][:8] == [
        "check",
        "wait",
        "towers_in_batch",
        "pin_in_batch",
        "negatives",
        "expect_negatives",
        "towers_star",
        "pin_star",
    ]
    for dag_id in ("towers_weekly", "index_nightly"):
        assert order[dag_id][-9:] == [
            "trained_index",
            "codes_0",
            "codes_1",
            "index",
            "rankings",
            "expect_rankings",
            "report",
            "approve",
            "promote",
        ]
        assert order[dag_id].index("expect_embeddings") < order[dag_id].index("trained_index")
    assert order["index_nightly"][:4] == ["check", "wait", "turn", "pin"]
    assert order["pairs_daily"][:3] == ["check", "wait", "turn"]


def test_only_a_checked_day_is_announced_and_only_a_judged_index_promoted(bag: DagBag) -> None:
    for dag_id, task_id, only in (
        ("pairs_daily", "announce", {"expect_pairs", "others"}),
        ("index_nightly", "approve", {"report"}),
        ("index_nightly", "promote", {"approve"}),
        ("towers_weekly", "promote", {"approve"}),
    ):
        task = bag.dags[dag_id].get_task(task_id)
        assert task.upstream_task_ids == only
        assert task.trigger_rule == "all_success"


def test_search_gets_its_day_though_sessions_or_numbers_of_items_fail(bag: DagBag) -> None:
    """They alert by themselves; the next day still waits until they have ended."""
    dag = bag.dags["pairs_daily"]
    others = dag.get_task("others")
    assert others.trigger_rule == "all_done" and others.upstream_task_ids == {"expect_sessions", "expect_features"}
    gated = {"items", "impressions", "click_counts", "queries", "propensities", "pairs", "qrels"}
    upstream = {task.task_id for task in dag.get_task("expect_pairs").get_flat_relatives(upstream=True)}
    assert gated <= upstream and not upstream & {"session_events", "item_features"}
    for dag_id in ("index_nightly", "towers_weekly", "refresh_towers"):
        waits = " ".join(bag.dags[dag_id].get_task("wait").argv)
        assert "qrels/ds=" in waits and "item_features" not in waits and "session_events" not in waits


def test_every_field_of_the_form_is_described_and_has_a_section(bag: DagBag) -> None:
    for dag in bag.dags.values():
        for name, param in dag.params.items():
            assert param.description, f"{dag.dag_id}.{name}"
            assert param.schema["section"], f"{dag.dag_id}.{name}"
            assert param.schema["type"], f"{dag.dag_id}.{name}"


@pytest.mark.parametrize("dag_id", DAGS)
def test_a_dag_file_is_short_and_imports_fast_and_light(dag_id: str) -> None:
    """Measured beyond Airflow itself, which takes a second or two of its own."""
    code = (
        "import sys, time, airflow.sdk, airflow.sdk.execution_time.context\n"
        "before = set(sys.modules); start = time.process_time()\n"
        f"import dags.{dag_id}\n"
        "taken = time.process_time() - start\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        f"sys.stdout.write(f\"{{taken}} {{' '.join(sorted(new & set({HEAVY!r})))}}\")"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    taken, *heavy = found.stdout.split()
    assert heavy == []
    assert float(taken) < MAX_IMPORT_S
    assert len((FOLDER / f"{dag_id}.py").read_text(encoding="utf-8").splitlines()) <= 120


def test_parsing_twice_gives_the_same_dag(bag: DagBag) -> None:
    """A value that differs at every parse (a time, a set's order) would make a new DAG version each time."""
    code = (
        "import sys, json, hashlib\n"
        "from airflow.dag_processing.dagbag import DagBag\n"
        "from airflow.serialization.serialized_objects import DagSerialization\n"
        f"bag = DagBag({str(FOLDER)!r})\n"
        "for dag_id, dag in sorted(bag.dags.items()):\n"
        "    text = json.dumps(DagSerialization.to_dict(dag), sort_keys=True, default=str)\n"
        "    sys.stdout.write('HASH ' + dag_id + hashlib.sha256(text.encode()).hexdigest() + '\\n')\n"
    )
    seen = set()
    for seed in ("1", "2"):
        found = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
        )
        seen.add("\n".join(line for line in found.stdout.splitlines() if line.startswith("HASH")))
    assert len(seen) == 1
    assert all(dag_id in seen.copy().pop() for dag_id in DAGS)
