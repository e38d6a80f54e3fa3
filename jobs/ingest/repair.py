"""Mended files delivered beside those of a day: a new version of the raw partition, all at once or not at all.

Good lines that a mended file repeats collapse as any line that is delivered twice; a rejected line stays in its old file
and stays rejected. So nothing is lost and nothing counted twice, however much of a file is delivered again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.ingest.delivered_files import LOG_ENDINGS, copy_checked, find, plain_name, refuse_others
from jobs.ingest.inspect import damaged
from jobs.ingest.scan import scan
from jobs.lake import storage as store
from jobs.lake.attempt import Attempt
from jobs.lake.partitions import (
    CLICK_COUNTS,
    IMPRESSIONS,
    LATE_IMPRESSIONS,
    PAIRS,
    PROPENSITIES,
    QRELS,
    QUERIES,
    QUERY_COUNTS,
    QUERY_USERS,
    Partition,
)
from jobs.lake.read import Pinned, pin, published_days

# the tables of a day in the order in which they are made
DAILY = (IMPRESSIONS, LATE_IMPRESSIONS, QUERY_USERS, CLICK_COUNTS, QUERY_COUNTS, PROPENSITIES, QUERIES, PAIRS, QRELS)
LAST = "9999-12-31"


@dataclass(frozen=True)
class Mended:
    """added: names of new files; replaced: damaged files whose place a mended one took; known: there already."""

    added: list[str]
    replaced: list[str]
    known: list[str]


def whole_sources(pattern: str) -> list[str]:
    """The mended files, each whole.

    Raises:
        ValueError: one is of another kind, or damaged itself.
    """
    sources = find(pattern)
    refuse_others(sources, LOG_ENDINGS, "log", pattern)
    flaws = [f"{source}: {flaw}" for source in sources if (flaw := scan(source).flaw)]
    if flaws:
        raise ValueError(f"{'; '.join(flaws)}; expected whole files, nothing was landed")
    return sources


def land_mended(out: Attempt, sources: Sequence[str]) -> Mended:
    """Fill an attempt at a raw partition with what is there and what was mended."""
    # pinned under the lock: of two that mend at a time, the second builds on the first
    before = pin(out.partition)
    broken = {one["name"] for one in damaged(before)}
    replaced = {name for source in sources if (name := plain_name(source)) in broken}
    names = {entry.name: entry.sha256 for entry in before.entries() if entry.name not in replaced}
    for name in names:  # as their manifest says: that was checked while the damaged ones were looked for
        copy_checked(f"{before.uri}/{name}", str(out.folder / name))
    added, known = [], []
    for source in sources:
        sha256 = store.sha256(source)
        if sha256 in names.values():
            known.append(plain_name(source))
            continue
        name = _free(plain_name(source), names)
        names[name] = copy_checked(source, str(out.folder / name))
        added.append(name)
    out.simulated = before.manifest.simulated
    told = {"of": before.manifest.attempt, "added": added, "replaced": sorted(replaced)}
    out.facts |= before.facts
    out.facts["mended"] = [*before.facts.get("mended", ()), told]
    out.facts["sources"] = [*before.facts.get("sources", ()), *sources]
    if not added:
        raise ValueError(f"{out.partition}: {', '.join(known)} is in it already; nothing was landed")
    return Mended(added, sorted(replaced), known)


def _free(name: str, taken: dict[str, str]) -> str:
    """The name itself where it is free, as that of a replaced file is, else one with a number before it."""
    tried, number = name if not name.startswith(("_", ".")) else f"mended{name}", 0
    while tried in taken:
        number += 1
        tried = f"mended{number}_{name}"
    return tried


def readers(day: Partition) -> list[str]:
    """Later days whose published tables were made of this day's, by what their manifests name."""
    stale = {str(table.at(ds=day.ds)) for table in DAILY}
    found = []
    dated = {table: published_days(table, day.ds, LAST) for table in DAILY}
    for ds in sorted({one for days in dated.values() for one in days if one > day.ds}):
        for table in (table for table in DAILY if ds in dated[table]):
            made: Pinned = pin(table.at(ds=ds), even_stopped=True)
            if stale & {source.partition for source in made.manifest.inputs}:
                stale.add(str(made.partition))
                found.append(ds)
    return sorted(set(found))
