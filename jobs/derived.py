"""The rows as the checks see them: ids, numbers and derived columns, never a text that somebody typed.

Great Expectations prints what it finds unescaped, so what it is not given it cannot show.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from jobs.derive import (
    Derived,
    Known,
    chars,
    clean,
    days_before_ds,
    equals,
    flag,
    given,
    only_where,
)
from jobs.derive_sets import (
    BATCH_ROWS,
    arms_missing,
    dim_difference,
    distinct_per,
    fingerprint,
    highest,
    lowest,
    norm,
    rank_gap,
    repeated,
    score_rise,
    size,
    size_difference,
)
from jobs.reading import Pinned, read_table
from jobs.streaming import record_batches

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# the one column that every table is given: names and types of the files' columns, in order
SCHEMA = "columns_and_types"
# where a Spark expression looks when it needs the whole table
VIEW = "checked"

DERIVED: dict[str, dict[str, Derived]] = {
    "items": {
        "title_chars": chars("title"),
        "text_chars": chars("text"),
        "has_title": given("title"),
        "has_category": given("category"),
        "has_brand": given("brand"),
    },
    "impressions": {
        "query_chars": chars("query"),
        "query_is_clean": clean("query"),
        "clicked": flag("is_click"),
        "carted": flag("is_cart"),
        "purchased": flag("is_purchase"),
        "days_before_ds": days_before_ds("searched_at"),
        "queries_of_search": distinct_per("query_id", "search_id"),
    },
    "pairs": {
        "days_before_ds": days_before_ds("last_day"),
        "is_train": equals("split", "train"),
        "splits_of_query": distinct_per("split", "query_id"),
    },
    "queries": {
        "searches_if_unseen": only_where("searches", "segment", "unseen"),
        "query_chars": chars("query"),
        "query_is_clean": clean("query"),
        "is_train": equals("split", "train"),
        "is_test": equals("split", "test"),
    },
    "qrels": {
        "is_test": equals("split", "test"),
        "splits_of_query": distinct_per("split", "query_id"),
    },
    "negatives": {
        "n_items": size("item_ids"),
        "ranks_less_items": size_difference("ranks", "item_ids"),
        "scores_less_items": size_difference("scores", "item_ids"),
        "items_repeated": repeated("item_ids"),
        "lowest_rank": lowest("ranks"),
        "lowest_score": lowest("scores"),
        "highest_score": highest("scores"),
    },
    "embeddings": {
        "norm": norm("embedding"),
        "dim_difference": dim_difference("embedding"),
        "fingerprint": fingerprint("embedding"),
    },
    "rankings": {
        "rank_gap": rank_gap(),
        "score_rise": score_rise(),
        "arms_missing": arms_missing(),
    },
}


def computable(pinned: Pinned, wanted: Sequence[str], found: dict[str, str]) -> list[str]:
    """The wanted columns that can be had: all of them, unless the files' columns are not the table's."""
    contract = pinned.partition.table.columns
    derived = DERIVED[pinned.partition.name]
    return [
        name
        for name in wanted
        if name == SCHEMA
        or all(
            found.get(column) == contract[column]
            for column in (derived[name].reads if name in derived else (name,))
        )
    ]


def pandas_frame(pinned: Pinned, wanted: Sequence[str], schema: str) -> pd.DataFrame:
    """The wanted columns on one machine."""
    derived, known = DERIVED[pinned.partition.name], known_of(pinned)
    plain = [name for name in wanted if name not in derived and name != SCHEMA]
    small = {name: derived[name] for name in wanted if name in derived and not derived[name].large}
    large = {name: derived[name] for name in wanted if name in derived and derived[name].large}
    reads = [column for one in small.values() for column in one.reads]
    rows = read_table(pinned, columns=list(dict.fromkeys([*plain, *reads])))
    table = _with(rows.select(plain), rows, small, known)
    if large:
        for name, values in _by_batches(pinned, large, known).items():
            table = table.append_column(name, values)
    frame: pd.DataFrame = table.to_pandas(strings_to_categorical=True)
    return frame.assign(**{SCHEMA: schema}) if SCHEMA in wanted else frame


def _by_batches(
    pinned: Pinned, made: dict[str, Derived], known: Known
) -> dict[str, pa.ChunkedArray[Any]]:
    reads = list(dict.fromkeys(column for one in made.values() for column in one.reads))
    parts = []
    for batch in record_batches(pinned, reads, BATCH_ROWS):
        rows = pa.Table.from_batches([batch])
        parts.append(_with(rows, rows, made, known).select(list(made)))
    whole = pa.concat_tables(parts)
    return {name: whole[name] for name in made}


def _with(table: pa.Table, rows: pa.Table, made: dict[str, Derived], known: Known) -> pa.Table:
    """The table with columns that are made of other rows."""
    for name, one in made.items():
        values = one.arrow(rows, known)
        found = values if isinstance(values, pa.ChunkedArray) else pa.array(values)
        table = table.append_column(name, found)
    return table


def spark_frame(
    spark: SparkSession, pinned: Pinned, wanted: Sequence[str], schema: str
) -> DataFrame:
    """The wanted columns on Spark."""
    from pyspark.sql import functions

    from jobs.spark import read_spark

    derived, known = DERIVED[pinned.partition.name], known_of(pinned)
    rows = read_spark(spark, pinned).withColumns(
        {"known_ds": functions.lit(known.ds), "known_dim": functions.lit(known.dim)}
    )
    rows.createOrReplaceTempView(VIEW)
    frame = rows.selectExpr(
        *(
            f"{derived[name].sql} AS {name}" if name in derived else name
            for name in wanted
            if name != SCHEMA
        )
    )
    return frame.withColumn(SCHEMA, functions.lit(schema)) if SCHEMA in wanted else frame


def known_of(pinned: Pinned) -> Known:
    """What the partition says of itself."""
    return Known(pinned.partition.ds, int(pinned.facts.get("dim", 0)))
