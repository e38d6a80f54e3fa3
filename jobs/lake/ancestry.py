"""The way back from a partition to the log, read from manifests alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jobs.lake.manifest import Source
from jobs.lake.partitions import TABLES, Partition
from jobs.lake.read import Pinned, pin


@dataclass(frozen=True)
class Ancestor:
    """One version on the way back; pinned is None where it has been swept away since."""

    source: Source
    pinned: Pinned | None
    made_from: tuple[Ancestor, ...]

    @property
    def room(self) -> str:
        """The noun: `pairs` of pairs/ds=2026-01-31."""
        return self.source.partition.partition("/")[0]


def ancestry(pinned: Pinned) -> Ancestor:
    """Walk back through the inputs of inputs; each version is read once."""
    known: dict[str, Ancestor] = {}

    def back(source: Source, held: Pinned | None) -> Ancestor:
        key = f"{source.partition} {source.attempt}"
        if key not in known:
            found = held or _pinned(source)
            inputs = found.manifest.inputs if found else []
            made_from = tuple(back(one, None) for one in sorted(inputs, key=_back_to_front))
            known[key] = Ancestor(source, found, made_from)
        return known[key]

    return back(pinned.source, pinned)


def each(root: Ancestor) -> Iterator[Ancestor]:
    """Yield every version once, the nearest first."""
    seen: set[str] = set()
    waiting = [root]
    while waiting:
        one = waiting.pop(0)
        key = f"{one.source.partition} {one.source.attempt}"
        if key not in seen:
            seen.add(key)
            yield one
            waiting.extend(one.made_from)


def _pinned(source: Source) -> Pinned | None:
    try:
        found = pin(Partition.parse(source.partition), attempt=source.attempt, even_stopped=True)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if found.manifest_sha256 != source.manifest_sha256:
        raise RuntimeError(
            f"{source.partition}: its manifest has sha256 {found.manifest_sha256[:12]}, the one"
            f" that was read had {source.manifest_sha256[:12]}; the lineage is broken here"
        )
    return found


def _back_to_front(source: Source) -> tuple[int, str]:
    """The corridor read backwards: what is made last stands first."""
    name = source.partition.partition("/")[0]
    return -list(TABLES).index(name), source.partition
