"""Which partitions of a table with two keys are published: a day, and what lies below it."""

from __future__ import annotations

from pyarrow import fs

from jobs.lake import storage as store
from jobs.lake.partitions import KEYS, Partition, Table
from jobs.lake.read import exists


def published(table: Table, first: str = "", before: str = "") -> list[Partition]:
    """Published partitions of a table with keys (ds, other), in order of both; first <= ds < before, where given."""
    day_key, key = table.keys
    found = [
        table.at(**{day_key: ds, key: value})
        for ds in _values(table.uri, day_key)
        if ds >= first and (not before or ds < before)
        for value in _values(f"{table.uri}/{day_key}={ds}", key)
    ]
    return [partition for partition in found if exists(partition)]


def _values(place: str, key: str) -> list[str]:
    """Values of a key among the folders of a place; what somebody left there beside them is passed over."""
    system, path = store.filesystem(place)
    found = system.get_file_info(fs.FileSelector(path, allow_not_found=True))
    names = [info.base_name for info in found if not info.is_file and info.base_name.startswith(f"{key}=")]
    is_valid, _ = KEYS[key]
    return sorted(filter(is_valid, (name.removeprefix(f"{key}=") for name in names)))
