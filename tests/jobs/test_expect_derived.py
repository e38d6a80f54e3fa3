"""Derived columns: by hand, past a batch's end, and the same on Spark as on one machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from jobs import expect, reading
from jobs.derive import Known
from jobs.derive_sets import BATCH_ROWS, fingerprint, norm, repeated
from jobs.derived import DERIVED, SCHEMA, pandas_frame, spark_frame
from jobs.lake import TABLES
from tests.jobs.suite_cases import NAMES, partition, put

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import SparkSession

KNOWN = Known("2026-01-31", 2)


def test_vectors_are_measured_past_the_end_of_a_batch() -> None:
    n = BATCH_ROWS + 10
    vectors = np.random.default_rng(0).standard_normal((n, 3)).astype(np.float32)
    vectors[-1] = vectors[0]
    flat = pa.array(vectors.ravel())
    for kind in (pa.FixedSizeListArray.from_arrays(flat, 3), pa.ListArray.from_arrays(np.arange(0, 3 * n + 1, 3, np.int32), flat)):  # fmt: skip
        rows = pa.table({"embedding": kind})
        expected = np.linalg.norm(vectors.astype(np.float64), axis=1)
        np.testing.assert_allclose(norm("embedding").arrow(rows, KNOWN), expected, rtol=1e-12)
        prints = fingerprint("embedding").arrow(rows, KNOWN)
        assert prints[0] == prints[-1]
        assert len(np.unique(prints)) == n - 1


def test_lists_that_are_null_or_empty_do_not_shift_their_neighbours() -> None:
    rows = pa.table({"x": pa.array([["a"], None, [], ["b", "b", "b"]])})
    assert repeated("x").arrow(rows, KNOWN).tolist() == [0, 0, 0, 2]


def test_no_check_is_given_a_text_that_somebody_typed() -> None:
    from jobs.quality import columns_of, suite_file

    typed = {"query", "title", "text", "category", "brand", "attributes"}
    for table in NAMES:
        suite = json.loads(suite_file(table).read_text("utf-8"))
        assert not typed & set(columns_of(suite["expectations"])), table


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    from jobs.spark import spark_session

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTSHELF_HOME", str(tmp_path_factory.mktemp("home")))
        with spark_session("test") as session:
            yield session


@pytest.mark.spark
@pytest.mark.parametrize("table", NAMES)
def test_spark_derives_the_same(lake: Path, spark: SparkSession, table: str) -> None:
    pinned = put(table, {})
    plain = {"negatives": ["query_id"], "qrels": ["query_id", "item_id"]}.get(table, [])
    key = plain or [next(iter(TABLES[table].columns))]
    wanted = [*key, *DERIVED[table], SCHEMA]
    here = pandas_frame(pinned, wanted, "x STRING")
    texts = here.select_dtypes("category").columns
    here[texts] = here[texts].astype(object)
    there = spark_frame(spark, pinned, wanted, "x STRING").toPandas()
    if table == "embeddings":  # two hashes of their own: what must agree is which vectors are equal
        for frame in (here, there):
            frame["fingerprint"] = frame.groupby("fingerprint")["fingerprint"].transform("size")
    order = [*key, *DERIVED[table]]
    pd.testing.assert_frame_equal(
        here[wanted].sort_values(order, ignore_index=True),
        there[wanted].sort_values(order, ignore_index=True),
        check_dtype=False,
        rtol=1e-6,
    )


@pytest.mark.spark
def test_a_large_table_is_checked_on_spark(lake: Path, spark: SparkSession) -> None:
    put("pairs", {"row": {"weight": float("inf")}, "again": {}})
    put("embeddings", {"row": {"embedding": [float("nan"), 1.0]}})
    names = f"{partition('pairs')},{partition('embeddings')}"
    with pytest.raises(RuntimeError) as error:
        expect.main(expect.Args(names, spark_rows=1))
    text = str(error.value)
    assert (
        "a query and an item make one pair [expect_compound_columns_to_be_unique]: found 2 of 5 rows"
        in text
    )
    assert (
        "weight is above 0 and finite [expect_column_values_to_be_between]: found 2 of 5 rows"
        in text
    )
    assert (
        "vectors have norm 1, within 0.001 [expect_column_values_to_be_between]: found 1 of 4 rows"
        in text
    )
    assert text.count("\n") == 3
    put("rankings", {})
    assert expect.main(expect.Args(str(partition("rankings")), spark_rows=1))["verdicts"] == {
        str(partition("rankings")): "pass"
    }
    assert reading.pin(partition("rankings"))
