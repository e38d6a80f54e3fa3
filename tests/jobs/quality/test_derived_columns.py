"""Counted figures: by hand, past a batch's end, and the same on Spark as on one machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from jobs.lake import read as reading
from jobs.lake.partitions import IMPRESSIONS
from jobs.lake.publish import publish
from jobs.quality import count_spark, expect
from jobs.quality.count import BATCH_ROWS, CountPlan, PartialCounts, count_batch, figures_here, named_figures
from jobs.quality.count_spark import figures_spark
from jobs.quality.group_columns import PARTIAL, fingerprint, norm, repeated
from jobs.quality.metrics import Metric, metrics_of
from jobs.quality.references import RELATED
from jobs.quality.row_columns import PartitionFacts
from jobs.quality.rules import rules_of
from jobs.quality.run_suite import count_plan
from tests.jobs.quality.suite_cases import NAMES, Args, cases, partition, put, spoil

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FACTS = PartitionFacts("2026-01-31", 2)


def test_vectors_are_measured_past_the_end_of_a_batch() -> None:
    n = BATCH_ROWS + 10
    vectors = np.random.default_rng(0).standard_normal((n, 3)).astype(np.float32)
    vectors[-1] = vectors[0]
    flat = pa.array(vectors.ravel())
    for kind in (
        pa.FixedSizeListArray.from_arrays(flat, 3),
        pa.ListArray.from_arrays(np.arange(0, 3 * n + 1, 3, np.int32), flat),
    ):
        rows = pa.table({"embedding": kind})
        expected = np.linalg.norm(vectors.astype(np.float64), axis=1)
        np.testing.assert_allclose(norm("embedding").make(rows, FACTS), expected, rtol=1e-12)
        prints = fingerprint("embedding").make(rows, FACTS)
        assert prints[0] == prints[-1]
        assert len(np.unique(prints)) == n - 1


def test_lists_that_are_null_or_empty_do_not_shift_their_neighbours() -> None:
    rows = pa.table({"x": pa.array([["a"], None, [], ["b", "b", "b"]])})
    assert repeated("x").make(rows, FACTS).tolist() == [0, 0, 0, 2]


def test_no_check_is_given_a_text_that_somebody_typed() -> None:
    """Such a column is only ever measured, looked at for a blank, or put into a numbered bin."""
    typed = {"query", "title", "text", "category", "brand", "attributes"}
    for table in NAMES:
        for metric in metrics_of(rules_of(table).rules):
            if table == "item_features":
                continue  # its attributes are a number
            assert not typed & set(metric.columns) or metric.kind == "bins", (table, metric.name)


def test_keys_are_counted_across_batches_and_files(lake: Path) -> None:
    """Doubled rows far apart: in another batch, and in another file; a search whose second query is in another file."""
    good, schema = spoil("impressions", {})
    row = good[0]
    n = BATCH_ROWS + 5
    rows = pa.table({name: [row[name]] * n for name in schema.names}, schema=schema)
    ids = pa.array([f"s{n}" for n in range(n)])
    rows = rows.set_column(0, "search_id", ids)
    again = rows.slice(0, 2).set_column(1, "query_id", pa.array(["f" * 40] * 2))
    with publish(IMPRESSIONS.at(ds="2026-01-31"), Args()) as out:
        out.write_table(pa.concat_tables([rows, rows.slice(3, 1)]))
        out.write_table(again, "part-00001.parquet")
    pinned = reading.pin(partition("impressions"))
    key = Metric("compound_columns.unique", ("search_id", "item_id", "position"))
    one = Metric("column_values.in_set", ("queries_of_search",), '{"value_set": [1]}')
    found = figures_here(CountPlan(pinned, (Metric("rows"), key, one, Metric("distinct", ("search_id",)))))
    assert found["rows"] == n + 3
    assert found[key.name] == 6  # rows 3 (same file, other batch), 0 and 1 (other file), each twice
    assert found[one.name] == 4  # searches 0 and 1 have two queries
    assert found["distinct search_id"] == n


@pytest.mark.spark
@pytest.mark.parametrize("table", NAMES)
def test_spark_counts_the_same(lake: Path, spark: SparkSession, table: str) -> None:
    """Good rows, then all that the table's cases can spoil at once: every row another way."""
    spoilt = [case for case in cases(table) if "row" in case or "again" in case]
    for case in ({}, *spoilt[:: max(1, len(spoilt) // 4)]):
        plan = count_plan(put(table, case), rules_of(table).rules)
        here = figures_here(plan)
        there = figures_spark(spark, plan)
        assert here.keys() == there.keys()
        for name, value in here.items():
            assert there[name] == pytest.approx(value, rel=1e-6), (name, case)


@pytest.mark.spark
def test_a_large_table_is_checked_on_spark(lake: Path, spark: SparkSession) -> None:
    put("pairs", {"row": {"weight": float("inf")}, "again": {}})
    with pytest.raises(RuntimeError) as error:
        expect.main(expect.Args(str(partition("pairs")), spark_rows=1))
    text = str(error.value)
    assert "a query and an item make one pair [expect_compound_columns_to_be_unique]: found 2 of 5 rows" in text
    assert "weight is above 0 and finite [expect_column_values_to_be_between]: found 2 of 5 rows" in text
    assert text.count("\n") == 2
    put("rankings", {})
    assert expect.main(expect.Args(str(partition("rankings")), spark_rows=1))["verdicts"] == {
        str(partition("rankings")): "pass"
    }
    assert reading.pin(partition("rankings"))


@pytest.mark.spark
def test_spark_counts_keys_of_several_files_and_another_table(lake: Path, spark: SparkSession) -> None:
    """Duplicates, groups and orphans whose rows lie in different files, and vectors in fp16."""
    queries = reading.read_table(put("queries", {}))
    with publish(partition("queries"), Args("fewer")) as out:
        out.write_table(queries.slice(1))
    pairs = reading.read_table(put("pairs", {}))
    other_split = pairs.slice(0, 1).set_column(8, "split", pa.array(["dev"]))
    with publish(partition("pairs"), Args("files")) as out:
        out.write_table(pairs)
        out.write_table(pa.concat_tables([pairs.slice(1, 1), other_split]), "part-00001.parquet")
    vectors = reading.read_table(put("embeddings", {}))
    halves = vectors["embedding"].cast(pa.list_(pa.float16()))
    with publish(partition("embeddings"), Args("fp16")) as out:
        out.facts["dim"] = 2
        out.write_table(vectors.set_column(2, "embedding", halves))
    for table in ("pairs", "embeddings"):
        plan = count_plan(reading.pin(partition(table)), rules_of(table).rules)
        here, there = figures_here(plan), figures_spark(spark, plan)
        assert here == pytest.approx(there)
        assert table != "pairs" or (
            here["orphans query_id queries"] and here["compound_columns.unique query_id,item_id"]
        )


def by_executors(plan: CountPlan, tasks: int = 3) -> dict[str, float]:
    """The steps of figures_spark, with batches passed from task to task by hand: no JVM."""
    names = [entry.name for entry in plan.pinned.entries() if entry.name.endswith(".parquet")]
    numbers = [str(number) for number, metric in enumerate(plan.metrics) if metric.kind in RELATED]
    given = [pa.RecordBatch.from_pydict({"task": [task]}) for task in (*names, *numbers)]
    shuffled = pa.Table.from_batches(count_spark._count_files(plan, {}, given))
    place = np.abs(shuffled["hash"].to_numpy()) % tasks
    total = PartialCounts()
    for task in range(tasks):
        mine = shuffled.filter(pa.array(place == task)).to_batches(max_chunksize=2)
        for batch in count_spark._count_keys(plan, mine):
            for line in batch.column("sums").to_pylist():
                total.add(count_spark._parse(plan, line))
    if whole := plan.whole():
        rows = reading.read_table(plan.pinned, columns=plan.columns(whole))
        named = set(rows["arm"].to_pylist()) if "arm" in rows.column_names else set()
        arms = len(named - {None, *PARTIAL})
        (key,) = {plan.derived[name].whole for metric in whole for name in metric.columns if name in plan.derived}
        for group in rows[key].unique():
            is_here = pc.is_null(rows[key]) if group.as_py() is None else pc.equal(rows[key], group)
            part = rows.filter(is_here)
            total.add(count_spark._parse(plan, count_spark._line(plan, count_batch(plan, whole, part, arms))))
    return named_figures(plan, total)


@pytest.mark.parametrize("table", NAMES)
def test_executors_count_the_same_as_one_machine(lake: Path, table: str) -> None:
    put("queries", {})
    put("items", {})
    for case in ({}, *[case for case in cases(table) if "row" in case or "again" in case]):
        plan = count_plan(put(table, case), rules_of(table).rules)
        assert by_executors(plan) == pytest.approx(figures_here(plan)), case
