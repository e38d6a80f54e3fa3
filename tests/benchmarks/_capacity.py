"""Cost of one item in each stage of an index's build: synthetic vectors, one thread, CPU seconds."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from jobs.embeddings.read_shards import matrix
from models.ann.codes import Bytes, ListBlock, Vectors, assign, fill
from models.ann.families import IndexParts, blank, ivf, lists_for, parts
from models.ann.train import TRAINING_PER_LIST, sample_size, train
from models.simulator.marketplace import offers
from models.text.tokens import train_tokenizer
from models.towers.config import TowerConfig
from models.towers.encode import encode_items
from models.towers.two_tower import TwoTower
from tests.benchmarks.negatives import DIM, vectors

ITERATIONS = 10  # of k-means, as FAISS trains inverted lists
SAMPLE = 2_000  # vectors given their list, to time that
CODES = ("SQ8", "SQbf16", "RaBitQ4", f"PQ{DIM // 2}x4fs,Refine(SQ8)")
STAGES = ("read", "train", "assign", "code", "merge", "write")


@dataclass(frozen=True)
class Built:
    """An index that was built: CPU seconds of each stage, and bytes of its file."""

    items: int
    lists: int
    cpu_s: dict[str, float]
    bytes: int


@dataclass(frozen=True)
class Units:
    """CPU seconds per unit. kmeans: vector x centroid x iteration; flat: vector x centroid; graph: vector,
    by number of centroids; graph_add: centroid; towers: item. By codes: code, merge, write: item; bytes:
    of an item in the index."""

    read: float
    towers: float
    kmeans: float
    flat: float
    graph: dict[int, float]
    graph_add: float
    code: dict[str, float]
    merge: dict[str, float]
    write: dict[str, float]
    bytes: dict[str, float]


@dataclass(frozen=True)
class Coarse:
    """CPU seconds of a vector through the graph, of a centroid's insertion, of a vector compared with all;
    agreement: how often the graph gives the same list."""

    graph: float
    graph_add: float
    flat: float
    agreement: float


@contextmanager
def timed(into: dict[str, float], stage: str) -> Iterator[None]:
    """CPU seconds of a block."""
    started = time.process_time()
    yield
    into[stage] = time.process_time() - started


def built(items: int, codes: str) -> Built:
    """Build an index stage by stage, as the jobs do: from Parquet in fp16 to a file on disk."""
    took: dict[str, float] = {}
    lists = lists_for(items)
    factory = ivf(lists, codes)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vectors.parquet"
        flat = pa.array(vectors(items, 1).astype(np.float16).reshape(-1))
        pq.write_table(pa.table({"embedding": pa.FixedSizeListArray.from_arrays(flat, DIM)}), path)
        del flat
        with timed(took, "read"):
            batches = pq.ParquetFile(path).iter_batches(16_384)
            given = np.concatenate([matrix(batch.column("embedding")) for batch in batches])
        with timed(took, "train"):
            trained = train(given[: sample_size(factory, DIM)], factory)
        with timed(took, "assign"):
            near = assign(parts(trained).ivf, given)
        with timed(took, "code"):
            codes_of, refine = coded(parts(trained), given, near)
        with timed(took, "merge"):
            order = np.argsort(near, kind="stable")
            block = ListBlock(near[order], order, codes_of[order])
            index = fill(trained, factory, items, [block], refine)
        with timed(took, "write"):
            faiss.write_index(index, str(path))
            with path.open("rb") as file:
                os.fsync(file.fileno())
        return Built(items, lists, took, path.stat().st_size)


def coded(found: IndexParts, given: Vectors, near: NDArray[np.int64]) -> tuple[Bytes, list[Bytes]]:
    """Codes of vectors whose lists are known, and the finer ones; as models.ann.codes.encode, which finds
    the lists itself."""
    codes = np.zeros((len(given), found.ivf.code_size), np.uint8)
    pointers = [faiss.swig_ptr(one) for one in (given, near, codes)]
    found.ivf.encode_vectors(len(given), *pointers, False)
    return codes, [] if found.refine is None else [found.refine.sa_encode(given)]


def kmeans(lists: int) -> float:
    """CPU seconds of an iteration of k-means over 64 vectors a centroid."""
    given, took = vectors(TRAINING_PER_LIST * lists, 1), {}
    learner = faiss.Clustering(DIM, lists)
    learner.niter, learner.spherical = 2, True
    with timed(took, "two"):
        learner.train(given, faiss.IndexFlatIP(DIM))
    return took["two"] / 2


def units(small: dict[str, Built], coarse: dict[int, Coarse]) -> Units:
    """Unit costs: from indexes that were built, one for each kind of code, and from centroids alone."""
    first = next(iter(small.values()))

    def per_item(stage: str) -> dict[str, float]:
        return {codes: one.cpu_s[stage] / one.items for codes, one in small.items()}

    learnt = ITERATIONS * first.lists * min(first.items, TRAINING_PER_LIST * first.lists)
    return Units(
        read=min(per_item("read").values()),
        towers=towers(),
        kmeans=first.cpu_s["train"] / learnt,
        flat=min(per_item("assign").values()) / first.lists,
        graph={count: one.graph for count, one in coarse.items()},
        graph_add=coarse[max(coarse)].graph_add,
        code=per_item("code"),
        merge=per_item("merge"),
        write=per_item("write"),
        bytes={codes: (one.bytes - centroid_bytes(one.lists)) / one.items for codes, one in small.items()},
    )


def centroid_bytes(lists: int) -> int:
    """Bytes of the centroids, and of the graph over them where there is one."""
    whole = blank(ivf(lists, "SQ8"), DIM)  # held by name: parts are views into it
    coarse = faiss.downcast_index(parts(whole).ivf.quantizer)
    # 64 neighbours on the ground level, and hardly any above
    links = 4 * 64 + 16 if isinstance(coarse, faiss.IndexHNSW) else 0
    return lists * (4 * DIM + links)


def coarse_quantisers(counts: tuple[int, ...]) -> dict[int, Coarse]:
    """A graph over so many centroids, and comparing with all of them."""
    found = {}
    for count in counts:
        took: dict[str, float] = {}
        centroids, given = vectors(count, 2), vectors(SAMPLE, 3)
        # held by name: parts are views into them
        whole = blank(f"IVF{count}_HNSW32,SQ8", DIM), blank(f"IVF{count},SQ8", DIM)
        graph, flat = (parts(one).ivf for one in whole)
        flat.quantizer.add(centroids)
        with timed(took, "add"):
            graph.quantizer.add(centroids)
        with timed(took, "graph"):
            near = assign(graph, given)
        with timed(took, "flat"):
            nearest = assign(flat, given)
        agreement = float((near == nearest).mean())
        found[count] = Coarse(took["graph"] / SAMPLE, took["add"] / count, took["flat"] / SAMPLE, agreement)
    return found


def towers(items: int = 20_000) -> float:
    """CPU seconds to encode one title by towers of trigrams (preset `tiny`, cut to DIM)."""
    titles = list(offers(7, np.arange(items), date(2026, 1, 31).toordinal()).titles)
    torch.manual_seed(0)
    config = TowerConfig(dim=384, cut=DIM, trigram_buckets=1 << 15)
    made = TwoTower(config, train_tokenizer(titles[:2_000], 500)).eval()
    encode_items(made, titles[:1_000])
    took: dict[str, float] = {}
    with timed(took, "towers"):
        encode_items(made, titles)
    return took["towers"] / items
