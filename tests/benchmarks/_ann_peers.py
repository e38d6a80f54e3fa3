"""The peers of `make bench ROOM=index`: each builds an index of the same vectors and answers on one thread.

A side's first word names its kind, the rest is its setting. A point is one setting of its search; a side's points
stand in the order of what they cost.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Protocol, cast

import faiss
import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]
Point = dict[str, int]
GRAPH = (100, 128, 160, 200, 300, 400, 600, 1000)
LISTS = (4, 8, 12, 16, 24, 32, 48, 64, 96, 128)


class Side(Protocol):
    """One library with one setting."""

    points: list[Point]

    def build(self, items: Vectors, tune: Vectors) -> None:
        """Index items [N, D], row i under number i; `tune` are queries that are not those asked later."""

    def at(self, point: Point) -> None:
        """Search from now on with this setting."""

    def search(self, queries: Vectors, k: int) -> Rows:
        """Rows [Q, k] of the best items; one query or many."""

    def save(self, folder: Path) -> None:
        """Write the index: its files are counted."""


class Faiss:
    """A plain factory string: IVF, HNSW, either with refine."""

    def __init__(self, factory: str) -> None:
        self.factory = factory
        refine = (2, 4) if "Refine" in factory else (0,)
        if "IVF" in factory:
            self.points = [_point(nprobe=n, k_factor=f) for n in LISTS for f in refine]
        else:
            self.points = [_point(efSearch=ef, k_factor=f) for ef in GRAPH for f in refine]

    def build(self, items: Vectors, tune: Vectors) -> None:
        self.index = faiss.index_factory(items.shape[1], self.factory, faiss.METRIC_INNER_PRODUCT)
        self.index.train(items)
        self.index.add(items)

    def at(self, point: Point) -> None:
        space = faiss.ParameterSpace()
        for name, value in point.items():
            wanted = "k_factor_rf" if name == "k_factor" else name
            space.set_index_parameter(self.index, wanted, value)

    def search(self, queries: Vectors, k: int) -> Rows:
        return cast(Rows, self.index.search(queries, k)[1])

    def save(self, folder: Path) -> None:
        faiss.write_index(self.index, str(folder / "index"))


class Autofaiss(Faiss):
    """Its own pick, tuned by itself: there is one point. The setting is its memory budget."""

    def __init__(self, memory: str) -> None:
        self.memory = memory or "16G"
        self.points = [{}]

    def build(self, items: Vectors, tune: Vectors) -> None:
        # it brings a package named `tests`, as ours is: it lies apart and comes last
        sys.path.append(str(Path(sys.prefix) / "autofaiss"))
        from autofaiss import build_index

        self.index, said = build_index(
            items,
            save_on_disk=False,
            metric_type="ip",
            max_index_memory_usage=self.memory,
            nb_cores=1,
            verbose=logging.ERROR,
        )
        self.points = [{f"{said['index_key']} {said['index_param']}": 0}]

    def at(self, point: Point) -> None:
        """Stay as it came."""


class Hnswlib:
    """hnswlib; the setting is M."""

    def __init__(self, links: str) -> None:
        self.points = [{"ef": ef} for ef in GRAPH]
        self.links = int(links or 16)

    def build(self, items: Vectors, tune: Vectors) -> None:
        import hnswlib

        self.index = hnswlib.Index("ip", items.shape[1])
        self.index.init_index(len(items), M=self.links, ef_construction=200, random_seed=0)
        self.index.add_items(items, num_threads=1)

    def at(self, point: Point) -> None:
        self.index.set_ef(point["ef"])

    def search(self, queries: Vectors, k: int) -> Rows:
        return cast(Rows, self.index.knn_query(queries, k=k, num_threads=1)[0].astype(np.int64))

    def save(self, folder: Path) -> None:
        self.index.save_index(str(folder / "index"))


class Usearch:
    """usearch; the setting is how it stores vectors: f32, bf16, i8."""

    def __init__(self, kind: str) -> None:
        self.points = [{"expansion_search": ef} for ef in GRAPH]
        self.kind = kind or "f32"

    def build(self, items: Vectors, tune: Vectors) -> None:
        from usearch.index import Index

        self.index = Index(ndim=items.shape[1], metric="ip", dtype=self.kind, connectivity=16, expansion_add=200)
        self.index.add(np.arange(len(items)), items, threads=1)

    def at(self, point: Point) -> None:
        self.index.expansion_search = point["expansion_search"]

    def search(self, queries: Vectors, k: int) -> Rows:
        return cast(Rows, self.index.search(queries, k, threads=1).keys.astype(np.int64).reshape(len(queries), -1))

    def save(self, folder: Path) -> None:
        self.index.save(str(folder / "index"))


class Scann:
    """ScaNN: a tree of sqrt(N) leaves (or as many as the setting says), 4-bit codes, exact scores at the end.
    With `soar` in the setting an item stands in two leaves."""

    def __init__(self, setting: str) -> None:
        words = setting.split()
        self.soar = 1.5 if "soar" in words else None
        self.leaves = next((int(word) for word in words if word.isdigit()), 0)
        self.points = [{"leaves": n, "reorder": r} for n in LISTS for r in (200, 400)]

    def build(self, items: Vectors, tune: Vectors) -> None:
        import scann

        leaves = self.leaves or int(len(items) ** 0.5)
        self.index = (
            scann.scann_ops_pybind.builder(items, 100, "dot_product")
            .set_n_training_threads(1)
            .tree(leaves, 32, training_sample_size=len(items), soar_lambda=self.soar)
            .score_ah(2, anisotropic_quantization_threshold=0.2)
            .reorder(400)
            .build()
        )

    def at(self, point: Point) -> None:
        self.point = point

    def search(self, queries: Vectors, k: int) -> Rows:
        found, _ = self.index.search_batched(
            queries,
            final_num_neighbors=k,
            leaves_to_search=self.point["leaves"],
            pre_reorder_num_neighbors=self.point["reorder"],
        )
        return cast(Rows, found.astype(np.int64))

    def save(self, folder: Path) -> None:
        self.index.serialize(str(folder))


def _point(**settings: int) -> Point:
    """Without what does not apply."""
    return {name: value for name, value in settings.items() if value}
