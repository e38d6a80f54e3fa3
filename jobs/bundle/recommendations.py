"""The reader of recommendations that an online service imports. It loads no torch, Spark or MLflow.

    from jobs.bundle.recommendations import open_recommendations
    from jobs.lake.alias import pin_alias

    lists = open_recommendations(pin_alias("recommendations/champion"))
    for hit in lists.beside("4711", "Red lamp", "Home > Lamps"):
        hit.item_id, hit.title, hit.score

`beside` shows something for every item: its own list, or popular items like it where it came in after the bundle was made.

Lists of people are no part of a bundle: an alias keeps a bundle for weeks, and they must go with retention and erasure. They
are opened beside it, as `users`: `user_recommendations` of the day.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from jobs.bundle.files import FACTS_FILE, IDS_FILE
from jobs.bundle.reader import Hit
from jobs.lake.arrow import Strings, large, numbers, pick, row_in, texts
from jobs.lake.read import Pinned, read_table
from models.recommendations.word_vectors import content_words, text_vectors

FORMAT = 1
NEIGHBOURS, SCORES, POPULAR, POPULAR_VECTORS = ("neighbours.npy", "scores.npy", "popular.npy", "popular_vectors.npy")
WORDS, WORD_VECTORS, GOLDEN = "words.parquet", "word_vectors.npy", "golden.json"
GOLDEN_TOP = 10


@dataclass(frozen=True)
class Recommendations:
    """A verified bundle. neighbours [N, K]: item rows, best first, -1 where a list has ended; scores [N, K].

    item_ids [N], and the clients of `users`, are sorted.
    """

    pinned: Pinned
    item_ids: Strings
    titles: Strings
    neighbours: NDArray[np.int32]
    scores: NDArray[np.float32]
    facts: Mapping[str, Any]
    users: pa.Table | None = None

    def beside(self, item_id: str, title: str = "", category: str = "", top: int = 10) -> list[Hit]:
        """Items beside an offer page: the item's own, popular ones like its words where it has none, else the most popular."""
        if hits := self.of_item(item_id, top):
            return hits
        return self.of_new_item(title, category, top) if title or category else self.popular(top)

    def of_item(self, item_id: str, top: int = 10) -> list[Hit]:
        """Neighbours of an item, best first; none where the bundle does not have it."""
        row = row_in(self.item_ids, item_id)
        return self._hits(self.neighbours[row], self.scores[row], top) if row >= 0 else []

    def of_new_item(self, title: str, category: str = "", top: int = 10) -> list[Hit]:
        """Popular items whose words are like those of an item that the bundle does not have."""
        place, weights, vectors = self._words
        unknown = np.zeros(vectors.shape[1], np.float32)
        asked = text_vectors(
            [content_words(title, category)],
            lambda word: vectors[place[word]] if word in place else unknown,
            weights,
            self.facts["hashed_dim"],
        )
        rows, popular = self._popular
        cosines = popular @ asked[0]
        best = np.argsort(-cosines, kind="stable")[:top]
        return self._hits(rows[best], cosines[best], top)

    def of_user(self, client_id: str, top: int = 10) -> list[Hit]:
        """Items for an active client, by the hash of the client; the most popular ones for anybody else."""
        if self.users is not None:
            row = row_in(self._clients, client_id)
            if row >= 0:
                ids, scores = (self.users.column(name)[row].as_py() for name in ("item_ids", "scores"))
                rows = np.array([row_in(self.item_ids, item) for item in ids], np.int64)
                return self._hits(rows, np.array(scores, np.float32), top)
        return self.popular(top)

    def popular(self, top: int = 10) -> list[Hit]:
        """The items of the most clients. Score: 1 / rank."""
        rows = self._popular[0][:top]
        return self._hits(rows, 1 / np.arange(1, len(rows) + 1), top)

    def _hits(self, rows: NDArray[Any], scores: NDArray[Any], top: int) -> list[Hit]:
        there = rows >= 0
        kept, values = rows[there][:top].astype(np.int64), scores[there][:top].astype(float).tolist()
        ids, titles = texts(pick(self.item_ids, kept)), texts(pick(self.titles, kept))
        return [Hit(*row) for row in zip(ids, titles, values, strict=True)]

    @cached_property
    def _clients(self) -> Strings:
        """Ids of the clients that have lists."""
        return large(self.users.column("client_id").chunks if self.users else [])

    @cached_property
    def _words(self) -> tuple[dict[str, int], dict[str, float], NDArray[np.float32]]:
        """Row of each word, its weight, and the vectors by row."""
        with pq.ParquetFile(self.pinned.path(WORDS)) as file:
            rows = file.read(["word", "weight"])
        words = texts(rows.column("word"))
        weights = dict(zip(words, numbers(rows, "weight").tolist(), strict=True))
        place = {word: row for row, word in enumerate(words)}
        return place, weights, np.load(self.pinned.path(WORD_VECTORS), allow_pickle=False)

    @cached_property
    def _popular(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows of the popular items, and their content vectors."""
        rows, vectors = (np.load(self.pinned.path(name), allow_pickle=False) for name in (POPULAR, POPULAR_VECTORS))
        return rows.astype(np.int64), vectors.astype(np.float32)


def open_recommendations(pinned: Pinned, users: Pinned | None = None) -> Recommendations:
    """Open a bundle for serving. Every file is checked against its sha256, the lists against the golden ones.

    Raises:
        RuntimeError: a file is damaged, the parts do not fit each other, or a list is not the golden one.
    """
    facts = json.loads(pinned.path(FACTS_FILE).read_bytes())
    if facts.get("recommendations_format") != FORMAT:
        raise RuntimeError(
            f"{pinned.partition}: format {facts.get('recommendations_format')}, this code reads {FORMAT};"
            " make it again with this code"
        )
    with pq.ParquetFile(pinned.path(IDS_FILE)) as file:
        rows = file.read(["item_id", "title"])
    arrays = [np.load(pinned.path(name), mmap_mode="r", allow_pickle=False) for name in (NEIGHBOURS, SCORES)]
    counts = {"ids": rows.num_rows, "facts": facts["items"], "neighbours": len(arrays[0]), "scores": len(arrays[1])}
    if len(set(counts.values())) != 1:
        raise RuntimeError(f"{pinned.partition}: {counts} differ; make it again")
    item_ids, titles = (large(rows.column(name).chunks) for name in ("item_id", "title"))
    lists = read_table(users, ["client_id", "item_ids", "scores"]) if users else None
    made = Recommendations(pinned, item_ids, titles, arrays[0], arrays[1], facts, lists)
    for item, expected in json.loads(pinned.path(GOLDEN).read_bytes()).items():
        if (given := [hit.item_id for hit in made.of_item(item, GOLDEN_TOP)]) != expected:
            raise RuntimeError(f"{pinned.partition}: {item!r} has the list {given}, expected {expected}; make it again")
    return made
