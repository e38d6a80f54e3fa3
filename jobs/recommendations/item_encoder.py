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


class ItemVectors(Encoder[pa.RecordBatch]):
    """Encodes items by a trained `item2vec`. An item that training never saw gets the mean of its metadata's vectors."""

    hash_columns = COLUMNS
    spaces: tuple[str, ...] = ()

    def __init__(self, model: Pinned, *, device: torch.device) -> None:
        self.method, self.hashed_dim = model.partition.values["method"], int(model.facts["hashed_dim"])
        self.spaces = (space_of(model),)
        rows = pq.read_table(model.path(WORDS))
        self.words = strings(rows, "word")
        self.weights = dict(zip(self.words, numbers(rows, "weight").tolist(), strict=True))
        self.vectors: Vectors = np.load(model.path(VECTORS), allow_pickle=False)
        self.place = {word: row for row, word in enumerate(self.words)}
        self.width = self.vectors.shape[1] + self.hashed_dim

    def content_hashes(self, items: pa.RecordBatch) -> Strings:
        """Hash of id, title, category and brand."""
        columns = [texts(items.column(name)) for name in ("item_id", *COLUMNS)]
        return pa.array([hashlib.sha1("\0".join(row).encode()).hexdigest() for row in zip(*columns, strict=True)])

    def features(self, items: pa.RecordBatch) -> pa.RecordBatch:
        """The items themselves: there is nothing to prepare."""
        return items

    def encode(self, features: pa.RecordBatch) -> Vectors:
        """Unit vectors [n, D]."""
        ids, titles, categories, brands = (texts(features.column(name)) for name in ("item_id", *COLUMNS))
        if self.method == CONTENT:
            words = [content_words(*row) for row in zip(titles, categories, strict=True)]
            return text_vectors(words, self._learnt, self.weights, self.hashed_dim)
        rows = np.array([self.place.get(name, -1) for name in ids], np.int64)
        made = self.vectors[rows]
        cold = np.flatnonzero(rows < 0)
        metadata = [metadata_words(categories[row], brands[row]) for row in cold.tolist()]
        known = {word: self._learnt(word) for some in metadata for word in some if word in self.place}
        made[cold] = cold_vectors(metadata, known, self.vectors.mean(axis=0))
        return made

    def _learnt(self, word: str) -> Vectors:
        row = self.place.get(word, -1)
        return self.vectors[row] if row >= 0 else np.zeros(self.vectors.shape[1], np.float32)
