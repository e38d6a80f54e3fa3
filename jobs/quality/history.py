"""Figures of earlier days, from the verdicts beside their data: never of a later day, so that a backfill judges as then."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, timedelta

from jobs.lake import storage as store
from jobs.lake.manifest import POINTER, VERDICT
from jobs.lake.partitions import Partition
from jobs.lake.read import attempt_uri

DAYS = 28


def history(partition: Partition, days: int = DAYS) -> list[tuple[int, Mapping[str, float]]]:
    """(days ago, figures) of the same table and keys, newest first; days that stopped or were not judged are left out."""
    day = date.fromisoformat(partition.ds)
    found = []
    for ago in range(1, days + 1):
        earlier = partition.having(ds=(day - timedelta(days=ago)).isoformat())
        figures = _figures(earlier)
        if figures:
            found.append((ago, figures))
    return found


def _figures(partition: Partition) -> Mapping[str, float]:
    try:
        pointer = json.loads(store.read_bytes(f"{partition.uri}/{POINTER}"))
        uri = attempt_uri(partition, pointer["attempt"])
        verdict = json.loads(store.read_bytes(f"{uri}/{VERDICT}"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    if verdict["verdict"] == "stop" or verdict["manifest_sha256"] != pointer["manifest_sha256"]:
        return {}
    figures: dict[str, float] = verdict.get("figures", {})
    return figures
