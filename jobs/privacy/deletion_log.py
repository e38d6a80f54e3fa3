"""What a day's retention set out to delete, written before it begins: a killed one leaves a full account."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jobs.lake import storage as store
from jobs.lake.partitions import Partition
from jobs.privacy.erase import Doomed
from jobs.privacy.partition_folders import Place, trials_folder

NAME = "_ledger.json"
Row = dict[str, Any]


class Ledger:
    """Rows of a day: partitions, then the stores under NIGHTSHELF_HOME; addresses and counts alone."""

    def __init__(self, partition: Partition) -> None:
        self.uri = f"{partition.uri}/{NAME}"

    @property
    def rows(self) -> list[Row]:
        """What was begun so far, by every try of the day."""
        try:
            found: list[Row] = json.loads(store.read_bytes(self.uri))
        except FileNotFoundError:
            return []
        return found

    def begin(self, due: Sequence[Doomed], files: Mapping[str, Sequence[Path]]) -> None:
        """Add what is due. What an earlier try had begun counts as it stood then."""
        rows = {_key(row): row for row in [*_of_home(files), *_of_lake(due)]}
        for row in self.rows:
            now = rows.get(_key(row), row)
            rows[_key(row)] = max(row, now, key=lambda one: (one["files"], one["bytes"]))
        found = [rows[key] for key in sorted(rows)]
        store.write_bytes(self.uri, json.dumps(found, indent=1, sort_keys=True).encode())


def _of_lake(due: Sequence[Doomed]) -> list[Row]:
    return [
        {
            "where": _where(one.place),
            "name": one.place.address,
            "version": one.place.version,
            "what": one.what,
            "files": one.files,
            "bytes": one.bytes,
        }
        for one in due
        if one.files
    ]


def _of_home(files: Mapping[str, Sequence[Path]]) -> list[Row]:
    return [
        {
            "where": "home",
            "name": name,
            "version": 0,
            "what": "files",
            "files": len(paths),
            "bytes": sum(path.lstat().st_size for path in paths),
        }
        for name, paths in files.items()
        if paths
    ]


def _where(place: Place) -> str:
    """The lake, or the trial's folder below the trials."""
    if not place.in_trial:
        return "lake"
    return f"trials/{Path(place.root).relative_to(store.local_path(trials_folder()))}"


def _key(row: Row) -> tuple[str, str, int, str]:
    return row["where"], row["name"], row["version"], row["what"]
