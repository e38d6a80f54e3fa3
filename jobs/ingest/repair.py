"""Rejected lines and files of a day, and their repair by files that are delivered again.

A repair publishes a new version of the raw partition, completely or not at all. Good lines that a repaired file repeats
are deduplicated like any line that is delivered twice. A rejected line stays in its old file and stays rejected. So no
line is lost or counted twice, however much of a file is delivered again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from jobs.ingest.delivered_files import LOG_ENDINGS, copy_checked, find, plain_name, refuse_others
from jobs.ingest.inspect import damaged
from jobs.ingest.scan import scan
from jobs.lake import storage as store
from jobs.lake.attempt import Attempt
from jobs.lake.manifest import QUARANTINE
from jobs.lake.partitions import DERIVED, ITEMS, QUERY_USERS, TABLES, Partition
from jobs.lake.read import Pinned, expired, pin, published_days
from jobs.platform.html import printable

BATCH_ROWS = 10_000
# the tables of a day that come of its log, in the order of a night
DAILY = [
    table
    for table in TABLES.values()
    if table.keys == ("ds",) and table != ITEMS and (table.zone == DERIVED or table == QUERY_USERS)
]
LAST = "9999-12-31"


@dataclass(frozen=True)
class RejectedInput:
    """Rejected lines and damaged files of a day.

    lines: (reason, file) -> number; file is empty if retention deleted the quarantine. files: name, bytes and reason.
    """

    lines: dict[tuple[str, str], int]
    files: list[dict[str, Any]]
    is_expired: bool

    def table(self) -> str:
        """The counts as text, in columns."""
        rows = [
            (reason, file or "(no longer kept)", f"{number:,} lines") for (reason, file), number in self.lines.items()
        ]
        rows += [("damaged", file["name"], f"{file['bytes']:,} bytes: {file['reason']}") for file in self.files]
        if not rows:
            return "nothing was set aside"
        first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
        return "\n".join(f"{row[0]:{first}}  {row[1]:{second}}  {row[2]}" for row in rows)


@dataclass(frozen=True)
class Repair:
    """Names of files. added: new files; replaced: damaged files they replace; known: files that were there already."""

    added: list[str]
    replaced: list[str]
    known: list[str]


def rejected_input(pinned: Pinned, reasons: tuple[str, ...]) -> RejectedInput:
    """Count the quarantine of a partition; use the manifest's counts if retention deleted the quarantine."""
    files = list(pinned.facts.get("files_set_aside", ()))
    entries = pinned.entries(QUARANTINE)
    if any(expired(pinned.uri, entry) for entry in entries):
        dropped = pinned.manifest.accounting[0].dropped
        kept = {(reason, ""): dropped[reason] for reason in reasons if reason in dropped}
        return RejectedInput(kept, files, is_expired=True)
    lines: Counter[tuple[str, str]] = Counter()
    for row in _quarantine_rows(pinned, ["reason", "file"]):
        lines[row["reason"], row["file"]] += 1
    return RejectedInput(dict(sorted(lines.items())), files, is_expired=False)


def rejected_texts(pinned: Pinned, number: int) -> list[str]:
    """The first `number` texts of each reason, without terminal control characters."""
    texts: dict[str, list[str]] = defaultdict(list)
    for row in _quarantine_rows(pinned, ["reason", "raw"]):
        if len(texts[row["reason"]]) < number:
            texts[row["reason"]].append(f"{row['reason']}: {printable(row['raw'])}")
    return [text for of_reason in texts.values() for text in of_reason]


def _quarantine_rows(pinned: Pinned, columns: list[str]) -> Iterator[dict[str, str]]:
    for uri in pinned.files(QUARANTINE):
        system, path = store.filesystem(uri)
        with pq.ParquetFile(path, filesystem=system, page_checksum_verification=True) as file:
            for batch in file.iter_batches(BATCH_ROWS, columns=columns):
                yield from batch.to_pylist()


def repaired_files(pattern: str) -> list[str]:
    """The files that a pattern names, if all of them are intact.

    Raises:
        ValueError: a file is of another kind, or damaged itself.
    """
    sources = find(pattern)
    refuse_others(sources, LOG_ENDINGS, "log", pattern)
    flaws = [f"{source}: {flaw}" for source in sources if (flaw := scan(source).flaw)]
    if flaws:
        raise ValueError(f"{'; '.join(flaws)}; expected whole files, nothing was landed")
    return sources


def land_repaired(out: Attempt, sources: Sequence[str]) -> Repair:
    """Fill an attempt at a raw partition with its intact files and the repaired ones."""
    # pin under the lock: of two repairs at the same time, the second builds on the first
    before = pin(out.partition)
    broken = {file["name"] for file in damaged(before)}
    replaced = {name for source in sources if (name := plain_name(source)) in broken}
    names = {entry.name: entry.sha256 for entry in before.entries() if entry.name not in replaced}
    for name in names:  # damaged() has just compared them with their manifest
        copy_checked(f"{before.uri}/{name}", str(out.folder / name))
    added, known = [], []
    for source in sources:
        sha256 = store.sha256(source)
        if sha256 in names.values():
            known.append(plain_name(source))
            continue
        name = _free_name(plain_name(source), names)
        names[name] = copy_checked(source, str(out.folder / name))
        added.append(name)
    out.simulated = before.manifest.simulated
    repair = {"of": before.manifest.attempt, "added": added, "replaced": sorted(replaced)}
    out.facts |= before.facts
    out.facts["mended"] = [*before.facts.get("mended", ()), repair]
    out.facts["sources"] = [*before.facts.get("sources", ()), *sources]
    if not added:
        raise ValueError(f"{out.partition}: {', '.join(known)} already landed; nothing new to add")
    return Repair(added, sorted(replaced), known)


def _free_name(name: str, taken: dict[str, str]) -> str:
    """The name itself if it is free, as the name of a replaced file is; else the name with a numbered prefix."""
    tried, number = name if not name.startswith(("_", ".")) else f"mended{name}", 0
    while tried in taken:
        number += 1
        tried = f"mended{number}_{name}"
    return tried


def dependent_days(day: Partition) -> list[str]:
    """Later days whose published tables were made from this day's tables, according to their manifests."""
    stale = {str(table.at(ds=day.ds)) for table in DAILY}
    dependent = set()
    published = {table: published_days(table, day.ds, LAST) for table in DAILY}
    for ds in sorted({ds for days in published.values() for ds in days if ds > day.ds}):
        for table in (table for table in DAILY if ds in published[table]):
            later = pin(table.at(ds=ds), even_stopped=True)
            if stale & {source.partition for source in later.manifest.inputs}:
                stale.add(str(later.partition))
                dependent.add(ds)
    return sorted(dependent)
