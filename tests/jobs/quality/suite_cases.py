"""The cases of tests/suites/<table>/: rows that pass, and one spoiled thing for each expectation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from jobs.lake.arrow_schema import arrow_schema
from jobs.lake.columns import COLUMNS
from jobs.lake.partitions import TABLES, Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.quality.judge import Figures, History
from jobs.quality.rules import Rule, rules_of

SUITES = Path(__file__).resolve().parents[2] / "suites"
NAMES = tuple(table for table in COLUMNS if (SUITES / table).is_dir())
VALUES = {"method": "hybrid", "ds": "2026-01-31", "space": "0123456789abcdef", "shard": "0of1"}
Case = dict[str, Any]
AGO = {True: (7, 14, 21), False: (1, 2, 3)}  # days of history: of the same weekday, or the last ones


@dataclass(frozen=True)
class Args:
    """note  what is published, so that attempts differ in their manifest"""

    note: str = ""


def partition(table: str) -> Partition:
    return TABLES[table].at(**{key: VALUES[key] for key in TABLES[table].keys})


def cases(table: str) -> list[Case]:
    return yaml.safe_load((SUITES / table / "bad.yaml").read_text("utf-8"))


def rules(table: str) -> tuple[Rule, ...]:
    return rules_of(table).rules


def of_figures(rule: Rule) -> bool:
    """True for a rule on a named figure instead of rows: its case follows from its own limits."""
    return bool(rule.figures)


def outside(rule: Rule) -> tuple[Figures, History]:
    """Figures just outside the expected range, with the history that they are judged by."""
    kwargs = rule.kwargs
    figure = kwargs["figure"]
    if "max_psi" in kwargs:  # everything moved from one bin to another
        before = {f"{figure} 0": 1000.0, f"{figure} 1": 0.0}
        return {f"{figure} 0": 0.0, f"{figure} 1": 1000.0}, [(ago, before) for ago in AGO[kwargs.get("weekday", False)]]
    if "other" in kwargs:
        return {figure: 100, kwargs["other"]: 101}, ()
    if "days" not in kwargs:
        high = kwargs.get("max_value")
        return {figure: high + 0.01 if high is not None else kwargs["min_value"] - 0.01}, ()
    before = {figure: 100.0}
    room = 100 * max(kwargs.get("floor_frac", 0), kwargs.get("floor", 0) / 100)
    low, high = kwargs.get("min_ratio", 0), kwargs.get("max_ratio")
    value = 100 + room + 0.01 if "mads" in kwargs else 100 * high + 0.01 if high else 100 * low - 0.01
    return {figure: value}, [(ago, before) for ago in AGO[kwargs.get("weekday", False)]]


def spoil(table: str, case: Case) -> tuple[list[Case], pa.Schema]:
    """The good rows with the case's change, and the schema to write them with."""
    rows = yaml.safe_load((SUITES / table / "good.yaml").read_text("utf-8"))["rows"]
    schema = arrow_schema(TABLES[table])
    if "row" in case:  # in the first row
        times = case["row"].get("times", 1)
        changes = {
            name: value * times if times > 1 else value for name, value in case["row"].items() if name != "times"
        }
        rows[0] |= changes
    if "again" in case:  # the first row once more, with a change
        rows.append(rows[0] | case["again"])
    if "many" in case:  # the first row's session goes on and on
        rows += [rows[0] | {"ordinal": 6 + n, "occurred_at": rows[1]["occurred_at"]} for n in range(case["many"])]
    if "every" in case:
        rows = [row | case["every"] for row in rows]
    if "grow" in case:  # the same content under new ids
        rows = [row | {"item_id": f"{row['item_id']}-{n}"} for n in range(case["grow"]) for row in rows]
    if "none" in case:
        rows = []
    if "without" in case:
        schema = schema.remove(schema.get_field_index(case["without"]))
    for name, kind in case.get("retype", {}).items():
        schema = schema.set(schema.get_field_index(name), pa.field(name, pa.type_for_alias(kind)))
        for row in rows:
            row[name] = _cast(row[name], kind)
    return rows, schema


def _cast(value: Any, kind: str) -> Any:
    if value is None:
        return None
    return {"string": str, "binary": str.encode}.get(kind, float if "float" in kind else int)(value)


def put(table: str, case: Case) -> Pinned:
    """Publish the good rows with the case's change."""
    rows, schema = spoil(table, case)
    columns = {field.name: [_value(row.get(field.name)) for row in rows] for field in schema}
    with publish(partition(table), Args(str(case))) as out:
        out.facts["dim"] = 2
        out.count({"items": "catalogue rows"}.get(table, "log lines"), len(rows), len(rows), {})
        pq.write_table(pa.table(columns, schema=schema), out.folder / "part-00000.parquet")
    return pin(partition(table), even_stopped=True)


def _value(value: Any) -> Any:
    return list(value.items()) if isinstance(value, dict) else value
