"""What a day set aside: rejected lines by reason and file, damaged files by name; texts only when somebody asks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from jobs.lake import storage as store
from jobs.lake.expiry import expired
from jobs.lake.manifest import QUARANTINE
from jobs.lake.read import Pinned
from jobs.platform.display import printable

BATCH_ROWS = 10_000


@dataclass(frozen=True)
class Rejected:
    """lines: (reason, file) -> number; file is empty where the quarantine's days are over and its files are gone."""

    lines: dict[tuple[str, str], int]
    files: list[dict[str, Any]]
    is_expired: bool

    def table(self) -> str:
        """The counts, in columns."""
        rows = [
            (reason, file or "(no longer kept)", f"{number:,} lines") for (reason, file), number in self.lines.items()
        ]
        rows += [("damaged", one["name"], f"{one['bytes']:,} bytes: {one['reason']}") for one in self.files]
        if not rows:
            return "nothing was set aside"
        first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
        return "\n".join(f"{row[0]:{first}}  {row[1]:{second}}  {row[2]}" for row in rows)


def rejected(pinned: Pinned, reasons: tuple[str, ...]) -> Rejected:
    """Count the quarantine of a partition; of one whose days are over, what its manifest still says."""
    files = list(pinned.facts.get("files_set_aside", ()))
    entries = pinned.entries(QUARANTINE)
    if any(expired(pinned.uri, entry) for entry in entries):
        dropped = pinned.manifest.accounting[0].dropped
        kept = {(reason, ""): dropped[reason] for reason in reasons if reason in dropped}
        return Rejected(kept, files, is_expired=True)
    lines: Counter[tuple[str, str]] = Counter()
    for row in _rows(pinned, ["reason", "file"]):
        lines[row["reason"], row["file"]] += 1
    return Rejected(dict(sorted(lines.items())), files, is_expired=False)


def samples(pinned: Pinned, number: int) -> list[str]:
    """The first texts of each reason, without what a terminal would obey."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in _rows(pinned, ["reason", "raw"]):
        if len(found[row["reason"]]) < number:
            found[row["reason"]].append(f"{row['reason']}: {printable(row['raw'])}")
    return [text for texts in found.values() for text in texts]


def _rows(pinned: Pinned, columns: list[str]) -> Iterator[dict[str, str]]:
    for uri in pinned.files(QUARANTINE):
        system, path = store.filesystem(uri)
        with pq.ParquetFile(path, filesystem=system, page_checksum_verification=True) as file:
            for batch in file.iter_batches(BATCH_ROWS, columns=columns):
                yield from batch.to_pylist()
