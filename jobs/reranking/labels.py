"""Labels of the items of a query, query by query: from click counts by Spark, or from judgements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
from numpy.typing import NDArray

from jobs.lake import storage as store
from jobs.lake.arrow import Strings, find, large, numbers, pick, strings
from jobs.lake.attempt import Attempt
from jobs.lake.read import Pinned, read_table
from jobs.lake.storage import spark_uri

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Floats = NDArray[np.float64]
SCRATCH = "_labels"  # names that begin with _ are never published
BATCH_ROWS = 200_000


@dataclass(frozen=True)
class QueryLabels:
    """Labelled items of a query, by rising row of the bundle; items that it has not are left out.

    value [n]: what people did, in clicks, or a grade; examined [n]: how often they looked; position [n]: mean place.
    """

    query_id: str
    query: str
    split: str
    rows: NDArray[np.int64]
    value: Floats
    examined: Floats
    position: NDArray[np.int32]


def from_clicks(out: Attempt, shown: DataFrame, item_ids: Strings) -> Iterator[QueryLabels]:
    """Labels of the rows of sql/listing_labels.sql without a reason, from a folder that is deleted afterwards."""
    scratch = f"{out.uri}/{SCRATCH}"
    kept = shown.where("reason IS NULL").drop("reason")
    kept.repartitionByRange("query_id").sortWithinPartitions("query_id", "item_id").write.parquet(spark_uri(scratch))
    system, root = store.filesystem(scratch)
    files = sorted(f"{root}/{name}" for name, _ in store.list_files(scratch) if name.endswith(".parquet"))
    rest: pa.Table | None = None
    for batch in pyarrow.dataset.dataset(files, filesystem=system, format="parquet").to_batches(
        batch_size=BATCH_ROWS, batch_readahead=1, fragment_readahead=1
    ):
        rows = pa.Table.from_batches([batch])
        whole, rest = _whole_queries(rows if rest is None else pa.concat_tables([rest, rows]))
        yield from _by_query(whole, item_ids)
    if rest is not None:
        yield from _by_query(rest, item_ids)
    store.delete_folder(scratch)


def from_judgements(qrels: Pinned, queries: Pinned, item_ids: Strings, zero_gain: float) -> Iterator[QueryLabels]:
    """Labels of judged queries; the value is the grade above `zero_gain`, as a share of the highest."""
    judged = read_table(qrels, ["query_id", "item_id", "relevance", "split"])
    texts = read_table(queries, ["query_id", "query"])
    place = find(large(judged.column("query_id").chunks), large(texts.column("query_id").chunks))
    known = place >= 0
    judged, place = judged.filter(pa.array(known)), place[known]
    judged = judged.append_column("query", pick(large(texts.column("query").chunks), place))
    gain = np.maximum(numbers(judged, "relevance") - zero_gain, 0.0)
    ones = np.ones(len(judged))
    columns = {"value": gain / max(gain.max(initial=0.0), 1e-12), "examined": ones, "position": ones.astype(np.int32)}
    for name, values in columns.items():
        judged = judged.append_column(name, pa.array(values))
    yield from _by_query(judged.sort_by("query_id"), item_ids)


def _whole_queries(rows: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Rows of queries that are over, and those of the last one, which the next batch may go on with."""
    last = rows.column("query_id")[-1]
    start = int(pc.index(rows.column("query_id"), last).as_py())
    return rows.slice(0, start), rows.slice(start)


def _by_query(rows: pa.Table, item_ids: Strings) -> Iterator[QueryLabels]:
    if not rows.num_rows:
        return
    row = find(large(rows.column("item_id").chunks), item_ids)
    values: dict[str, NDArray[Any]] = {name: numbers(rows, name) for name in ("value", "examined", "position")}
    ids = rows.column("query_id").combine_chunks().dictionary_encode()
    edges = np.flatnonzero(np.diff(ids.indices.to_numpy(), prepend=-1))
    heads = rows.select(["query_id", "query", "split"]).take(edges)
    names = zip(*(strings(heads, name) for name in heads.column_names), strict=True)
    for (query_id, query, split), start, stop in zip(names, edges, [*edges[1:], rows.num_rows], strict=True):
        own = np.arange(start, stop)
        own = own[row[own] >= 0]
        own = own[np.argsort(row[own], kind="stable")]
        yield QueryLabels(query_id, query, split, row[own], *(values[name][own] for name in values))
