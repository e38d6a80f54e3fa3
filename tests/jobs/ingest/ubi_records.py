"""UBI records, by hand and random, and a helper that runs the job on them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from jobs.ingest.impressions import Args, main
from jobs.lake.manifest import Manifest
from jobs.lake.partitions import IMPRESSIONS, Partition
from jobs.lake.read import pin, read_table

DS = "2026-01-31"
Deliver = Callable[[str, dict[str, bytes]], Partition]
Record = dict[str, Any]


def run(log: Partition, **settings: Any) -> tuple[list[Record], Manifest]:
    """The published rows, and the manifest that says what became of the rest; rare queries stay unless a test says so."""
    out = IMPRESSIONS.at(ds=log.ds)
    result = main(Args(log, out, **{"min_searchers": 1, **settings}))  # type: ignore[arg-type]
    pinned = pin(out)
    assert result["rows"] == pinned.manifest.rows
    return read_table(pinned).to_pylist(), pinned.manifest


def search(search_id: str, query: str = "buty", **fields: Any) -> Record:
    return {"query_id": search_id, "user_query": query, "timestamp": f"{DS}T10:00:00Z", **fields}


def act(name: str, search_id: str, item: Any, ordinal: Any = None, **fields: Any) -> Record:
    position = {} if ordinal is None else {"position": {"ordinal": ordinal}}
    attributes = {"object": {"object_id": item}, **position, **fields.pop("attributes", {})}
    stamped = {"timestamp": f"{DS}T10:00:01Z", **fields}
    return {"action_name": name, "query_id": search_id, "event_attributes": attributes, **stamped}


def ndjson(*records: Record) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def shown(rows: list[Record]) -> dict[tuple[str, str], tuple[int, bool]]:
    return {(row["search_id"], row["item_id"]): (row["position"], row["is_click"]) for row in rows}


def dropped(manifest: Manifest, unit: str = "log lines") -> dict[str, int]:
    return next(row.dropped for row in manifest.accounting if row.unit == unit)


def random_log(rng: np.random.Generator, searches: int) -> list[Record]:
    """A log of one application with clients, repeats, lost searches and shuffled lines."""
    start = datetime(2026, 1, 31, tzinfo=UTC)
    records = []
    for number in range(searches):
        # client 0 is a machine
        client = int(rng.integers(20))
        at = start + timedelta(seconds=float(rng.integers(0, 86_000)) if client else 3600 + number / 10)
        name, who = f"s{number}", {"application": "web", "client_id": f"c{client}"}
        if rng.random() > 0.05:
            stamp = at.isoformat()
            records.append(search(name, f" Query {rng.integers(30)}", timestamp=stamp, **who))
        for place in range(int(rng.integers(0, 8))):
            when = (at + timedelta(seconds=1)).isoformat()
            item = f"i{rng.integers(9)}"
            records.append(act("impression", name, item, place, timestamp=when, **who))
            if rng.random() < 0.2:
                later = (at + timedelta(seconds=9 + place)).isoformat()
                records.append(act("click", name, item, place, timestamp=later, **who))
    records += [records[int(n)] for n in rng.integers(0, len(records), len(records) // 20)]
    return [records[int(n)] for n in rng.permutation(len(records))]
