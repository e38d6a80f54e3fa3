"""Every partition's folder in the lake and below the trials, of any version of its table, published or not."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from jobs.lake import storage as store
from jobs.lake.keys import KEYS
from jobs.lake.partitions import lake_root, trials_root
from jobs.lake.zones import ZONES
from jobs.platform.tracking import home

TABLE = re.compile(r"([a-z_]+)_v([0-9]+)")
KNOWN = {table for tables in ZONES.values() for table in tables}


@dataclass(frozen=True)
class Place:
    """A partition's folder. values: `ds=2026-01-31`, then what lies below it."""

    root: str
    table: str
    version: int
    values: tuple[str, ...]

    @property
    def uri(self) -> str:
        """The folder."""
        return f"{self.root}/{self.below}"

    @property
    def below(self) -> str:
        """The folder, below the lake that it lies in."""
        return "/".join([f"{self.table}_v{self.version}", *self.values])

    @property
    def address(self) -> str:
        """The partition's name, whatever the version."""
        return "/".join([self.table, *self.values])

    @property
    def day(self) -> str:
        """Its day."""
        return self.values[0].removeprefix("ds=")

    @property
    def in_trial(self) -> bool:
        """Whether it lies in a trial's lake; what a moving name holds never does."""
        return self.root != lake_root()


def trials_folder() -> str:
    """Where the lakes of trials lie."""
    return trials_root() or str(home() / "trials")


def places() -> Iterator[Place]:
    """All of them, in the order of their names."""
    yield from _places(lake_root())
    if not store.is_local(trials_folder()):
        return
    for folder, folders, _ in os.walk(store.local_path(trials_folder())):
        folders.sort()
        if any(map(_table, folders)):
            yield from _places(folder)
            folders[:] = [name for name in folders if not _table(name)]


def _table(name: str) -> tuple[str, int] | None:
    found = TABLE.fullmatch(name)
    return (found[1], int(found[2])) if found and found[1] in KNOWN else None


def _places(root: str) -> Iterator[Place]:
    for name in store.folders(root):
        if table := _table(name):
            for ds in _keyed(f"{root}/{name}", "ds"):
                yield from _below(Place(root, *table, (ds,)))


def _below(place: Place) -> Iterator[Place]:
    """The folder itself, or where it is divided further, those below it."""
    more = [name for key in KEYS if key != "ds" for name in _keyed(place.uri, key)]
    if not more:
        yield place
    for name in more:
        yield from _below(Place(place.root, place.table, place.version, (*place.values, name)))


def _keyed(uri: str, key: str) -> list[str]:
    is_valid, _ = KEYS[key]
    found = (name for name in store.folders(uri) if name.startswith(f"{key}="))
    return [name for name in found if is_valid(name.removeprefix(f"{key}="))]
