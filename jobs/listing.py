"""Which partitions of a table with two keys are published: a day, and what lies below it."""

from __future__ import annotations

from pyarrow import fs

from jobs import store
from jobs.lake import Partition, Table
from jobs.reading import exists


def published(table: Table, first: str = "", before: str = "") -> list[Partition]:
    """Published partitions of a table with keys (ds, other), in order of both; first <= ds < before, where given."""
    day_key, key = table.keys
    found = [
        table.at(**{day_key: ds, key: value})
        for ds in _values(table, day_key)
        if ds >= first and (not before or ds < before)
        for value in _values(table, key, f"{day_key}={ds}")
    ]
    return [partition for partition in found if exists(partition)]


def _values(table: Table, key: str, below: str = "") -> list[str]:
    root = table.at(**dict.fromkeys(table.keys, "{{ any }}")).root
    place = f"{root}/{table.name}_v{table.version}/{below}".rstrip("/")
    system, path = store.filesystem(place)
    found = system.get_file_info(fs.FileSelector(path, allow_not_found=True))
    return sorted(
        info.base_name.removeprefix(f"{key}=")
        for info in found
        if info.base_name.startswith(f"{key}=")
    )
