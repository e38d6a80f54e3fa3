"""A manifest as figures: what it was made of and when, what became of its input rows, what its job measured."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

from jobs.lake.manifest import Manifest
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned

SECONDS_PER_HOUR = 3600


def manifest_figures(pinned: Pinned, wanted: Iterable[str]) -> dict[str, float]:
    """Name -> figure; those that the manifest cannot answer are left out.

    accounts                     how many row accounts it has (each was found to add up when it was read)
    dropped_frac log_lines bot   dropped by a reason, or by any, as a share of the rows that came in
    fact drift.stop              a number of its facts
    inputs_after_ds, newest_input_days_before, hours_after_inputs   its inputs' days and age
    """
    manifest = pinned.manifest
    found: dict[str, float] = {"accounts": len(manifest.accounting)}
    found |= _dropped(manifest)
    found |= _inputs(pinned)
    for name in wanted:
        kind, _, rest = name.partition(" ")
        if kind == "fact" and (value := _fact(manifest.facts, rest)) is not None:
            found[name] = value
        if kind == "dropped_frac" and f"{kind} {rest.partition(' ')[0]}" in found:
            found.setdefault(name, 0.0)  # a reason for which nothing was dropped is not listed
    return found


def _dropped(manifest: Manifest) -> dict[str, float]:
    found = {}
    for one in manifest.accounting:
        name = f"dropped_frac {one.unit.replace(' ', '_')}"
        found[name] = sum(one.dropped.values()) / max(one.rows_in, 1)
        for reason, rows in one.dropped.items():
            # bot_rate, bot_silent, ...: each by itself, and together
            names = {reason, reason.partition("_")[0]} if reason.startswith("bot_") else {reason}
            for each in names:
                at = f"{name} {each}"
                found[at] = found.get(at, 0.0) + rows / max(one.rows_in, 1)
    return found


def _inputs(pinned: Pinned) -> dict[str, float]:
    inputs = pinned.manifest.inputs
    if not inputs:
        return {}
    day = date.fromisoformat(pinned.partition.ds)
    days = [(day - date.fromisoformat(Partition.parse(one.partition).ds)).days for one in inputs]
    made = datetime.fromisoformat(pinned.manifest.created_at)
    newest = max(_started(one.attempt) for one in inputs)
    return {
        "inputs_after_ds": sum(before < 0 for before in days),
        "newest_input_days_before": min(days),
        "hours_after_inputs": (made - newest).total_seconds() / SECONDS_PER_HOUR,
    }


def _started(attempt: str) -> datetime:
    """An attempt's name begins with the time at which it was begun."""
    return datetime.strptime(attempt.partition("-")[0], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)


def _fact(facts: dict[str, Any], path: str) -> float | None:
    value: Any = facts
    for word in path.split("."):
        value = value.get(word) if isinstance(value, dict) else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
