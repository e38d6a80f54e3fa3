"""The rules of each table: read from great_expectations/rules/<table>.yaml, and derived from its declared columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from jobs.lake.columns import COLUMNS, column_rules
from jobs.quality.file_schema import ddl

RULES = Path(__file__).resolve().parents[2] / "great_expectations" / "rules"
SEVERITY = {"stop": "critical", "warn": "warning"}
SCHEMA = "expect_table_columns_to_match_ordered_list"
HISTORY = "expect_figure_to_be_near_its_history"
BINS = "expect_bins_to_be_as_in_their_history"
# stands for the figures of all reasons for which a row account says that rows were dropped
EACH_REASON = "dropped_frac *"
LEAST_DROPPED = 20  # rows; a share of a few late events says nothing


@dataclass(frozen=True)
class Rule:
    """One expectation of a table.

    text     the rule as a sentence; unique within the table
    kind     the expectation, such as expect_column_values_to_be_between
    on_fail  stop or warn
    why      what goes wrong when the rule is broken
    kwargs   the rule's other keys: column, min_value, days, ...
    """

    text: str
    kind: str
    on_fail: str
    why: str
    kwargs: Mapping[str, Any] = field(hash=False)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns whose values the rule names."""
        named = [self.kwargs.get(key) for key in ("column", "column_A", "column_B")]
        return (*(name for name in named if name), *self.kwargs.get("column_list", ()))

    @property
    def figures(self) -> tuple[str, ...]:
        """The figures that the rule names itself."""
        return tuple(self.kwargs[key] for key in ("figure", "other") if key in self.kwargs)


@dataclass(frozen=True)
class Rules:
    """All rules of a table. about: the table in a few sentences."""

    table: str
    about: str
    rules: tuple[Rule, ...]


# one-sided: in a shop's first weeks more and more queries become common, and fewer rows are dropped
REASONS = Rule(
    "no reason drops a larger share of rows than in the last 28 days",
    HISTORY,
    "warn",
    "the feed, a rule or the hashing secret changed: rows are lost one reason at a time, while every other rule passes",
    {"figure": EACH_REASON, "days": 28, "min_days": 3, "mads": 8, "floor": 0.03, "above_only": True},
)


def looks_back(limits: Mapping[str, Any], ago: int) -> bool:
    """True for a day so many days ago that a rule on history takes: within its `days`; with `weekday`, whole weeks alone."""
    return 1 <= ago <= limits.get("days", 28) and not (limits.get("weekday", False) and ago % 7)


def spread(rules: Sequence[Rule], figures: Mapping[str, float]) -> list[Rule]:
    """The rules, with one in place of REASONS for each reason that dropped a row and that no other rule names."""
    named = {figure for rule in rules for figure in rule.figures}
    reasons = sorted(name for name in figures.keys() - named if _dropped_rows(name, figures) >= LEAST_DROPPED)
    of_each = [
        replace(REASONS, text=f"{REASONS.text}: {name.partition(' ')[2]}", kwargs={**REASONS.kwargs, "figure": name})
        for name in reasons
    ]
    return [each for rule in rules for each in (of_each or [rule] if rule == REASONS else [rule])]


def _dropped_rows(name: str, figures: Mapping[str, float]) -> float:
    """Rows behind a figure of a reason, as in `dropped_frac log_lines malformed`; 0 of any other figure."""
    kind, unit, reason = [*name.split(" ", 2), "", ""][:3]
    return figures[name] * figures.get(f"rows_in {unit}", 0) if kind == "dropped_frac" and reason else 0


def has_rules(table: str) -> bool:
    """Whether somebody wrote rules for the table."""
    return _file(table).is_file()


def tables_with_rules() -> list[str]:
    """Tables with rules, in the order in which the pipeline makes them."""
    return [table for table in COLUMNS if has_rules(table)]


@cache
def rules_of(table: str) -> Rules:
    """The rules of a table: those of its columns first, then its file's.

    Raises:
        ValueError: a rule has no sentence, no expectation, or not exactly one of stop and warn.
    """
    written = yaml.safe_load(_file(table).read_text("utf-8"))
    keys = [*column_rules(table), *written["rules"]]
    rules = (schema_rule(COLUMNS[table]), *(_rule(table, dict(rule)) for rule in keys), REASONS)
    return Rules(table, written["about"].strip(), rules)


def schema_rule(columns: Mapping[str, str]) -> Rule:
    """The rule that the files have these columns. columns: name -> type in Spark SQL, in order."""
    why = "every reader downstream takes them for granted; a changed column is a new version of the table"
    return Rule(f"columns and types are {ddl(columns)}", SCHEMA, "stop", why, {"columns": dict(columns)})


def _file(table: str) -> Path:
    return RULES / f"{table}.yaml"


def _rule(table: str, keys: dict[str, Any]) -> Rule:
    severities = keys.keys() & SEVERITY.keys()
    if not {"rule", "expect"} <= keys.keys() or len(severities) != 1:
        raise ValueError(
            f"{_file(table).name}: found a rule with the keys {', '.join(keys)}; "
            "expected rule, expect, and one of stop and warn"
        )
    text, kind, on_fail = keys.pop("rule"), keys.pop("expect"), severities.pop()
    return Rule(text, f"expect_{kind}", on_fail, keys.pop(on_fail), keys)
