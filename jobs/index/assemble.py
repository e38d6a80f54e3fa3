"""From merged codes to a FAISS index, in memory or with its lists in a file."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import faiss

from jobs.index.merge_shards import Merged
from jobs.index.ondisk import can_stand_on_disk, fill_on_disk
from jobs.index.settings import GB
from jobs.index.trained_index import TrainedIndex
from models.ann.codes import fill, widths
from models.ann.drift import imbalance

log = logging.getLogger(__name__)
ID_BYTES = 8


@dataclass(frozen=True)
class Assembled:
    """index: searchable. lists: `memory`, or `disk` where they stand in index.ivfdata."""

    index: faiss.Index
    factory: str
    quantiser_id: str
    lists: str
    imbalance: float


def assemble(merged: Merged, trained_index: TrainedIndex, disk_above_gb: float, folder: Path) -> Assembled:
    """Put the codes of all shards into one index; the work of an hour is read, not computed, here."""
    trained, factory, items = trained_index.trained, trained_index.factory, len(merged.ids)
    weight = items * (widths(trained)[0] + ID_BYTES) / GB
    disk = weight > disk_above_gb and can_stand_on_disk(trained, factory)
    log.info("%s: %s items, %.2f GB of codes", factory, f"{items:,}", weight)
    if disk:
        index = fill_on_disk(trained, items, merged.blocks(), merged.refine(), folder)
    else:
        index = fill(trained, factory, items, merged.blocks(), merged.refine())
    return Assembled(index, factory, trained_index.id, "disk" if disk else "memory", imbalance(merged.counts))
