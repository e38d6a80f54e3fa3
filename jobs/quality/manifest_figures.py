"""Figures of a manifest: its inputs and their age, its dropped rows, and the facts that its job measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any

from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned
from jobs.quality.overview.record import Account, accounts_of

SECONDS_PER_HOUR = 3600
# lines that hold no record: a file of them is odd, and nothing is lost with it
NO_RECORD = ("blank", "bulk_action")


def manifest_figures(pinned: Pinned, wanted: Iterable[str]) -> dict[str, float]:
    """Name -> figure; those that the manifest cannot answer are left out.

    accounts                     number of its row accounts (each adds up, or it could not be read)
    rows_in log_lines            records that came in
    dropped_frac log_lines bot   records dropped for a reason, or for any, as a share of them
    fact drift.stop              a number of its facts
    inputs_after_ds, newest_input_days_before, hours_after_inputs   its inputs' days and age
    """
    accounts = accounts_of(pinned.manifest)
    figures: dict[str, float] = {"accounts": len(accounts), **_dropped(accounts), **_inputs(pinned)}
    for name in wanted:
        kind, _, rest = name.partition(" ")
        if kind == "fact" and (value := _fact(pinned.manifest.facts, rest)) is not None:
            figures[name] = value
        if kind == "dropped_frac" and f"{kind} {rest.partition(' ')[0]}" in figures:
            figures.setdefault(name, 0.0)  # a reason without a dropped row is not listed
    return figures


def _dropped(accounts: Sequence[Account]) -> dict[str, float]:
    shares: dict[str, float] = {}
    for account in accounts:
        dropped = {reason: rows for reason, rows in account["dropped"].items() if reason not in NO_RECORD}
        empty = sum(account["dropped"].values()) - sum(dropped.values())
        name, rows_in = f"dropped_frac {account['unit'].replace(' ', '_')}", max(account["rows_in"] - empty, 1)
        shares[f"rows_in {name.partition(' ')[2]}"] = account["rows_in"] - empty
        shares[name] = sum(dropped.values()) / rows_in
        for reason, rows in dropped.items():
            # bot_rate, bot_silent, ...: each by itself, and together
            names = {reason, reason.partition("_")[0]} if reason.startswith("bot_") else {reason}
            for each in names:
                shares[f"{name} {each}"] = shares.get(f"{name} {each}", 0.0) + rows / rows_in
    return shares


def _inputs(pinned: Pinned) -> dict[str, float]:
    inputs = pinned.manifest.inputs
    if not inputs:
        return {}
    day = date.fromisoformat(pinned.partition.ds)
    days = [(day - date.fromisoformat(Partition.parse(source.partition).ds)).days for source in inputs]
    made = datetime.fromisoformat(pinned.manifest.created_at)
    newest = max(_started(source.attempt) for source in inputs)
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
