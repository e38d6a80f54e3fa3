"""The deletion log of a day, written before anything is deleted, so that a killed run leaves a full account."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jobs.lake import storage as store
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned
from jobs.platform.tracking import trials_folder
from jobs.privacy.erase import Deletion
from jobs.privacy.partition_folders import PartitionFolder

NAME = "_ledger.json"
CLIENTS = "rows of clients"
LogRow = dict[str, Any]


class DeletionLog:
    """Rows of a day: partitions, then the stores under NIGHTSHELF_HOME. They hold addresses and counts alone."""

    def __init__(self, partition: Partition) -> None:
        self.uri = f"{partition.uri}/{NAME}"

    @property
    def rows(self) -> list[LogRow]:
        """Partitions that any try of the day has begun to delete."""
        try:
            rows: list[LogRow] = json.loads(store.read_bytes(self.uri))
        except FileNotFoundError:
            return []
        return rows

    def begin(self, due: Sequence[Deletion], files: Mapping[str, Sequence[Path]]) -> None:
        """Add what is due. Where an earlier try began on the same, the larger count stays."""
        self.add([*_home_rows(files), *_lake_rows(due)])

    def add(self, due: Sequence[LogRow]) -> None:
        """Add rows that are due."""
        rows = {_key(row): row for row in due}
        for earlier in self.rows:
            now = rows.get(_key(earlier), earlier)
            rows[_key(earlier)] = max(earlier, now, key=lambda row: (row["files"], row["bytes"]))
        store.write_bytes(self.uri, json.dumps([rows[key] for key in sorted(rows)], indent=1, sort_keys=True).encode())


def rows_of_clients(versions: Sequence[Pinned]) -> list[LogRow]:
    """A row for each version that holds rows of clients, and will be published without them, or deleted."""
    return [
        _row(
            "lake",
            f"{pinned.partition}/{pinned.manifest.attempt}",
            pinned.manifest.table_version,
            CLIENTS,
            len(pinned.manifest.files),
            sum(entry.bytes for entry in pinned.manifest.files),
        )
        for pinned in versions
    ]


def _lake_rows(due: Sequence[Deletion]) -> list[LogRow]:
    return [
        _row(_where(d.folder), d.folder.address, d.folder.version, d.what, d.files, d.bytes) for d in due if d.files
    ]


def _home_rows(files: Mapping[str, Sequence[Path]]) -> list[LogRow]:
    return [
        _row("home", name, 0, "files", len(paths), sum(path.lstat().st_size for path in paths))
        for name, paths in files.items()
        if paths
    ]


def _row(where: str, name: str, version: int, what: str, files: int, size: int) -> LogRow:
    return {"where": where, "name": name, "version": version, "what": what, "files": files, "bytes": size}


def _where(folder: PartitionFolder) -> str:
    """`lake`, or the trial's folder below the trials."""
    if not folder.in_trial:
        return "lake"
    return f"trials/{Path(folder.root).relative_to(store.local_path(trials_folder()))}"


def _key(row: LogRow) -> tuple[str, str, int, str]:
    return row["where"], row["name"], row["version"], row["what"]
