"""The versions that a version was made from, back to the log, read from manifests alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jobs.lake.manifest import Source
from jobs.lake.partitions import TABLES, Partition
from jobs.lake.read import Pinned, pin


@dataclass(frozen=True)
class Ancestor:
    """One version among the inputs of inputs. pinned: None where it has been deleted since."""

    source: Source
    pinned: Pinned | None
    made_from: tuple[Ancestor, ...]

    @property
    def key(self) -> str:
        """Names the version: its partition and its attempt."""
        return f"{self.source.partition} {self.source.attempt}"

    @property
    def table(self) -> str:
        """The table: `pairs` of pairs/ds=2026-01-31."""
        return self.source.partition.partition("/")[0]


def ancestry(pinned: Pinned) -> Ancestor:
    """Follow the inputs of inputs. Each version is read once."""
    known: dict[str, Ancestor] = {}

    def back(source: Source, held: Pinned | None) -> Ancestor:
        key = f"{source.partition} {source.attempt}"
        if key not in known:
            version = held or _pinned(source)
            inputs = version.manifest.inputs if version else []
            made_from = tuple(back(parent, None) for parent in sorted(inputs, key=_latest_table_first))
            known[key] = Ancestor(source, version, made_from)
        return known[key]

    return back(pinned.source, pinned)


def each(root: Ancestor) -> Iterator[Ancestor]:
    """Yield every version once, the nearest first."""
    seen: set[str] = set()
    waiting = [root]
    while waiting:
        ancestor = waiting.pop(0)
        if ancestor.key not in seen:
            seen.add(ancestor.key)
            yield ancestor
            waiting.extend(ancestor.made_from)


def _pinned(source: Source) -> Pinned | None:
    try:
        pinned = pin(Partition.parse(source.partition), attempt=source.attempt, even_stopped=True)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if pinned.manifest_sha256 != source.manifest_sha256:
        raise RuntimeError(
            f"{source.partition}: its manifest has sha256 {pinned.manifest_sha256[:12]}, the one"
            f" that was read had {source.manifest_sha256[:12]}; the lineage is broken here"
        )
    return pinned


def _latest_table_first(source: Source) -> tuple[int, str]:
    """Tables that are made later in a night come first."""
    name = source.partition.partition("/")[0]
    return -list(TABLES).index(name), source.partition
