"""Alerts as lines, and the menu of Airflow."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from dags import operators
from dags.alerts import MAX_CHARS, Alert
from dags.process import ROOT, JobProcess


def test_a_failure_is_one_line_with_all_that_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTSHELF_HOME", str(tmp_path / "var"))
    context = {
        "dag_run": SimpleNamespace(dag_id="pairs_daily", run_id="r", partition_key="2026-01-31"),
        "task_instance": SimpleNamespace(task_id="pairs", try_number=3, log_url="http://x"),
        "exception": ValueError('0 rows\nof "5" ' + "x" * 9_999),
    }
    Alert()(context)
    Alert()({"dag_run": context["dag_run"], "reason": "timed out"})
    lines = (tmp_path / "var" / "alerts.jsonl").read_text(encoding="utf-8").splitlines()
    first, second = map(json.loads, lines)
    assert (first["dag"], first["task"], first["try_number"]) == ("pairs_daily", "pairs", 3)
    assert first["partition_key"] == "2026-01-31"
    assert first["reason"].startswith('0 rows\nof "5"') and len(first["reason"]) == MAX_CHARS
    assert (second["task"], second["reason"]) == (None, "timed out")


def test_the_menu_links_what_is_there_and_nothing_else() -> None:
    path = ROOT / "dags" / "plugins" / "nightshelf_views.py"
    spec = importlib.util.spec_from_file_location("nightshelf_views", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.views("", "") == []
    found = module.views("http://localhost:8090", "http://localhost:5000")
    assert [view["name"] for view in found] == ["Reports", "Data Docs", "MLflow"]
    assert found[1]["href"] == "http://localhost:8090/data_docs/index.html"
    assert len({view.get("url_route", view["name"]) for view in found}) == 3


def test_what_a_job_wants_to_be_told_is_a_line_that_did_not_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTSHELF_HOME", str(tmp_path / "var"))
    code = "import json; print(json.dumps({'alerts': ['R@60 fell', 'too old'], 'verdict': 'pass'}))"
    task = operators.JobOperator(task_id="report", argv=["python", "-c", code])
    context = {
        "dag_run": SimpleNamespace(dag_id="index_nightly", run_id="r", partition_key="2026-01-31"),
        "task_instance": SimpleNamespace(task_id="report", try_number=1, log_url="http://x"),
        "ti": SimpleNamespace(dag_id="index_nightly", task_id="report", run_id="r", try_number=1),
    }
    monkeypatch.setattr(operators, "_process", lambda argv, _: JobProcess(argv, {}))
    assert task.execute(context)["verdict"] == "pass"
    lines = (tmp_path / "var" / "alerts.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["reason"] for line in lines] == ["R@60 fell", "too old"]
    assert json.loads(lines[0])["failed"] is False
