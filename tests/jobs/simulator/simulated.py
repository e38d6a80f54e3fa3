"""Simulated days for tests: made with few words, read back as plain records."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from jobs.lake.partitions import CATALOGUE, LABELS, LOG, SIMULATED_TRUTH
from jobs.lake.read import Pinned, pin
from jobs.simulator import simulate

DS = "2026-01-31"
APPLICATIONS = ("shop-web", "shop-app")


def simulated(ds: str = DS, **settings: object) -> tuple[Pinned, Pinned]:
    """The log and the truth of a day of the shop of DS."""
    args = simulate.Args(
        LABELS.at(ds=DS),
        CATALOGUE.at(ds=DS),
        LOG.at(ds=ds),
        SIMULATED_TRUTH.at(ds=ds),
        **settings,  # type: ignore[arg-type]
    )
    simulate.main(args)
    return pin(args.log), pin(args.simulated_truth)


def truths(truth: Pinned) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, int]]:
    """Events, searches (by search_id) and counts."""
    events, searches = (pq.read_table(truth.path(f"{name}.parquet")).to_pandas() for name in ("events", "searches"))
    return (events, searches.set_index("search_id"), json.loads(truth.path("counts.json").read_text()))


def records(log: Pinned, application: str) -> tuple[list[dict[str, Any]], list[str]]:
    """(readable records, unreadable lines) of one application, bulk action lines left out."""
    good, bad = [], []
    lines = gzip.decompress(log.path(f"{application}.ndjson.gz").read_bytes()).decode().splitlines()
    for line in lines:
        if line.startswith('{"index":'):
            continue
        try:
            found = json.loads(line)
        except json.JSONDecodeError:
            found = None
        if isinstance(found, dict):
            good.append(found)
        else:
            bad.append(line)
    return good, bad


def milliseconds(stamp: str | int) -> int:
    """A stamp of either application as milliseconds since 1970."""
    return stamp if isinstance(stamp, int) else round(pd.Timestamp(stamp).timestamp() * 1000)


def acts(log: Pinned) -> Iterator[tuple[str, int, str, dict[str, Any]]]:
    """Session, moment, item and record of every act on an item."""
    for application in APPLICATIONS:
        for record in records(log, application)[0]:
            known = "client_id" in record and record.get("timestamp") != "yesterday"
            if record.get("action_name", "impression") != "impression" and known:
                at = record["event_attributes"]
                session = record.get("session_id") or at.get("session_id") or record["client_id"]
                yield session, milliseconds(record["timestamp"]), at["object"]["object_id"], record


def sessions(log: Pinned) -> dict[str, list[str]]:
    """Items of each session in order of time; the same one in a row once, and no session of a robot's length."""
    found: dict[str, list[str]] = {}
    for session, _, item, _ in sorted(acts(log), key=lambda event: event[:3]):
        items = found.setdefault(session, [])
        if items[-1:] != [item]:
            items.append(item)
    return {f"{log.partition.ds} {name}": items for name, items in found.items() if len(items) <= 60}
