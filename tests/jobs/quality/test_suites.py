"""Every table's rules accept its good rows, and each rule notices the one fault that it is there for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from jobs.lake.columns import COLUMNS, Column, column_rules
from jobs.quality import data_docs, suites
from jobs.quality import rules as rule_files
from jobs.quality.judge import Figures, History, expected_range, judge
from jobs.quality.rules import Rule, Rules, rules_of, schema_rule, tables_with_rules
from jobs.quality.run_suite import check, count
from tests.jobs.quality.suite_cases import NAMES, Case, cases, of_figures, outside, put, rules


def judged(table: str, rule: Rule, figures: Figures, history: History = ()) -> bool:
    """Great Expectations' verdict on one rule; what it was not given it must not fail."""
    expected = expected_range(rule, {"rows": 0, **figures}, history)
    result, (success,) = judge(table, [expected])
    assert all(not one.exception_info["raised_exception"] for one in result.results)
    assert len(result.results) == expected.applies
    return success


@pytest.mark.parametrize("table", NAMES)
def test_good_rows_pass(lake: Path, table: str) -> None:
    result = check(put(table, {}), spark_rows=1_000_000)
    assert [str(finding) for finding in result.failed()] == []
    assert result.verdict == "pass"
    assert len(result.findings) == len(rules(table))


@pytest.mark.parametrize(
    ("table", "case"),
    [pytest.param(table, case, id=f"{table}-{number}") for table in NAMES for number, case in enumerate(cases(table))],
)
def test_each_rule_notices_its_case(lake: Path, table: str, case: Case) -> None:
    rule = next(rule for rule in rules(table) if rule.text.startswith(case["rule"]))
    figures = count(put(table, case), [rule], "arrow")
    assert expected_range(rule, figures).value is not None
    assert not judged(table, rule, figures)


@pytest.mark.parametrize("table", NAMES)
def test_each_rule_on_a_figure_has_its_limits(table: str) -> None:
    for rule in filter(of_figures, rules(table)):
        figures, history = outside(rule)
        assert not judged(table, rule, figures, history), rule
        assert "rows" in figures or judged(table, rule, {}, history), rule  # nobody stated the figure
        if history:  # the same figures, with nothing to compare them with; then those of an earlier day
            assert judged(table, rule, figures), rule
            assert judged(table, rule, history[0][1], history), rule


@pytest.mark.parametrize("table", NAMES)
def test_no_rule_is_without_a_case(table: str) -> None:
    texts = [case["rule"] for case in cases(table)]
    # rules of declared columns are tested once for all tables
    declared = {rule["rule"] for rule in column_rules(table)}
    of_rows = [rule.text for rule in rules(table) if not of_figures(rule) and rule.text not in declared]
    assert [rule for rule in of_rows if not any(rule.startswith(text) for text in texts)] == []
    assert [text for text in texts if not any(rule.text.startswith(text) for rule in rules(table))] == []


@pytest.mark.parametrize("on_fail", ["stop", "warn"])
def test_great_expectations_is_given_the_severity(on_fail: str) -> None:
    rule = Rule("few rows", "expect_table_row_count_to_be_between", on_fail, "a reason", {"max_value": 1})
    result, _ = judge("pairs", [expected_range(rule, {"rows": 2})])
    assert result.get_max_severity_failure() == {"stop": "critical", "warn": "warning"}[on_fail]
    (one,) = result.results
    assert one.result["observed_value"] == 2


def test_a_share_of_rows_may_break_a_rule_that_says_mostly() -> None:
    limits = {"column": "position", "max_value": 9, "mostly": 0.9}
    rule = Rule("few", "expect_column_values_to_be_between", "warn", "a reason", limits)
    name = 'column_values.between position {"max_value": 9.0}'
    for rows, nulls, wrong, passes in ((10, 0, 1, True), (10, 0, 2, False), (20, 10, 1, True), (19, 10, 1, False)):
        figures = {"rows": rows, "null position": nulls, name: wrong}
        assert judged("pairs", rule, figures) == passes, figures


def test_rules_that_read_one_figure_are_judged_each_by_its_own_limits() -> None:
    rules = [
        Rule(f"at most {most}", "expect_figure_to_be_between", "warn", "why", {"figure": "rows", "max_value": most})
        for most in (1, 3)
    ]
    assert judge("pairs", [expected_range(rule, {"rows": 2}) for rule in rules])[1] == [False, True]


def test_great_expectations_is_not_changed_for_the_rest_of_the_process() -> None:
    import great_expectations as gx
    import pandas as pd
    from great_expectations.expectations import ExpectColumnMaxToBeBetween

    judge("pairs", [expected_range(rules("pairs")[1], {"rows": 1})])
    assert not [name for name in sys.modules if name.startswith("great_expectations") and "nightshelf" in name]
    context = gx.get_context(mode="ephemeral")
    batch = context.data_sources.add_pandas("x").add_dataframe_asset("y").add_batch_definition_whole_dataframe("z")
    frame = pd.DataFrame({"a": [1, 5]})
    result = batch.get_batch({"dataframe": frame}).validate(ExpectColumnMaxToBeBetween(column="a", max_value=5))
    assert result.success and result.result["observed_value"] == 5


def test_declared_columns_become_the_first_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = schema_rule({"item_id": "STRING", "price": "DOUBLE"})
    assert (rule.text, rule.on_fail) == ("columns and types are item_id STRING, price DOUBLE", "stop")
    assert rules_of("pairs").rules[0] == schema_rule(COLUMNS["pairs"])
    declared = Column.parse("clicks INT NOT NULL CHECK (>= 0)")
    monkeypatch.setattr(rule_files, "column_rules", lambda table: declared.rules())
    found = rule_files.rules_of.__wrapped__("pairs").rules
    assert [rule.text for rule in found[1:3]] == ["clicks is never NULL", "clicks is 0 or more"]
    assert [rule.columns for rule in found[1:3]] == [("clicks",), ("clicks",)]


def test_the_rules_have_pages_without_any_data(lake: Path) -> None:
    assert suites.main(suites.Args())["pages"] == [
        str(data_docs.site() / "expectations" / f"{table}.html") for table in sorted(NAMES)
    ]
    assert tables_with_rules() == list(NAMES)
    page = (data_docs.site() / "expectations" / "pairs.html").read_text("utf-8")
    assert "a zero weight silently drops the pair from the loss" in page


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{rule: x, expect: table_row_count_to_be_between, min_value: 1}", "expected rule, expect, and one of stop"),
        ("{rule: x, warn: y, stop: y, expect: z}", "expected rule, expect, and one of stop"),
        ("{rule: x, warn: y, expect: column_values_to_be_nice, column: clicks}", "unknown expectation"),
        ("{rule: x, warn: y, expect: column_values_to_not_be_null, column: cliks}", "found the column cliks"),
        ("{rule: x, warn: y, expect: figure_to_be_between, figure: mean cliks, max_value: 1}", "the column cliks"),
    ],
)
def test_a_rule_that_cannot_be_judged_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    (tmp_path / "pairs.yaml").write_text(f"about: pairs\nrules:\n  - {text}\n")
    monkeypatch.setattr(rule_files, "RULES", tmp_path)
    with pytest.raises(ValueError, match=message):
        suites.check_rules(rule_files.rules_of.__wrapped__("pairs"))


def test_two_rules_with_one_sentence_are_refused() -> None:
    rule = Rule("few", "expect_table_row_count_to_be_between", "warn", "why", {"max_value": 1})
    with pytest.raises(ValueError, match="more than one rule 'few'"):
        suites.check_rules(Rules("pairs", "", (rule, rule)))
