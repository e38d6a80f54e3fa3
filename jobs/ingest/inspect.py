"""A raw delivery before it is read: damaged files set aside by name, what is left profiled and compared."""

from __future__ import annotations

import csv
import io
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from jobs.ingest.drift import DAYS, drift, findings
from jobs.ingest.drift_rules import CATALOGUE, LOG
from jobs.ingest.profile import Profile, Record, items_profile, log_profile, parsed
from jobs.ingest.sample import HEAD
from jobs.ingest.scan import Scan, scan
from jobs.lake.attempt import Attempt
from jobs.lake.manifest import FileEntry
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned
from jobs.lake.windows import before_day

log = logging.getLogger(__name__)
LOOK_BACK_DAYS = 14
NAMED = 10  # files that a message names


@dataclass(frozen=True)
class Whole(Pinned):
    """A version of which the damaged files are left out; the others were checked a moment ago."""

    def check(self, entry: FileEntry) -> str:
        """The URI of a file."""
        return f"{self.uri}/{entry.name}"


@dataclass(frozen=True)
class Inspection:
    """What was found. aside: name, bytes and reason of each damaged file."""

    whole: Pinned
    aside: Sequence[dict[str, Any]]
    profile: Profile
    drift: dict[str, Any]

    @property
    def alerts(self) -> list[str]:
        """What somebody should look at: names and counts."""
        name = self.whole.partition
        found = [f"{name}: {one['name']} set aside ({one['bytes']:,} bytes): {one['reason']}" for one in self.aside]
        return found[:NAMED] + [f"{name}: {text}" for text in self.drift["findings"][:NAMED]]

    def tell(self, out: Attempt) -> None:
        """Put it into the manifest."""
        out.facts |= {"files_set_aside": list(self.aside), "profile": self.profile, "drift": self.drift}


def inspect(pinned: Pinned, output: Partition, max_bad_file_frac: float, accept_drift: int) -> Inspection:
    """Look every file through, once, several at a time; `output` names the table whose days hold earlier profiles.

    Raises:
        RuntimeError: a file is not the one that its manifest lists.
        ValueError: more of the bytes are damaged than may be.
    """
    entries = pinned.entries()
    scans = _scans(pinned)
    aside = _aside(entries, scans)
    _check(pinned, aside, max_bad_file_frac)
    names = {one["name"] for one in aside}
    kept = [entry for entry in pinned.manifest.files if entry.name not in names]
    whole = Whole(pinned.partition, replace(pinned.manifest, files=kept), pinned.manifest_sha256)
    is_log = pinned.partition.name == "log"
    records = (r for entry, one in zip(entries, scans, strict=True) if not one.flaw for r in _records(entry, one))
    profile = log_profile(records) if is_log else items_profile(records)
    days = _earlier(output)
    found = findings(profile, [facts for _, facts in days], LOG if is_log else CATALOGUE)
    result = Inspection(whole, aside, profile, drift(found, [ds for ds, _ in days], accept_drift))
    for text in result.alerts:
        log.warning("%s", text)
    return result


def damaged(pinned: Pinned) -> list[dict[str, Any]]:
    """Name, bytes and reason of each damaged file of a raw partition."""
    return _aside(pinned.entries(), _scans(pinned))


def _scans(pinned: Pinned) -> list[Scan]:
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(lambda entry: scan(pinned.check(entry)), pinned.entries()))


def _aside(entries: Sequence[FileEntry], scans: Sequence[Scan]) -> list[dict[str, Any]]:
    return [
        {"name": entry.name, "bytes": entry.bytes, "reason": one.flaw}
        for entry, one in zip(entries, scans, strict=True)
        if one.flaw
    ]


def _earlier(output: Partition) -> list[tuple[str, Profile]]:
    """(day, profile) of the newest days before that were not stopped and have one."""
    days = before_day(output.table, output.ds, LOOK_BACK_DAYS).days
    found = [(day.partition.ds, day.facts["profile"]) for day in days if "profile" in day.facts]
    return found[-DAYS:]


def _check(pinned: Pinned, aside: Sequence[dict[str, Any]], max_bad_file_frac: float) -> None:
    entries = pinned.entries()
    total, bad = sum(entry.bytes for entry in entries), sum(one["bytes"] for one in aside)
    if not aside or (len(aside) < len(entries) and bad <= max_bad_file_frac * total):
        return
    names = "; ".join(f"{one['name']}: {one['reason']}" for one in aside[:NAMED])
    more = f"; and {len(aside) - NAMED} more" if len(aside) > NAMED else ""
    raise ValueError(
        f"{pinned.partition}: {len(aside)} of {len(entries)} files, {bad / max(1, total):.1%} of the bytes, are damaged"
        f" ({names}{more}), expected {max_bad_file_frac:.1%} at most; deliver them again, with jobs.ingest.land or, those alone,"
        f" with jobs.ingest.replay --mended"
    )


def _records(entry: FileEntry, found: Scan) -> Sequence[Record]:
    if found.rows:
        return found.rows
    if ".csv" not in entry.name.lower():
        return list(parsed(found.lines))
    # a record may go over lines: one that begins anywhere but at the head may begin within quotes
    text = b"\n".join(found.lines[:HEAD]).decode("utf-8-sig", "replace")
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except csv.Error:
        return []
    return [{k: v for k, v in row.items() if isinstance(k, str) and isinstance(v, str) and v} for row in rows]
