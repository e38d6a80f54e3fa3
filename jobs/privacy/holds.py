"""Versions that aliases protect beyond their days: bundles in service or to roll back to, and the towers of each."""

from __future__ import annotations

from jobs.lake.alias import Promotion, all_histories, protected
from jobs.lake.partitions import Partition
from jobs.lake.read import pin

Holds = dict[tuple[str, str], str]  # (address, attempt) -> why


def holds() -> Holds:
    """Every version that must stay, with the reason."""
    found: Holds = {}
    for alias, history in all_histories().items():
        for number, event in enumerate(protected(history)):
            why = f"{alias} points at it" if not number else f"{alias} may go back to it"
            found.setdefault((event.partition, event.attempt), why)
            for towers in _towers(event):
                found.setdefault(towers, f"the towers of {event.partition}, bundle {event.id}")
    return found


def _towers(event: Promotion) -> list[tuple[str, str]]:
    """The towers that a bundle was made with: new days are embedded by them."""
    try:
        made = pin(Partition.parse(event.partition), attempt=event.attempt, even_stopped=True)
    except (FileNotFoundError, NotADirectoryError):
        return []
    inputs = made.manifest.inputs
    return [(one.partition, one.attempt) for one in inputs if one.partition.startswith("towers/")]
