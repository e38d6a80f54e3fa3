"""Versions of partitions that hold rows of clients: found in any version, and published anew without them.

A row is a client's by its hash; by a part of it (`query_users`); without a client, by a session that other rows of the
version give to the client; in the holdout tables, by the session that was held out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.ingest.orders import parse_columns
from jobs.lake import storage as store
from jobs.lake.attempt import Attempt
from jobs.lake.fault import fault_point
from jobs.lake.manifest import MANIFEST, QUARANTINE, VERDICT, FileEntry
from jobs.lake.partitions import HOLDOUT_QRELS, HOLDOUT_QUERIES, HOLDOUT_SESSIONS, LOG, ORDERS, SESSION_EVENTS, TABLES
from jobs.lake.partitions import Partition as Address
from jobs.lake.publish import held, partition_lock, publish
from jobs.lake.read import Pinned, exists, expired, pin, pointer, published_days, published_partitions
from jobs.privacy import raw_records
from jobs.privacy.raw_records import Erased

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

KEYS = ("client_id", "searcher_key")
ASKED = (*KEYS, "session_id", "query_id", "raw")  # columns that say whose a row is
LINKED = (HOLDOUT_QUERIES, HOLDOUT_QRELS)  # by query_id to HOLDOUT_SESSIONS, so they come before it
FIRST = "0000-00-00"
LAST = "9999-12-31"


def partitions_of_people() -> Iterator[Address]:
    """Partitions with rows of people, published now: what follows from others before them, the raw zone last."""
    tables = [table for table in TABLES.values() if set(KEYS) & set(table.columns)]
    for table in (*LINKED, *reversed(tables), ORDERS, LOG):
        if len(table.keys) > 1:  # a list for each client, by its method
            yield from published_partitions(table)
        else:
            yield from (table.at(ds=ds) for ds in published_days(table, FIRST, LAST))


def versions(partition: Address) -> list[Pinned]:
    """Every version of a partition that has a manifest."""
    attempts = store.folders(f"{partition.uri}/attempts")
    found = [name for name in attempts if store.is_file(f"{partition.uri}/attempts/{name}/{MANIFEST}")]
    return [pin(partition, attempt=name, even_stopped=True) for name in found]


def count(pinned: Pinned, erased: Erased) -> int:
    """Rows or raw records of the clients in a version, rejected lines included."""
    return sum(_filtered(pinned, erased, entry, None) for entry in _entries(pinned, erased))


def erase_from(partition: Address, args: DataclassInstance, erased: Erased) -> int:
    """Publish a partition anew without the clients, then delete its versions that have them. Return the rows.

    Killed before the new version is published, the old one stands; killed after, the next call deletes the old ones.
    """
    current = pin(partition, even_stopped=True)
    rows = count(current, erased)
    if rows:
        with publish(partition, args) as out:
            _rewrite(out, current, erased, rows)
    fault_point("erase.published")
    with partition_lock(partition.uri, str(partition)):
        keep = {pointer(partition.uri).get("attempt"), *held(partition)}
        for pinned in versions(partition):
            if pinned.manifest.attempt not in keep and count(pinned, erased):
                store.delete_file(f"{pinned.uri}/{MANIFEST}")
                store.delete_folder(pinned.uri)
    fault_point("erase.partition")
    return rows


def _rewrite(out: Attempt, before: Pinned, erased: Erased, rows: int) -> None:
    """Fill an attempt with a version's files without the clients' rows; what is known of the version stays."""
    out.again, out.simulated, out.mlflow_run_id = (
        before.manifest,
        before.manifest.simulated,
        before.manifest.mlflow_run_id,
    )
    for entry in _entries(before, erased):
        target = out.folder / entry.name
        target.parent.mkdir(parents=True, exist_ok=True)
        _filtered(before, erased, entry, target)
    out.facts |= before.facts | {"erased": int(before.facts.get("erased", 0)) + rows}
    out.accounting += before.manifest.accounting
    out.count("erased rows", rows, 0, {"erased": rows})
    if store.is_file(f"{before.uri}/{VERDICT}"):
        store.copy(f"{before.uri}/{VERDICT}", f"{out.uri}/{VERDICT}")


def _entries(pinned: Pinned, erased: Erased) -> Sequence[FileEntry]:
    """The files of a version that are still there; the names that raw records give are noted first."""
    entries = [entry for entry in pinned.manifest.files if not expired(pinned.uri, entry)]
    if pinned.partition.name == LOG.name:
        for entry in entries:
            path = _path(pinned, entry)
            (raw_records.note_rows if entry.name.endswith(".parquet") else raw_records.note_lines)(path, erased)
    return entries


def _path(pinned: Pinned, entry: FileEntry) -> Path:
    pinned.check(entry)
    return pinned.path(entry.name)


def _filtered(pinned: Pinned, erased: Erased, entry: FileEntry, target: Path | None) -> int:
    """Rows of the clients in a file; target: where to write the others, as they are."""
    source = _path(pinned, entry)
    if pinned.partition.name in (LOG.name, ORDERS.name):
        return _copied_raw(pinned, source, target, erased)
    if not entry.name.endswith(".parquet"):
        if target:
            copyfile(source, target)
        return 0
    asked = None if target else [name for name in ASKED if name in pq.read_schema(source).names]
    rows = pq.read_table(source, columns=asked)
    theirs = _rejected(rows, erased) if entry.role == QUARANTINE else _of_clients(pinned, rows, erased)
    if target:
        kept = rows.filter(pc.invert(theirs))
        pq.write_table(kept, target, compression="zstd", write_page_checksum=True)
    return int(pc.sum(theirs.cast(pa.int64())).as_py() or 0)


def _copied_raw(pinned: Pinned, source: Path, target: Path | None, erased: Erased) -> int:
    if pinned.partition.name == ORDERS.name:
        day = SESSION_EVENTS.at(ds=pinned.partition.ds)
        args = pin(day, even_stopped=True).manifest.args if exists(day) else {}
        return raw_records.copy_orders(source, target, erased, parse_columns(str(args.get("order_columns", ""))))
    if source.name.endswith(".parquet"):
        return raw_records.copy_log_rows(source, target, erased)
    return raw_records.copy_lines(source, target, erased)


def _of_clients(pinned: Pinned, rows: pa.Table, erased: Erased) -> Any:
    """A mask of the rows of a table that are the clients'."""
    names, hashes = rows.column_names, pa.array(sorted(erased.hashes), pa.string())
    if pinned.partition.table in LINKED:
        return _among(rows["query_id"], _held_out(pinned.partition.ds, hashes))
    if "searcher_key" in names:
        return _among(rows["searcher_key"], pc.utf8_slice_codeunits(hashes, 0, 16))
    theirs = _among(rows["client_id"], hashes)
    if "session_id" not in names:
        return theirs
    sessions = rows["session_id"].filter(theirs).unique().drop_null()
    of_nobody = pc.and_(pc.is_null(rows["client_id"].combine_chunks()), _among(rows["session_id"], sessions))
    return pc.or_(theirs, of_nobody)


def _held_out(ds: str, hashes: Any) -> Any:
    """Queries of the clients' sessions, in any version of the day's holdout_sessions."""
    found: list[Any] = []
    for pinned in versions(HOLDOUT_SESSIONS.at(ds=ds)):
        for uri in pinned.files():
            rows = pq.read_table(uri, columns=["query_id", "client_id"])
            found += rows["query_id"].filter(_among(rows["client_id"], hashes)).to_pylist()
    return pa.array(found, pa.string())


def _rejected(rows: pa.Table, erased: Erased) -> Any:
    """A mask of the rejected lines that name the clients."""
    texts = rows["raw"].to_pylist() if "raw" in rows.column_names else [None] * rows.num_rows
    return pa.array([raw_records.names_client(text or "", erased) for text in texts], pa.bool_())


def _among(values: Any, wanted: Any) -> Any:
    return pc.is_in(values.combine_chunks(), value_set=wanted.cast(values.type))
