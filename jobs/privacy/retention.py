"""What people typed goes when its days are over, and what was made of it later; then everything is looked through.

python -m jobs retention --retention retention/ds=2026-01-31 --dry_run 1   says what would go, and deletes nothing
python -m jobs retention --retention retention/ds=2026-01-31

Which table holds what of people stands in jobs/zones.py. A version that a moving name holds stays, with its towers,
and is listed. The stores cleared are those of the NIGHTSHELF_HOME of this machine.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jobs.lake.fault import fault_point
from jobs.lake.partitions import Partition
from jobs.lake.publish import publish
from jobs.lake.zones import TYPED
from jobs.privacy import local_files as stores
from jobs.privacy.audit import Scan, scan
from jobs.privacy.deletion_log import Ledger
from jobs.privacy.erase import Doomed, doomed, erase
from jobs.privacy.holds import Holds, holds
from jobs.privacy.limits import Limits
from jobs.privacy.partition_folders import Place, places

log = logging.getLogger(__name__)
NAMED = 20  # files that an error names


@dataclass(frozen=True)
class Args:
    """retention     output: the record of a day, which is the day that ages count from
    raw_days      days that the raw zone stays, and rejected lines wherever they lie
    judged_days   days that labels and runs stay, whose queries somebody typed; longer for a set that was read through
    derived_days  days that tables, towers and indexes stay that were made of it
    dry_run       1: say what would go, delete nothing, publish nothing
    """

    retention: Partition
    raw_days: int = 30
    judged_days: int = 30
    derived_days: int = 400
    dry_run: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.raw_days <= self.derived_days or self.judged_days < 1 or self.dry_run not in (0, 1):
            raise ValueError(
                f"found raw_days={self.raw_days}, judged_days={self.judged_days}, derived_days={self.derived_days},"
                f" dry_run={self.dry_run}; expected 1 <= raw_days <= derived_days, 1 <= judged_days, dry_run 0 or 1"
            )
        if self.retention.ds > (today := datetime.now(UTC).date().isoformat()):
            raise ValueError(
                f"{self.retention}: lies in the future (today is {today}); ages counted from it would end days"
                " that may stay"
            )

    @property
    def limits(self) -> Limits:
        """The limits of the day."""
        return Limits(self.retention.ds, self.raw_days, self.judged_days, self.derived_days)


def main(args: Args) -> dict[str, object]:
    """Delete, prove, publish the record.

    Raises:
        BlockingIOError: a partition was being written; what else was due is deleted.
        RuntimeError: something was left.
    """
    limits = args.limits
    if args.dry_run:
        return _said(*_due(limits))
    with publish(args.retention, args) as out:
        due, files = _due(limits)
        ledger = Ledger(args.retention)
        ledger.begin(due, files)
        fault_point("retention.planned")
        busy = [one.place for one in due if not _erased(one)]
        stores.erase(files, limits)
        held = holds()
        seen = scan(limits, held)
        _refuse(args.retention, busy, seen)
        fault_point("retention.proved")
        kept = _held(limits, held)
        rows = ledger.rows
        (out.folder / "retention.json").write_bytes(_record(args, rows, kept))
        out.facts.update(
            partitions=sum(row["what"] == "whole" for row in rows),
            quarantines=sum(row["what"] == "quarantine" for row in rows),
            files=sum(row["files"] for row in rows),
            bytes=sum(row["bytes"] for row in rows),
            held=kept,
            scanned={where: {"files": seen.files[where], "bytes": seen.bytes[where]} for where in sorted(seen.files)},
            not_covered=seen.not_covered,
            left=len(seen.left),
        )
    keys = ("partitions", "quarantines", "files", "bytes", "held", "left")
    return {"retention": str(args.retention), **{key: out.facts[key] for key in keys}}


def _due(limits: Limits) -> tuple[list[Doomed], dict[str, Any]]:
    held = holds()
    due = [one for place in places() if (one := doomed(place, limits, held)) is not None]
    return due, stores.doomed(limits)


def _erased(one: Doomed) -> bool:
    """Delete a partition, unless somebody is writing it."""
    try:
        erase(one, holds())
    except BlockingIOError:
        log.warning("%s: is being written; left for the next try", one.place.address)
        return False
    log.info("%s: %s deleted, %d files, %s bytes", one.place.address, one.what, one.files, f"{one.bytes:,}")
    return True


def _refuse(target: Partition, busy: list[Place], seen: Scan) -> None:
    """End with an error that names what is left."""
    others = [name for name in seen.left if not any(f"/{place.below}/" in name for place in busy)]
    if others:
        names = "\n".join(others[:NAMED])
        raise RuntimeError(
            f"{target}: {len(others):,} files are left whose days are over, expected none; move or delete what"
            f" Nightshelf did not put there, then do it again:\n{names}"
        )
    if busy:
        names = ", ".join(place.address for place in busy)
        raise BlockingIOError(f"{target}: {names}: being written, so not deleted; all else is; do it again")


def _held(limits: Limits, held: Holds) -> list[dict[str, str]]:
    """Versions whose days are over and that stay."""
    return [
        {"partition": address, "attempt": attempt, "why": why, "typed": TYPED.get(address.partition("/")[0], "nothing")}
        for (address, attempt), why in sorted(held.items())
        if limits.over(address.partition("/")[0], Partition.parse(address).ds)
    ]


def _record(args: Args, rows: list[dict[str, Any]], held: list[dict[str, str]]) -> bytes:
    """Canonical bytes: addresses and counts, no text of anybody."""
    found = {
        "day": args.retention.ds,
        "raw_days": args.raw_days,
        "judged_days": args.judged_days,
        "derived_days": args.derived_days,
        "deleted": rows,
        "held": held,
    }
    return json.dumps(found, indent=1, sort_keys=True).encode()


def _said(due: list[Doomed], files: dict[str, Any]) -> dict[str, object]:
    for one in due:
        log.info("%s: %s would go, %d files, %s bytes", one.place.address, one.what, one.files, f"{one.bytes:,}")
    return {
        "would_delete": sorted({one.place.address for one in due}),
        "files": sum(one.files for one in due) + sum(map(len, files.values())),
        "bytes": sum(one.bytes for one in due),
    }
