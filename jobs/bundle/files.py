"""The files of a bundle: their names, how they are written so that a full disk is noticed, and how they are read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from jobs.bundle.near_duplicates import prepare
from jobs.lake.arrays import save_array
from jobs.lake.arrow import Strings, large, table_of
from jobs.lake.read import Pinned
from models.ann.families import parts
from models.reranking.features import ItemArrays

if TYPE_CHECKING:
    from models.sparse.bm25 import SparseIndex

# raised when older code can no longer read new files, or new code older ones;
# 2 has query_tower.onnx, without which only torch can read a bundle
BUNDLE_FORMAT = 2
READABLE_FORMATS = (1, 2)
INDEX_FILE = "index.faiss"
LISTS_FILE = "index.ivfdata"  # inverted lists that stay on disk, where the index was written so
QUERY_TOWER = "query_tower.onnx"
IDS_FILE = "item_ids.parquet"
FACTS_FILE = "facts.json"
CANARIES_FILE = "canaries.json"
CLUSTERS_FILE = "clusters.npy"  # of each row of the index, where lists are spread over clusters
SPARSE_FILE = "sparse.json"
ITEM_ARRAYS_FILE = "item_arrays.json"
SPARSE_ARRAYS = ("data", "indices", "indptr")
TOWERS_FILES = CONFIG, TOKENIZER, WEIGHTS, GOLDEN = (
    "config.json",
    "tokenizer.json",
    "weights.safetensors",
    "golden.json",
)
LEAST_COSINE = 0.999  # other devices round differently; other weights are far off
LISTS = ("memory", "disk")
# lists in a file of their own are looked for beside the index, and never written
MAPPED = faiss.IO_FLAG_READ_ONLY | faiss.IO_FLAG_ONDISK_SAME_DIR


def write_index(index: faiss.Index, path: Path) -> None:
    """Write an index, force it to disk, and read it back as a check.

    FAISS's own writer reports success with the tail missing when the disk fills in the last block.

    Raises:
        OSError: the disk is full.
        RuntimeError: the file differs from the index.
    """
    written = 0
    if (lists := _lists_on_disk(index)) is not None:
        # the path on this machine must not be stored: readers look beside the index
        lists.filename = LISTS_FILE
    with path.open("wb") as file:

        def take(block: bytes) -> None:
            nonlocal written
            written += file.write(block)

        writer = faiss.PyCallbackIOWriter(take, 1 << 20)
        faiss.write_index(index, writer)
        del writer  # flushes its buffer
        file.flush()
        os.fsync(file.fileno())
    again = faiss.read_index(str(path), MAPPED)
    read_back = (path.stat().st_size, again.ntotal, again.d, again.metric_type)
    expected = (written, index.ntotal, index.d, index.metric_type)
    if read_back != expected:
        raise RuntimeError(
            f"{path.name}: (bytes, vectors, dimension, metric) read back as {read_back}, expected"
            f" {expected}; is the disk full or failing?"
        )


def read_index(pinned: Pinned, lists: str = "memory") -> faiss.Index:
    """Check the files of an index, then read it.

    lists: memory, or disk: inverted lists are mapped, and read when queries visit them. Codes of
    FastScan, graphs and flat indices are in memory in both cases. Inverted lists in a file of their own
    are looked for beside the index, so the folder may move.
    """
    if lists not in LISTS:
        raise ValueError(f"lists={lists}: expected {' or '.join(LISTS)}")
    path = pinned.path(INDEX_FILE)
    own_file = pinned.has(LISTS_FILE)
    if own_file:
        pinned.path(LISTS_FILE)
    flags = MAPPED | faiss.IO_FLAG_MMAP if lists == "disk" and not own_file else MAPPED
    index = faiss.read_index(str(path), flags)
    if lists == "memory" and own_file:
        _lists_into_memory(index)
    return index


def _lists_on_disk(index: faiss.Index) -> Any:
    """The inverted lists of an index that are in a file of their own; None where all is in memory."""
    ivf = parts(index).ivf
    lists = faiss.downcast_InvertedLists(ivf.invlists) if ivf is not None else None
    return lists if isinstance(lists, faiss.OnDiskInvertedLists) else None


def _lists_into_memory(index: faiss.Index) -> None:
    ivf: Any = faiss.extract_index_ivf(index)
    held: Any = faiss.ArrayInvertedLists(ivf.nlist, ivf.code_size)
    everything = held.SUBSET_TYPE_ID_RANGE
    ivf.invlists.copy_subset_to(held, everything, 0, np.iinfo(np.int64).max)
    ivf.replace_invlists(held, True)
    held.this.disown()


def write_ids(item_ids: Strings, titles: Strings, folder: Path) -> None:
    """Write the item id and title of each row of the index."""
    rows = table_of({"row": np.arange(len(item_ids)), "item_id": item_ids, "title": titles})
    pq.write_table(rows, folder / IDS_FILE, compression="zstd", write_page_checksum=True)


def write_sparse(sparse: SparseIndex, folder: Path) -> None:
    """Write the sparse arm: three arrays and the terms."""
    for name, values in sparse.arrays().items():
        save_array(folder / f"sparse.{name}.npy", values)
    about = {"terms": sparse.terms, "n_items": sparse.n_items, "language": sparse.language}
    (folder / SPARSE_FILE).write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")


def read_sparse(pinned: Pinned) -> SparseIndex:
    """Check and read the sparse arm. Nothing is unpickled; arrays are mapped and read when they are used."""
    # importing bm25s takes a second, and a bundle without a sparse arm does not need it
    from models.sparse.bm25 import SparseIndex

    about = json.loads(pinned.path(SPARSE_FILE).read_bytes())
    arrays = {
        name: np.load(pinned.path(f"sparse.{name}.npy"), mmap_mode="r", allow_pickle=False) for name in SPARSE_ARRAYS
    }
    return SparseIndex(**arrays, **about)


def write_item_arrays(items: ItemArrays, days: Mapping[str, str], folder: Path) -> None:
    """Write what rankers read, items by row of the index. days: the last one that went into `numbers`, into `segments`."""
    arrays = items.arrays()
    for name, values in arrays.items():
        save_array(folder / f"item_arrays.{name}.npy", values)
    write_json({"language": items.language, "days": dict(days), "arrays": sorted(arrays)}, folder / ITEM_ARRAYS_FILE)


def read_item_arrays(pinned: Pinned) -> ItemArrays:
    """Check and map the items' numbers and hashed words."""
    about = json.loads(pinned.path(ITEM_ARRAYS_FILE).read_bytes())
    arrays = {
        name: np.load(pinned.path(f"item_arrays.{name}.npy"), mmap_mode="r", allow_pickle=False)
        for name in about["arrays"]
    }
    return ItemArrays.of(arrays, about["language"])


def days_of_features(pinned: Pinned) -> dict[str, str]:
    """The last day that went into the `numbers` of a bundle's items, and into the `segments` of its queries.

    Empty for a bundle without them; one of older code has no segments.
    """
    if not pinned.has(ITEM_ARRAYS_FILE):
        return {}
    about = json.loads(pinned.path(ITEM_ARRAYS_FILE).read_bytes())
    return dict(about["days"]) if "days" in about else {"numbers": str(about["day"])}


def read_parts(pinned: Pinned, lists: str = "") -> dict[str, Any]:
    """Read index, item_ids, titles and facts of a bundle, and refuse them unless they belong together.

    Raises:
        RuntimeError: a file is damaged, of another format, or does not fit the others.
    """
    facts = json.loads(pinned.path(FACTS_FILE).read_bytes())
    if facts.get("format") not in READABLE_FORMATS:
        raise RuntimeError(
            f"{pinned.partition}: bundle format {facts.get('format')}, this code reads"
            f" {', '.join(map(str, READABLE_FORMATS))}; build the index again with this code"
        )
    # pq.read_table would import pandas
    with pq.ParquetFile(pinned.path(IDS_FILE)) as file:
        rows = file.read(["item_id", "title"])
    index = read_index(pinned, lists or os.environ.get("NIGHTSHELF_LISTS", "memory"))
    prepare(index, facts)
    _check_consistency(pinned, index, rows.num_rows, facts, read_golden(pinned)["space_id"])
    item_ids, titles = (large(rows.column(name).chunks) for name in ("item_id", "title"))
    return {"index": index, "item_ids": item_ids, "titles": titles, "facts": facts}


def _check_consistency(pinned: Pinned, index: faiss.Index, n_ids: int, facts: Mapping[str, Any], space: str) -> None:
    spaces = {"query tower": space, "facts": facts["space_id"], "address": pinned.partition.values["space"]}
    if len(set(spaces.values())) != 1:
        raise RuntimeError(f"{pinned.partition}: space ids {spaces} differ; build the index again")
    counts = {"vectors": index.ntotal, "ids": n_ids, "items in the facts": facts["items"]}
    if len(set(counts.values())) != 1:
        raise RuntimeError(f"{pinned.partition}: {counts} differ; build the index again")
    if index.metric_type != faiss.METRIC_INNER_PRODUCT:
        raise RuntimeError(f"{pinned.partition}: its index does not compare inner products")


def write_json(value: object, path: Path) -> None:
    """Write canonical JSON: equal values make equal bytes."""
    path.write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False), "utf-8")


def read_golden(pinned: Pinned) -> dict[str, Any]:
    """The space id, and for both sides (queries, items) texts with their vectors on the machine that trained the towers."""
    golden: dict[str, Any] = json.loads(pinned.path(GOLDEN).read_bytes())
    return golden


def check_vectors(pinned: Pinned, side: str, encode: Callable[[Sequence[str]], NDArray[np.float32]]) -> float:
    """Encode the golden texts of a side again; returns the smallest cosine with their vectors, 1 without texts.

    Raises:
        RuntimeError: a golden text's vector has moved.
    """
    golden = read_golden(pinned)[side]
    if not golden:
        return 1.0
    texts = [text for text, _ in golden]
    expected = np.array([vector for _, vector in golden], np.float32)
    cosine = (encode(texts) * expected).sum(axis=1) / (expected**2).sum(axis=1)  # over all heads
    if not (worst := float(cosine.min())) >= LEAST_COSINE:
        raise RuntimeError(
            f"{pinned.partition}: {texts[int(cosine.argmin())]!r} has cosine {worst:.4f} with its golden"
            f" vector, expected {LEAST_COSINE}; are torch, transformers, tokenizers and onnxruntime those"
            " of requirements.lock?"
        )
    return worst
