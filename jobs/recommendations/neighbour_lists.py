"""Neighbour lists of blocks of items: arms from co-occurrences and vectors, mixed, without near-duplicates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.lake.arrow import Rows, Strings, find, large, numbers, pick, strings
from jobs.lake.read import Pinned, read_table
from jobs.towers.resume import VectorFile
from models.ann.near_duplicates import closed_up, deduplicate, groups_of
from models.ann.repeats import repeats
from models.fusion.mixture import mix
from models.fusion.ranked_lists import Ranked, first
from models.recommendations import arms
from models.recommendations.arms import ARMS, CoOccurrences, KnownLists
from models.text.normalise import normalise_text

PAIR_COLUMNS = ["item_id", "other_id", "followed_by", "preceded_by", "together", "other_support"]
BRIDGE_DEPTH = 50
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Catalogue:
    """Living items in the order of their ids: group [N] of one product, top category [N], -1 where it is unknown."""

    ids: Strings
    group: Rows
    top: Rows

    @classmethod
    def read(cls, items: Pinned) -> Catalogue:
        """Read the catalogue."""
        rows = read_table(items, ["item_id", "title", "category", "group_id"]).sort_by("item_id")
        tops, top = np.unique(
            np.array([path.partition(" > ")[0] for path in strings(rows, "category")], np.str_), return_inverse=True
        )
        titles = [normalise_text(title) for title in strings(rows, "title")]
        group = groups_of(strings(rows, "group_id"), strings(rows, "item_id"), titles)
        return cls(large(rows.column("item_id").chunks), group, np.where(tops[top] == "", -1, top))

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Limits:
    """depth of the lists; pool of each arm; thin: support below which an item is thin; min_cosine: content that is less
    alike is too far; near_duplicate: content that is more alike is the same thing."""

    depth: int
    pool: int
    thin: int
    min_cosine: float
    near_duplicate: float


class NeighbourLists:
    """Arms and lists of any rows of the catalogue."""

    def __init__(self, catalogue: Catalogue, pairs: Pinned, vectors: VectorFile, limits: Limits) -> None:
        self.catalogue, self.pairs, self.limits = catalogue, pairs, limits
        # read by row: pages of a map are given back to the system when others need them
        self.vectors = np.memmap(vectors.path, np.float32, "r", shape=vectors.shape)
        self.support = self._supports()
        self.known = self._known()

    def _supports(self) -> Rows:
        rows = read_table(self.pairs, ["item_id", "support"]).group_by("item_id").aggregate([("support", "max")])
        row = find(large(rows.column("item_id").chunks), self.catalogue.ids)
        support = np.zeros(len(self.catalogue), np.int64)
        support[row[row >= 0]] = numbers(rows, "support_max")[row >= 0]
        return support

    def _known(self) -> KnownLists:
        """Lists of what went together with each item that is no longer thin, made block by block."""
        rows = np.flatnonzero(self.support >= self.limits.thin)
        blocks = [rows[start : start + (1 << 14)] for start in range(0, len(rows), 1 << 14)]
        lists = [
            arms.collaborative(self._co_occurrences(block), len(block), BRIDGE_DEPTH)["together"] for block in blocks
        ]
        empty = Ranked(np.full((1, BRIDGE_DEPTH), -1, np.int64), np.full((1, BRIDGE_DEPTH), -np.inf, np.float32))
        items, scores = (np.concatenate(parts) for parts in zip(*(lists or [empty]), strict=True))
        return KnownLists.of(rows, Ranked(items, scores), len(self.catalogue))

    def _co_occurrences(self, rows: Rows) -> CoOccurrences:
        """Pairs of these rows, ascending. Files are sorted by item_id, so a narrow range reads few row groups."""
        ids = pick(self.catalogue.ids, rows)
        where = (pc.field("item_id") >= ids[0]) & (pc.field("item_id") <= ids[-1])
        table = read_table(self.pairs, PAIR_COLUMNS, where).sort_by(
            [("item_id", "ascending"), ("other_id", "ascending")]
        )
        row, other = (
            find(large(table.column(name).chunks), among)
            for name, among in (("item_id", ids), ("other_id", self.catalogue.ids))
        )
        # an item that has left the catalogue is nobody's neighbour
        kept = (row >= 0) & (other >= 0)
        weights = {name: numbers(table, name)[kept].astype(np.float64) for name in PAIR_COLUMNS[2:5]}
        support = numbers(table, "other_support")[kept].astype(np.int64)
        return CoOccurrences(row[kept], other[kept], **weights, other_support=support)

    def arms(self, rows: Rows, near_by: Mapping[str, Ranked]) -> list[Ranked]:
        """Every arm of ARMS for these rows. near_by: nearest items with cosines, by the space; one without has an empty arm."""
        limits, pool = self.limits, self.limits.pool
        made = arms.collaborative(self._co_occurrences(rows), len(rows), pool)
        nothing = Ranked(np.full((len(rows), 1), -1, np.int64), np.full((len(rows), 1), -np.inf, np.float32))
        made["prod2vec"] = arms.learnt(near_by.get("prod2vec", nothing), self.support, rows)
        made["co_click"] = arms.squared(near_by.get("co_click", nothing))
        alike, top = arms.without_source(near_by["content"], rows), self.catalogue.top
        same = (top[alike.items] == top[rows][:, None]) | (top[rows] < 0)[:, None]
        near = (alike.items >= 0) & (alike.scores >= limits.min_cosine) & same
        made |= arms.content(closed_up(alike.items, alike.scores, near), self.support, limits.thin, self.known)
        return [arms.without_source(made[name], rows) for name in ARMS]

    def mixed(self, rows: Rows, made: list[Ranked], weights: Floats) -> Ranked:
        """The mixed lists of these rows. weights [C, A]."""
        return mix(made, weights[arms.classes_of(self.support[rows], self.limits.thin)], self.limits.pool)

    def lists(self, rows: Rows, made: list[Ranked], weights: Floats) -> Ranked:
        """The mixed lists of these rows as they are served: without near-duplicates of the source and of each other."""
        limits, group = self.limits, self.catalogue.group
        mixed = self.mixed(rows, made, weights)
        # the source stands first, so that what repeats its group repeats something
        groups = np.where(mixed.items >= 0, group[mixed.items], len(group) + np.arange(mixed.items.shape[1]))
        listed = np.concatenate([group[rows][:, None], groups], axis=1)
        fresh = (mixed.items >= 0) & ~repeats(listed, np.zeros(listed.shape, np.bool_))[:, 1:]
        apart = closed_up(mixed.items, mixed.scores, fresh)
        kept = deduplicate(*apart, lambda some: self.vectors[some], limits.near_duplicate, self.vectors[rows])
        return first(kept, limits.depth)

    def table(self, rows: Rows, lists: Ranked) -> pa.Table:
        """Rows of `item_neighbours`."""
        there = lists.items >= 0
        offsets = pa.array(np.concatenate([[0], np.cumsum(there.sum(axis=1))]), pa.int32())
        ids = pick(self.catalogue.ids, lists.items[there]).cast(pa.string())
        return pa.table(
            {
                "item_id": pick(self.catalogue.ids, rows).cast(pa.string()),
                "neighbour_ids": pa.ListArray.from_arrays(offsets, ids),
                "scores": pa.ListArray.from_arrays(offsets, pa.array(lists.scores[there], pa.float32())),
                "support": pa.array(self.support[rows], pa.int32()),
            }
        )
