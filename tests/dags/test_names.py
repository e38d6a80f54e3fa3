"""Names that only a string holds: a command that was renamed would leave its pool, or the gate, without an error."""

from __future__ import annotations

import ast
import importlib.util
import re

import pytest

from dags import runner
from dags.process import ROOT
from jobs.evaluation.room import RECOMMENDATIONS, RERANKING, ROOMS, SEARCH
from jobs.ingest.repair import DAILY
from jobs.lake.commands import COMMANDS, is_command, module_of
from jobs.lake.partitions import TABLES
from tests.dags.conftest import GOLDEN
from tests.dags.rendering import DAGS, load, unmapped

# tables with rules that the gate of search does not look at: towers were judged when they were made, and recommendations
# are made of the others
OF_SESSIONS = {"item_events", "session_events", "holdout_sessions", "holdout_queries", "holdout_qrels"}
RECOMMENDED = {"session_items", "co_occurrences", "item_neighbours", "user_recommendations"}
NOT_AT_THE_GATE = {"negatives", "unclicked", *OF_SESSIONS, *RECOMMENDED}
# tables that another room's gate looks at
OF_OTHER_ROOMS = {"item_features", "listings"}


def calls(command: str) -> set[str]:
    """Names of the functions that a command's own file calls."""
    body = ast.parse((ROOT / f"{module_of(command).replace('.', '/')}.py").read_text("utf-8"))
    return {node.func.id for node in ast.walk(body) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}


@pytest.mark.parametrize("name", sorted({*runner.SPARK_JOBS, *runner.GPU_JOBS.split(","), *runner.SHARED}))
def test_what_the_runner_names_is_a_command(name: str) -> None:
    assert is_command(name)


def test_every_command_of_a_dag_that_starts_spark_runs_in_its_pool() -> None:
    run = {task.argv[3] for dag_id in DAGS for task in map(unmapped, load(dag_id).tasks) if hasattr(task, "argv")}
    assert {"pairs", "items", "towers", "report"} <= run
    # `expect` counts by Spark beyond 100,000,000 rows alone
    assert {command for command in run if "spark_session" in calls(command)} == set(runner.SPARK_JOBS)


def test_every_command_that_trains_or_encodes_runs_in_the_pool_of_the_gpu() -> None:
    """All of the rooms towers/ and embeddings/; `tower_metrics` and `ensemble` are run by hand or by a sweep, never by a DAG."""
    assert {*COMMANDS["towers"], *COMMANDS["embeddings"]} - {"tower_metrics", "ensemble"} == set(
        runner.GPU_JOBS.split(",")
    )
    pools = {command: runner.pool_of(command) for command in ("towers", "pairs", "report")}
    assert pools == {"towers": "gpu", "pairs": "spark", "report": "default_pool"}


def test_the_setting_for_gpus_refuses_what_is_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """`pretrain` and `quantiser` are former names: a setting that still has them would take these jobs off the GPU."""
    monkeypatch.setenv("NIGHTSHELF_GPU_JOBS", "pretrain,towers,quantiser")
    with pytest.raises(ValueError, match="NIGHTSHELF_GPU_JOBS: pretrain, quantiser is no command"):
        runner.on_gpu("towers")
    monkeypatch.setenv("NIGHTSHELF_GPU_JOBS", " towers, codes")
    assert runner.on_gpu("codes") and not runner.on_gpu("negatives")


def test_the_gate_looks_at_every_table_that_has_rules() -> None:
    for room in ROOMS.values():
        assert set(room.input_tables) <= set(TABLES), room.name
    ruled = {path.stem for path in (ROOT / "great_expectations" / "rules").glob("*.yaml")}
    assert set(SEARCH.input_tables) == ruled - NOT_AT_THE_GATE - OF_OTHER_ROOMS
    assert set(RERANKING.input_tables) >= OF_OTHER_ROOMS
    # what lists are made of and judged by; lists for clients are made beside them
    judged = {*OF_SESSIONS, *RECOMMENDED} - {"item_events", "session_events", "user_recommendations"}
    assert set(RECOMMENDATIONS.input_tables) >= judged


def test_a_repaired_day_is_traced_through_every_table_that_its_dag_makes() -> None:
    """`replay` names the later days that were made of the day's tables; a table that it did not know would hide some."""
    text = (GOLDEN / "local" / "pairs_daily.txt").read_text("utf-8")
    made = set(re.findall(r"(\w+)/ds=", text)) - {"catalogue", "log", "labels", "items"}
    assert {"impressions", "pairs"} <= made <= {table.name for table in DAILY}


def test_the_launcher_of_spark_submit_and_of_executors_are_files_of_the_repository() -> None:
    assert (ROOT / runner.LAUNCHER).is_file()
    assert importlib.util.find_spec("jobs.towers.spark_launcher") is not None
