"""Inspect a raw delivery before Spark reads it: reject damaged files, profile the others, compare with earlier days."""

from __future__ import annotations

import csv
import io
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from jobs.ingest.drift import DAYS, drift_facts, schema_changes
from jobs.ingest.drift_rules import CATALOGUE, LOG
from jobs.ingest.profile import Profile, Record, items_profile, log_profile, parsed
from jobs.ingest.record_forms import is_usual, usual_form
from jobs.ingest.sample import HEAD
from jobs.ingest.scan import GB, MAX_UNPACKED_GB, Scan, scan
from jobs.ingest.ubi import ACTION_NAMES
from jobs.lake.attempt import Attempt
from jobs.lake.manifest import FileEntry
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned
from jobs.lake.windows import before_day
from jobs.platform.csv_text import delimiter_of
from jobs.platform.spark_udfs import ABSENT

log = logging.getLogger(__name__)
LOOK_BACK_DAYS = 14
NAMED = 10  # files that a message names


@dataclass(frozen=True)
class UndamagedFiles(Pinned):
    """A pinned version without its damaged files; the scan has just checked the others."""

    def check(self, entry: FileEntry) -> str:
        """URI of a file."""
        return f"{self.uri}/{entry.name}"


@dataclass(frozen=True)
class Inspection:
    """Result of an inspection. rejected: name, bytes and reason of each damaged file."""

    undamaged: Pinned
    rejected: Sequence[dict[str, Any]]
    profile: Profile
    drift: dict[str, Any]

    @property
    def alerts(self) -> list[str]:
        """Sentences for the person on call, of names and counts."""
        name = self.undamaged.partition
        files = [
            f"{name}: {file['name']} set aside ({file['bytes']:,} bytes): {file['reason']}" for file in self.rejected
        ]
        return files[:NAMED] + [f"{name}: {text}" for text in self.drift["findings"][:NAMED]]

    def record(self, out: Attempt) -> None:
        """Write the result into the manifest's facts."""
        out.facts |= {"files_set_aside": list(self.rejected), "profile": self.profile, "drift": self.drift}


def inspect(
    pinned: Pinned,
    output: Partition,
    max_bad_file_frac: float,
    accept_drift: int,
    max_unpacked_gb: float = MAX_UNPACKED_GB,
    action_names: Mapping[str, str] = ACTION_NAMES,
) -> Inspection:
    """Scan every file once, several in parallel. The days of the table `output` hold the earlier profiles.

    action_names: what the log calls the actions; the profile has the actions' own names.

    Raises:
        RuntimeError: a file differs from its manifest.
        ValueError: the share of damaged bytes is above max_bad_file_frac, or the files unpack to too much.
    """
    entries = pinned.entries()
    scans = _scans(pinned, max_unpacked_gb)
    _check_size(pinned, scans, max_unpacked_gb)
    rejected = _damaged(entries, scans)
    _check(pinned, rejected, max_bad_file_frac)
    names = {file["name"] for file in rejected}
    kept = [entry for entry in pinned.manifest.files if entry.name not in names]
    undamaged = UndamagedFiles(pinned.partition, replace(pinned.manifest, files=kept), pinned.manifest_sha256)
    is_log = pinned.partition.name == "log"
    records = (
        record
        for entry, scanned in zip(entries, scans, strict=True)
        if not scanned.flaw
        for record in _records(entry, scanned)
    )
    profile = log_profile(_usual(records, action_names)) if is_log else items_profile(records)
    days = _earlier_profiles(output)
    changes = schema_changes(profile, [earlier for _, earlier in days], LOG if is_log else CATALOGUE)
    result = Inspection(undamaged, rejected, profile, drift_facts(changes, [ds for ds, _ in days], accept_drift))
    for text in result.alerts:
        log.warning("%s", text)
    return result


def _usual(records: Iterable[Record], action_names: Mapping[str, str]) -> Iterator[Record]:
    for record in records:
        for one in [record] if is_usual(record) else usual_form(dict(record)):
            yield _with_own_name(one, action_names)


def _with_own_name(record: Record, action_names: Mapping[str, str]) -> Record:
    name = str(record.get("action_name")).strip().lower()
    if name in ABSENT or action_names.get(name) == "search":
        return {**record, "action_name": None}
    if name in ACTION_NAMES or name not in action_names:
        return record
    return {**record, "action_name": action_names[name]}


def damaged(pinned: Pinned) -> list[dict[str, Any]]:
    """Name, bytes and reason of each damaged file of a raw partition."""
    return _damaged(pinned.entries(), _scans(pinned))


def _scans(pinned: Pinned, max_unpacked_gb: float = MAX_UNPACKED_GB) -> list[Scan]:
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(lambda entry: scan(pinned.check(entry), max_unpacked_gb), pinned.entries()))


def _check_size(pinned: Pinned, scans: Sequence[Scan], max_unpacked_gb: float) -> None:
    """Refuse a delivery whose files are each small enough, and are too much together."""
    total = sum(scanned.unpacked_bytes for scanned in scans if not scanned.flaw)
    if total > max_unpacked_gb * GB:
        raise ValueError(
            f"{pinned.partition}: its files unpack to {total:,} bytes, expected at most {max_unpacked_gb:g} GB"
            " (max_unpacked_gb); deliver the day again, or raise the limit"
        )


def _damaged(entries: Sequence[FileEntry], scans: Sequence[Scan]) -> list[dict[str, Any]]:
    return [
        {"name": entry.name, "bytes": entry.bytes, "reason": scanned.flaw}
        for entry, scanned in zip(entries, scans, strict=True)
        if scanned.flaw
    ]


def _earlier_profiles(output: Partition) -> list[tuple[str, Profile]]:
    """(day, profile) of the newest earlier days with a profile, without the days that their verdict stopped."""
    days = before_day(output.table, output.ds, LOOK_BACK_DAYS).days
    profiles = [(day.partition.ds, day.facts["profile"]) for day in days if "profile" in day.facts]
    return profiles[-DAYS:]


def _check(pinned: Pinned, rejected: Sequence[dict[str, Any]], max_bad_file_frac: float) -> None:
    entries = pinned.entries()
    total, bad = sum(entry.bytes for entry in entries), sum(file["bytes"] for file in rejected)
    if not rejected or (len(rejected) < len(entries) and bad <= max_bad_file_frac * total):
        return
    names = "; ".join(f"{file['name']}: {file['reason']}" for file in rejected[:NAMED])
    more = f"; and {len(rejected) - NAMED} more" if len(rejected) > NAMED else ""
    raise ValueError(
        f"{pinned.partition}: {len(rejected)} of {len(entries)} files, {bad / max(1, total):.1%} of the bytes, are"
        f" damaged ({names}{more}), expected {max_bad_file_frac:.1%} at most; deliver the day again with"
        " `python -m jobs land`, or these files alone with `python -m jobs replay --mended`"
    )


def _records(entry: FileEntry, scanned: Scan) -> Sequence[Record]:
    if scanned.rows:
        return scanned.rows
    if ".csv" not in entry.name.lower():
        return list(parsed(scanned.lines))
    # use the head only: a CSV record may span lines, so a later line may begin inside quotes
    text = b"\n".join(scanned.lines[:HEAD]).decode("utf-8-sig", "replace")
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter_of(text.partition("\n")[0])))
    except csv.Error:
        return []
    return [{k: v for k, v in row.items() if isinstance(k, str) and isinstance(v, str) and v} for row in rows]
