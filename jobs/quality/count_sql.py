"""The same counts as Spark SQL: rows in one SELECT, then one GROUP BY for each key, group or other table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jobs.platform.spark import read_spark
from jobs.quality.count import Figures, Plan, averaged
from jobs.quality.count_keys import by_keys, grouped
from jobs.quality.metrics import ROWS, UNIQUE, Count
from jobs.quality.references import RELATED, partner

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# where an expression looks when it needs the whole table
VIEW = "checked"
FLOATS = ("FLOAT", "DOUBLE")


def figures_spark(spark: SparkSession, plan: Plan) -> Figures:
    """Name -> figure, counted by Spark."""
    from pyspark.sql import functions as f

    rows = read_spark(spark, plan.pinned).withColumns(
        {"known_ds": f.lit(plan.known.ds), "known_dim": f.lit(plan.known.dim)}
    )
    rows.createOrReplaceTempView(VIEW)
    plain = [count for count in plan.counts if not by_keys(count, plan.derived)]
    frame = rows.selectExpr(*_columns(plan, plain))
    asked = {name: sql for count in plain for name, sql in _row_sql(count, plan).items()}
    row: Any = frame.agg(
        *[f.coalesce(f.expr(sql), f.lit(0)).alias(str(n)) for n, sql in enumerate(asked.values())]
    ).first()
    figures: Figures = dict(zip(asked, row, strict=True))
    for count in plan.counts:
        if by_keys(count, plan.derived):
            answer = _by_keys(spark, rows.selectExpr(*_columns(plan, [count])), count, plan)
            figures |= {} if answer is None else {count.name: answer}
        elif grouped(count, plan.derived):
            figures[count.name] = 0  # a group always has its number of values
    return averaged(plan.counts, figures)


def _columns(plan: Plan, counts: Sequence[Count]) -> list[str]:
    """Each column that the counts name; what is not a number is no value."""
    contract = plan.pinned.partition.table.columns
    found: dict[str, str] = {}
    for name in dict.fromkeys(name for count in counts for name in count.columns):
        one = plan.derived.get(name)
        if one is not None and one.per:
            found |= {one.per: one.per, one.of: one.of}
        elif one is not None:
            found[name] = f"{one.sql} AS {name}"
        else:
            number = contract[name] in FLOATS
            found[name] = f"IF(ISNAN({name}), NULL, {name}) AS {name}" if number else name
    return list(found.values()) or ["1"]


def _row_sql(count: Count, plan: Plan) -> dict[str, str]:
    """Figure -> the expression that sums it up."""
    if count.kind == ROWS:
        return {ROWS: "COUNT(1)"}
    if grouped(count, plan.derived) or count.kind == "vectors":
        return {}
    column = count.columns[0]
    if count.kind == "null":
        return {count.name: f"COUNT_IF({column} IS NULL)"}
    if count.kind in ("sum", "mean"):
        return {count.name: f"SUM({column})"}
    if count.kind == "bins":
        return {f"{count.name} {n}": f"COUNT_IF({sql})" for n, sql in enumerate(_bins(count))}
    return {count.name: f"COUNT_IF(NOT ({condition(count)}))"}


def _bins(count: Count) -> list[str]:
    column = count.columns[0]
    if edges := count.kwargs.get("edges"):
        low, high = [None, *edges], [*edges, None]
        return [
            " AND ".join(
                [*([f"{column} >= {a}"] if a is not None else ()), *([f"{column} < {b}"] if b is not None else ())]
            )
            for a, b in zip(low, high, strict=True)
        ]
    size = count.kwargs["hashed"]
    return [f"PMOD(CRC32({column}), {size}) = {n}" for n in range(size)]


def condition(count: Count) -> str:
    """What is expected of a row; of a null it says null, which is counted as neither."""
    said, column = count.kwargs, count.columns[0]
    if count.kind == "column_values.match_regex":
        return f"{column} RLIKE {_literal(said['regex'])}"
    if count.kind == "column_values.in_set":
        return f"{column} IN ({', '.join(_literal(value) for value in said['value_set'])})"
    if count.kind == "column_pair_values.a_greater_than_b":
        return f"{column} {'>=' if said.get('or_equal') else '>'} {count.columns[1]}"
    parts = []
    if (least := said.get("min_value")) is not None:
        parts.append(f"{column} {'>' if said.get('strict_min') else '>='} {least!r}D")
    if (most := said.get("max_value")) is not None:
        parts.append(f"{column} {'<' if said.get('strict_max') else '<='} {most!r}D")
    return " AND ".join(parts)


def _literal(value: Any) -> str:
    """Of a committed rule, never of the data."""
    return f"r{json.dumps(value, ensure_ascii=False)}" if isinstance(value, str) else repr(value)


def _by_keys(spark: SparkSession, frame: DataFrame, count: Count, plan: Plan) -> int | None:
    if one := grouped(count, plan.derived):
        groups = frame.groupBy(one.per).agg(
            *_expressions(f"COUNT(1) AS n, COUNT(DISTINCT {one.of}) AS {count.columns[0]}")
        )
        return _first(groups, f"SUM(IF({condition(count)}, 0, n))")
    frame = frame.dropna(how="all", subset=list(count.columns))
    if count.kind in RELATED:
        other = partner(plan.pinned, count.said)
        if other is None:
            return None
        theirs = read_spark(spark, other).select(*count.columns)
        left, right = (frame, theirs) if count.kind == "orphans" else (theirs.distinct(), frame)
        return _first(left.join(right, list(count.columns), "left_anti"), "COUNT(1)")
    groups = frame.groupBy(*count.columns).count()
    if count.kind in UNIQUE:
        return _first(groups.where("count > 1"), "SUM(count)")
    return _first(groups, "COUNT(1)")


def _expressions(text: str) -> list[Any]:
    from pyspark.sql import functions as f

    return [f.expr(part) for part in text.split(", ")]


def _first(frame: DataFrame, sql: str) -> int:
    from pyspark.sql import functions as f

    row = frame.agg(f.expr(sql)).first()
    return int(row[0] or 0) if row else 0
