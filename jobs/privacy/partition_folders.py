"""The folder of every partition in the lake and in the lakes of trials, of any version of its table, published or not.

A lake that was not migrated has folders with former names, such as `acts_v1`. They are listed too, so that retention
does not overlook them: it asks for `python -m jobs migrate` first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from jobs.lake import storage as store
from jobs.lake.partitions import FORMER_KEYS, KEYS, lake_root, spelled_today, table_folder
from jobs.platform.tracking import lakes


@dataclass(frozen=True)
class PartitionFolder:
    """A partition's folder. root: the lake that it lies in. table: by today's name. values: `ds=2026-01-31`, ..."""

    root: str
    table_folder: str
    table: str
    version: int
    values: tuple[str, ...]

    @property
    def uri(self) -> str:
        """The folder."""
        return f"{self.root}/{self.below}"

    @property
    def below(self) -> str:
        """The folder, relative to the lake that it lies in."""
        return "/".join([self.table_folder, *self.values])

    @property
    def address(self) -> str:
        """The partition's name, whatever the version."""
        return spelled_today("/".join([self.table, *self.values]))

    @property
    def is_former(self) -> bool:
        """Whether its path has a name from before tables and keys were renamed."""
        keys = [value.partition("=")[0] for value in self.values]
        return self.table_folder != f"{self.table}_v{self.version}" or any(key in FORMER_KEYS for key in keys)

    @property
    def day(self) -> str:
        """Its day."""
        return self.values[0].removeprefix("ds=")

    @property
    def in_trial(self) -> bool:
        """Whether it lies in a trial's lake, where no alias protects anything."""
        return self.root != lake_root()


def partition_folders() -> Iterator[PartitionFolder]:
    """All of them, in the order of their names."""
    for root in lakes():
        for name in store.folders(root):
            if table := table_folder(name):
                for ds in _keyed(f"{root}/{name}", "ds"):
                    yield from _below(PartitionFolder(root, name, *table, (ds,)))


def _below(folder: PartitionFolder) -> Iterator[PartitionFolder]:
    """The folder itself, or the folders of its further keys."""
    more = [name for key in (*KEYS, *FORMER_KEYS) if key != "ds" for name in _keyed(folder.uri, key)]
    if not more:
        yield folder
    for name in more:
        values = (*folder.values, name)
        yield from _below(replace(folder, values=values))


def _keyed(uri: str, key: str) -> list[str]:
    is_valid, _ = KEYS[FORMER_KEYS.get(key, key)]
    names = (name for name in store.folders(uri) if name.startswith(f"{key}="))
    return [name for name in names if is_valid(name.removeprefix(f"{key}="))]
