"""Shared helpers for tests of the whole ETL."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.ingest.repair import DAILY
from jobs.lake.partitions import DERIVED as ZONE
from jobs.lake.partitions import Table
from jobs.lake.read import pin, published_days

# all that is made of a log and is no raw zone
DERIVED = [table for table in DAILY if table.zone == ZONE]


def texts_of(tables: Iterable[Table]) -> str:
    """Every text in every column of every data file of the tables, and all that their manifests say."""
    found: list[str] = []
    for table in tables:
        for ds in published_days(table, "0000", "9999"):
            pinned = pin(table.at(ds=ds))
            found.append(pinned.manifest.to_json().decode())
            for uri in pinned.files():
                for column in pq.read_table(uri).columns:
                    if pa.types.is_string(column.type):
                        found += filter(None, column.unique().to_pylist())
    return "\n".join(found)
