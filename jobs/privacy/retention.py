"""Delete personal data past its retention days, then audit.

python -m jobs retention --retention retention/ds=2026-01-31 --dry_run 1   lists what would go, and deletes nothing
python -m jobs retention --retention retention/ds=2026-01-31

The zone of each table (jobs/lake/partitions.py) states what it holds of people. A version that an alias protects stays,
with its towers, and is listed. The stores under the NIGHTSHELF_HOME of this machine are cleared too.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jobs.lake.fault import fault_point
from jobs.lake.partitions import TABLES, Partition
from jobs.lake.publish import publish
from jobs.platform.arguments import CommandArgs, PositiveInt, ZeroOrOne
from jobs.privacy import local_files
from jobs.privacy.audit import Audit, audit
from jobs.privacy.deletion_log import DeletionLog, LogRow
from jobs.privacy.erase import ASIDE, WHOLE, Deletion, Protected, erase, plan_deletion, protected_versions
from jobs.privacy.limits import AgeLimits
from jobs.privacy.partition_folders import PartitionFolder, partition_folders

log = logging.getLogger(__name__)
NAMED = 20  # files that an error names


class Args(CommandArgs):
    """retention     output: the record of a day; ages count from that day
    raw_days      days to keep the raw zone, and rejected lines of any table
    judged_days   days to keep labels and external runs, whose queries people typed; longer for a reviewed set
    derived_days  days to keep the tables, towers and indexes made from them
    dry_run       1: list what would be deleted, delete nothing, publish nothing
    """

    retention: Partition
    raw_days: PositiveInt = 30
    judged_days: PositiveInt = 30
    derived_days: PositiveInt = 400
    dry_run: ZeroOrOne = 0

    def __post_init__(self) -> None:
        if self.raw_days > self.derived_days:
            raise ValueError(
                f"raw_days={self.raw_days}, derived_days={self.derived_days}: expected raw_days <= derived_days"
            )
        if self.retention.ds > (today := datetime.now(UTC).date().isoformat()):
            raise ValueError(
                f"{self.retention}: lies in the future (today is {today}); ages counted from it would end days"
                " that may stay"
            )

    @property
    def limits(self) -> AgeLimits:
        """The limits of the day."""
        return AgeLimits(self.retention.ds, self.raw_days, self.judged_days, self.derived_days)


def main(args: Args) -> dict[str, object]:
    """Delete, audit, publish the record.

    Raises:
        BlockingIOError: a partition was being written; what else was due is deleted.
        RuntimeError: files are left.
    """
    limits = args.limits
    if args.dry_run:
        return _rehearse(*_due(limits))
    with publish(args.retention, args) as out:
        due, files = _due(limits)
        deletions = DeletionLog(args.retention)
        deletions.begin(due, files)
        fault_point("retention.planned")
        busy = [deletion.folder for deletion in due if not _erased(deletion)]
        local_files.erase(files, limits)
        versions = protected_versions()
        result = audit(limits, versions)
        _refuse(args.retention, busy, result)
        fault_point("retention.audited")
        held = _held(limits, versions)
        (out.folder / "retention.json").write_bytes(_record(limits, deletions.rows, held))
        out.facts.update(_facts(deletions.rows, held, result))
    keys = ("partitions", "quarantines", "files", "bytes", "held", "left")
    return {"retention": str(args.retention), **{key: out.facts[key] for key in keys}}


def _due(limits: AgeLimits) -> tuple[list[Deletion], dict[str, list[Path]]]:
    folders, versions = list(partition_folders()), protected_versions()
    if former := [folder.below for folder in folders if folder.is_former]:
        # the versions that aliases protect are found by today's names alone
        raise RuntimeError(
            f"{former[0]} and {len(former) - 1} other folders have former names; `python -m jobs migrate` renames"
            " them, then do it again"
        )
    plans = (plan_deletion(folder, limits, versions) for folder in folders)
    return [plan for plan in plans if plan is not None], local_files.expired_files(limits)


def _erased(deletion: Deletion) -> bool:
    """Delete a partition, unless another process is writing it."""
    try:
        erase(deletion, protected_versions())
    except BlockingIOError:
        log.warning("%s: is being written; left for the next try", deletion.folder.address)
        return False
    log.info("%s: %s deleted, %s", deletion.folder.address, deletion.what, _size(deletion))
    return True


def _refuse(target: Partition, busy: list[PartitionFolder], result: Audit) -> None:
    """End with an error that names what is left."""
    others = [name for name in result.left if not any(f"/{folder.below}/" in name for folder in busy)]
    if others:
        names = "\n".join(others[:NAMED])
        raise RuntimeError(
            f"{target}: {len(others):,} files are left whose days are over, expected none; move or delete what"
            f" Nightshelf did not put there, then do it again:\n{names}"
        )
    if busy:
        names = ", ".join(folder.address for folder in busy)
        raise BlockingIOError(f"{target}: {names}: being written, so not deleted; all else is; do it again")


def _held(limits: AgeLimits, versions: Protected) -> list[dict[str, str]]:
    """Expired versions that stay."""
    return [
        {"partition": address, "attempt": attempt, "why": why, "typed": TABLES[address.partition("/")[0]].typed}
        for (address, attempt), why in sorted(versions.items())
        if limits.expired(address.partition("/")[0], Partition.parse(address).ds)
    ]


def _facts(rows: list[LogRow], held: list[dict[str, str]], result: Audit) -> dict[str, Any]:
    return {
        "partitions": sum(row["what"] == WHOLE for row in rows),
        "quarantines": sum(row["what"] == ASIDE for row in rows),
        "files": sum(row["files"] for row in rows),
        "bytes": sum(row["bytes"] for row in rows),
        "held": held,
        "scanned": {
            where: {"files": result.files[where], "bytes": result.bytes[where]} for where in sorted(result.files)
        },
        "not_covered": result.not_covered,
        "left": len(result.left),
    }


def _record(limits: AgeLimits, rows: list[LogRow], held: list[dict[str, str]]) -> bytes:
    """Canonical bytes of the record: addresses and counts, nobody's text."""
    record = {**asdict(limits), "deleted": rows, "held": held}
    return json.dumps(record, indent=1, sort_keys=True).encode()


def _rehearse(due: list[Deletion], files: dict[str, list[Path]]) -> dict[str, object]:
    for deletion in due:
        log.info("%s: %s would go, %s", deletion.folder.address, deletion.what, _size(deletion))
    return {
        "would_delete": sorted({deletion.folder.address for deletion in due}),
        "files": sum(deletion.files for deletion in due) + sum(map(len, files.values())),
        "bytes": sum(deletion.bytes for deletion in due),
    }


def _size(deletion: Deletion) -> str:
    return f"{deletion.files:,} files, {deletion.bytes:,} bytes"
