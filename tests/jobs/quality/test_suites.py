"""Every suite accepts its good rows, and each expectation notices the one thing that it is there for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobs.quality import suites
from jobs.quality.precomputed_engine import Batch
from jobs.quality.run_suite import PROJECT, QUIET, check, count, project
from tests.jobs.quality.suite_cases import NAMES, Case, cases, expectations, of_figures, outside, put, rules

if TYPE_CHECKING:
    from great_expectations.data_context.data_context.abstract_data_context import AbstractDataContext


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> AbstractDataContext:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTSHELF_HOME", str(tmp_path_factory.mktemp("home")))
        return project()


@pytest.mark.parametrize("table", NAMES)
def test_good_rows_pass(lake: Path, context: AbstractDataContext, table: str) -> None:
    outcome = check(context, put(table, {}), spark_rows=1_000_000)
    assert [str(finding) for finding in outcome.failed()] == []
    assert outcome.verdict == "pass"
    assert len(outcome.findings) == len(rules(table))


@pytest.mark.parametrize(
    ("table", "case"),
    [pytest.param(table, case, id=f"{table}-{number}") for table in NAMES for number, case in enumerate(cases(table))],
)
def test_each_expectation_notices_its_case(lake: Path, context: AbstractDataContext, table: str, case: Case) -> None:
    pinned = put(table, case)
    rule = next(
        rule for rule in context.suites.get(table).expectations if (rule.description or "").startswith(case["rule"])
    )

    figures = count(pinned, [rule.configuration.to_json_dict()], "arrow")
    asset = context.data_sources.get("counted").get_asset(table)
    batch = asset.get_batch_definition("partition").get_batch({"dataframe": Batch(figures).frame()})
    result = batch.validate(rule, result_format=QUIET)
    assert not result.success
    assert not result.exception_info["raised_exception"], result.exception_info


def judged(context: AbstractDataContext, table: str, description: str, batch: Batch) -> bool:
    """What Great Expectations says of one expectation."""
    rule = next(r for r in context.suites.get(table).expectations if r.description == description)
    asset = context.data_sources.get("counted").get_asset(table)
    given = asset.get_batch_definition("partition").get_batch({"dataframe": batch.frame()})
    result = given.validate(rule, result_format=QUIET)
    assert not result.exception_info["raised_exception"], result.exception_info
    return bool(result.success)


@pytest.mark.parametrize("table", NAMES)
def test_each_expectation_of_a_figure_has_its_limits(context: AbstractDataContext, table: str) -> None:
    for one in filter(of_figures, expectations(table)):
        batch = outside(one)
        assert not judged(context, table, one["description"], batch), one
        if batch.history:  # the same figures, with nothing to compare them with
            assert judged(context, table, one["description"], Batch(batch.figures)), one
            usual = Batch(batch.history[0][1], batch.history)
            assert judged(context, table, one["description"], usual), one


@pytest.mark.parametrize("table", NAMES)
def test_no_expectation_is_without_a_case(table: str) -> None:
    said = [case["rule"] for case in cases(table)]
    of_rows = [one["description"] for one in expectations(table) if not of_figures(one)]
    assert [rule for rule in of_rows if not any(rule.startswith(word) for word in said)] == []
    assert [word for word in said if not any(rule.startswith(word) for rule in rules(table))] == []


@pytest.mark.parametrize("table", NAMES)
def test_every_expectation_has_its_reason_and_weight(table: str) -> None:
    suite = json.loads((PROJECT / "expectations" / f"{table}.json").read_text("utf-8"))
    for expectation in suite["expectations"]:
        weight = expectation["meta"]["on_fail"]
        assert expectation["severity"] == {"stop": "critical", "warn": "warning"}[weight]
        assert len(expectation["meta"]["why"]) > 10


def test_the_committed_project_is_what_its_rules_make() -> None:
    for name, text in suites.project_files().items():
        assert (PROJECT / name).read_text("utf-8") == text, f"{name}: run python -m jobs suites"
