"""Listings as training reads them: compact columns in memory, features made of the bundle when a list is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from jobs.bundle.reader import Bundle, open_bundle
from jobs.lake.arrow import Strings, find, large, pick, texts
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned, pin, read_table, record_batches
from models.reranking.features import Candidates, list_features
from models.reranking.neural import Inputs
from models.reranking.training import ListBatch, list_ndcg
from models.reranking.trees import TreeData, to_grades

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]
# column -> how it is kept: 34 bytes a row in all
KEPT: dict[str, Any] = {
    "row": np.int32,
    "score": np.float32,
    "dense_rank": np.int32,
    "dense_score": np.float32,
    "sparse_rank": np.int32,
    "sparse_score": np.float32,
    "label": np.float32,
    "weight": np.float32,
    "position": np.int16,
}
BATCH_ROWS = 262_144


@dataclass(frozen=True)
class ListingData:
    """Lists of a `listings` partition. offsets [lists + 1] into the columns; queries, splits: of each list."""

    bundle: Bundle
    columns: dict[str, NDArray[Any]]
    offsets: Numbers
    queries: list[str]
    splits: NDArray[np.str_]

    def listed(self, number: int) -> Candidates:
        """The candidates of a list, as Bundle.first_stage gave them."""
        own = slice(int(self.offsets[number]), int(self.offsets[number + 1]))
        names = ("score", "dense_rank", "dense_score", "sparse_rank", "sparse_score")
        return Candidates(self.columns["row"][own].astype(np.int64), *(self.columns[name][own] for name in names))

    def features(self, number: int) -> Floats:
        """Features [n, F] of a list."""
        return list_features(self.bundle.item_arrays, self.queries[number], self.listed(number))

    def subset(self, split: str, most: int = 0) -> ListSubset:
        """The lists of a split; most: at most so many, the first by query_id, which is a hash."""
        numbers = np.flatnonzero(self.splits == split)
        return ListSubset(self, numbers[: most or None])

    @cached_property
    def query_vectors(self) -> Floats:
        """Vectors [lists, D] of the queries, each encoded alone, as a service does."""
        return np.concatenate([self.bundle.encode([text]) for text in self.queries])


def read_listings(listings: Pinned) -> ListingData:
    """Read the columns, and open the very bundle that the lists were made with.

    Raises:
        RuntimeError: the bundle has changed, or lists are torn apart.
    """
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in KEPT}
    named: dict[str, list[Any]] = {"query_id": [], "split": []}
    for batch in record_batches(listings, [*named, *KEPT], BATCH_ROWS):
        for name, kind in KEPT.items():
            parts[name].append(_compact(batch.column(name), kind))
        for name, codes in named.items():
            codes.append(batch.column(name).dictionary_encode())
    columns = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    coded: list[Any] = [pa.chunked_array(codes).unify_dictionaries().combine_chunks() for codes in named.values()]
    query, split = coded
    heads = np.flatnonzero(np.diff(query.indices.to_numpy(), prepend=-1))
    if len(heads) != len(query.dictionary):
        raise RuntimeError(f"{listings.partition}: the rows of a query are not together; make the listings again")
    query_ids = pick(query.dictionary, query.indices.to_numpy()[heads])
    splits = np.array(texts(split.dictionary), dtype=np.str_)[split.indices.to_numpy()[heads]]
    bundle = open_bundle(made_of(listings, "index"))
    return ListingData(bundle, columns, np.append(heads, len(query)), _texts(listings, query_ids), splits)


def _compact(column: Any, kind: Any) -> NDArray[Any]:
    kept: NDArray[Any] = column.to_numpy(zero_copy_only=False).astype(kind)  # a null score becomes NaN
    return kept


def made_of(listings: Pinned, table: str) -> Pinned:
    """The version of an input that the listings were made of, whatever its address holds by now.

    Raises:
        RuntimeError: that version is another one than it was.
    """
    source = next(source for source in listings.manifest.inputs if source.partition.startswith(f"{table}/"))
    pinned = pin(Partition.parse(source.partition), attempt=source.attempt)
    if pinned.manifest_sha256 != source.manifest_sha256:
        raise RuntimeError(
            f"{source.partition}: another version than {listings.partition} was made with; make the listings again"
        )
    return pinned


def _texts(listings: Pinned, query_ids: Strings) -> list[str]:
    rows = read_table(made_of(listings, "queries"), ["query_id", "query"])
    place = find(large([query_ids]), large(rows.column("query_id").chunks))
    if (place < 0).any():
        raise RuntimeError(f"{listings.partition}: {int((place < 0).sum()):,} queries without a text")
    return texts(pick(large(rows.column("query").chunks), place))


class ListSubset:
    """Some lists, for both kinds of rankers: batches of padded lists, or rows of features by position."""

    def __init__(self, data: ListingData, numbers: Numbers) -> None:
        self.data, self.numbers = data, numbers
        self.sizes = data.offsets[numbers + 1] - data.offsets[numbers]
        self.offsets = np.concatenate([[0], np.cumsum(self.sizes)])

    def __len__(self) -> int:
        return len(self.numbers)

    def column(self, name: str) -> NDArray[Any]:
        """A column of these lists, one after another."""
        starts = np.repeat(self.data.offsets[self.numbers] - self.offsets[:-1], self.sizes)
        taken: NDArray[Any] = self.data.columns[name][np.arange(self.offsets[-1]) + starts]
        return taken

    def rows(self, start: int, stop: int) -> Floats:
        """Features of the rows start to stop; lists at both ends are cut."""
        first = int(np.searchsorted(self.offsets, start, side="right")) - 1
        last = int(np.searchsorted(self.offsets, stop, side="left"))
        made = np.concatenate([self.data.features(int(number)) for number in self.numbers[first:last]])
        return made[start - self.offsets[first] : stop - self.offsets[first]]

    def trees(self, levels: int) -> TreeData:
        """The lists as LightGBM wants them; places that nobody saw share the position 0."""
        columns = (self.column("weight"), self.column("position").astype(np.int32))
        return TreeData(self.rows, to_grades(self.column("label"), levels), self.sizes, *columns)

    def batch(self, numbers: Numbers) -> ListBatch:
        """Padded lists. The weight of a list is the mean of its labels' above 0."""
        chosen = self.numbers[numbers]
        features = [self.data.features(int(number)) for number in chosen]
        longest = max(map(len, features))
        shape = (len(chosen), longest)
        made = np.full((*shape, features[0].shape[1]), np.nan, np.float32)
        items = np.zeros((*shape, self.data.bundle.index.d), np.float32)
        labels, weights = np.zeros(shape, np.float32), np.zeros(len(chosen), np.float32)
        mask = np.zeros(shape, bool)
        for place, number in enumerate(chosen.tolist()):
            own = slice(int(self.data.offsets[number]), int(self.data.offsets[number + 1]))
            n = own.stop - own.start
            made[place, :n], mask[place, :n] = features[place], True
            items[place, :n] = self.data.bundle.item_vectors(self.data.columns["row"][own].astype(np.int64))
            labels[place, :n] = self.data.columns["label"][own]
            weights[place] = self.data.columns["weight"][own][labels[place, :n] > 0].mean()
        queries = self.data.query_vectors[chosen]
        tensors = [torch.from_numpy(part) for part in (made, queries, items, mask)]
        return ListBatch(Inputs(*tensors), torch.from_numpy(labels), torch.from_numpy(weights))

    def values(self, score: Callable[[int], Floats]) -> NDArray[np.float64]:
        """nDCG@10 of each list, ordered by `score` of its number."""
        found = []
        for number in self.numbers.tolist():
            own = slice(int(self.data.offsets[number]), int(self.data.offsets[number + 1]))
            labels = self.data.columns["label"][own][None]
            found.append(list_ndcg(score(number)[None], labels, np.ones_like(labels, bool))[0])
        return np.array(found)
