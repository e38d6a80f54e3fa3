"""What a moving name holds beyond its days: bundles in service or to roll back to, and the towers of each."""

from __future__ import annotations

import re

from jobs.lake import promotions
from jobs.lake import storage as store
from jobs.lake.partitions import Partition, lake_root
from jobs.lake.promotions import Promotion
from jobs.lake.read import pin

Holds = dict[tuple[str, str], str]  # (address, attempt) -> why


def holds() -> Holds:
    """Every version that must stay, with the reason."""
    pointers = f"{lake_root()}/pointers"
    names = [name for name, _ in store.list_files(pointers) if re.fullmatch(r"[a-z_]+\.json", name)]
    found: Holds = {}
    for name in names:
        history = promotions.parse_name(store.read_bytes(f"{pointers}/{name}"))
        said = name.removesuffix(".json")
        for number, event in enumerate(promotions.kept(history)):
            why = f"{said} points at it" if not number else f"{said} may go back to it"
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
