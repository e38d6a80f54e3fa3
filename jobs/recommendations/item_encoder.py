"""Trained item vectors as an encoder of `embeddings`: content by its words, prod2vec by its sessions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from jobs.embeddings.encoder import Encoder, Vectors
from jobs.lake.arrays import save_array
from jobs.lake.arrow import Strings, numbers, strings, table_of, texts
from jobs.lake.attempt import Attempt
from jobs.lake.read import Pinned
from models.recommendations.item2vec import Learnt, cold_vectors
from models.recommendations.word_vectors import content_words, text_vectors

CONTENT, PROD2VEC, META = METHODS = ("content", "prod2vec", "meta_prod2vec")
WORDS, VECTORS = "words.parquet", "vectors.npy"
COLUMNS = ("title", "category", "brand")


def metadata_words(category: str, brand: str) -> list[str]:
    """Words of an item's metadata: its brand, and every level of its category path, the deepest first."""
    levels = [level for level in category.split(" > ") if level]
    paths = [f"category={' > '.join(levels[:depth])}" for depth in range(len(levels), 0, -1)]
    return [*([f"brand={brand}"] if brand else []), *paths]


def write_learnt(out: Attempt, learnt: Learnt, weights: Mapping[str, float]) -> None:
    """Write words, their weights (IDF, or 1) and vectors: Parquet and a plain array, nothing to unpickle."""
    rows = table_of({"word": learnt.words, "weight": [weights.get(word, 1.0) for word in learnt.words]})
    pq.write_table(rows, out.folder / WORDS, compression="zstd", write_page_checksum=True)
    save_array(out.folder / VECTORS, learnt.vectors)


def space_of(model: Pinned) -> str:
    """The space id of a trained model's vectors: a hash of its files and settings."""
    about = f"{model.partition.values['method']} {model.manifest.content_sha256} {model.facts['hashed_dim']}"
    return hashlib.sha256(about.encode()).hexdigest()[:16]


class ItemSpace:
    """A space of trained words and items, in which every item has a place: one that training never saw has the mean of its
    metadata's vectors."""

    def __init__(self, method: str, learnt: Learnt, weights: Mapping[str, float], hashed_dim: int) -> None:
        self.method, self.hashed_dim, self.weights = method, hashed_dim, dict(weights)
        self.trained = learnt.vectors
        self.place = {word: row for row, word in enumerate(learnt.words)}
        self.width = self.trained.shape[1] + hashed_dim

    def vectors(self, items: pa.RecordBatch | pa.Table) -> Vectors:
        """Unit vectors [n, D] of rows with item_id and COLUMNS."""
        ids, titles, categories, brands = (texts(items.column(name)) for name in ("item_id", *COLUMNS))
        if self.method == CONTENT:
            words = [content_words(*row) for row in zip(titles, categories, strict=True)]
            return text_vectors(words, self.of_word, self.weights, self.hashed_dim)
        rows = np.array([self.place.get(name, -1) for name in ids], np.int64)
        made = self.trained[rows]
        cold = np.flatnonzero(rows < 0)
        metadata = [metadata_words(categories[row], brands[row]) for row in cold.tolist()]
        known = {word: self.of_word(word) for some in metadata for word in some if word in self.place}
        made[cold] = cold_vectors(metadata, known, self.trained.mean(axis=0))
        return made

    def of_word(self, word: str) -> Vectors:
        """The trained vector [D] of a word; zeros of one that training never saw."""
        row = self.place.get(word, -1)
        return self.trained[row] if row >= 0 else np.zeros(self.trained.shape[1], np.float32)


class ItemVectors(Encoder[pa.RecordBatch]):
    """Encodes items by a trained `item2vec`."""

    hash_columns = COLUMNS
    spaces: tuple[str, ...] = ()

    def __init__(self, model: Pinned, *, device: torch.device) -> None:
        self.spaces = (space_of(model),)
        rows = pq.read_table(model.path(WORDS))
        learnt = Learnt(strings(rows, "word"), np.load(model.path(VECTORS), allow_pickle=False))
        weights = dict(zip(learnt.words, numbers(rows, "weight").tolist(), strict=True))
        self.space = ItemSpace(model.partition.values["method"], learnt, weights, int(model.facts["hashed_dim"]))
        self.width = self.space.width

    def content_hashes(self, items: pa.RecordBatch) -> Strings:
        """Hash of id, title, category and brand."""
        columns = [texts(items.column(name)) for name in ("item_id", *COLUMNS)]
        return pa.array([hashlib.sha1("\0".join(row).encode()).hexdigest() for row in zip(*columns, strict=True)])

    def features(self, items: pa.RecordBatch) -> pa.RecordBatch:
        """The items themselves: there is nothing to prepare."""
        return items

    def encode(self, features: pa.RecordBatch) -> Vectors:
        """Unit vectors [n, D]."""
        return self.space.vectors(features)
