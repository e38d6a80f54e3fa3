"""Alerts as lines, and the menu of Airflow."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from dags.alerts import MAX_CHARS, Alert
from dags.process import ROOT


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
