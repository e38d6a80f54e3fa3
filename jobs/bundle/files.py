"""The files of a bundle: their names, how they are written so that a full disk is noticed, how they are read."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np
import pyarrow.parquet as pq

from jobs.lake.arrow import Strings, table_of
from jobs.lake.read import Pinned
from models.ann.families import parts

if TYPE_CHECKING:
    from models.sparse.bm25 import SparseIndex

# raised when a reader of the old files could no longer read the new ones, or the other way round;
# 2 has query_tower.onnx, without which only torch can read a bundle
BUNDLE_FORMAT = 2
READABLE_FORMATS = (1, 2)
INDEX_FILE = "index.faiss"
LISTS_FILE = "index.ivfdata"  # inverted lists that stay on disk, where the index was written so
QUERY_TOWER = "query_tower.onnx"
IDS_FILE = "item_ids.parquet"
FACTS_FILE = "facts.json"
CANARIES_FILE = "canaries.json"
SPARSE_FILE = "sparse.json"
SPARSE_ARRAYS = ("data", "indices", "indptr")
TOWERS_FILES = CONFIG, TOKENIZER, WEIGHTS, GOLDEN = (
    "config.json",
    "tokenizer.json",
    "weights.safetensors",
    "golden.json",
)
LISTS = ("memory", "disk")
# lists in a file of their own are looked for beside the index, and never written
MAPPED = faiss.IO_FLAG_READ_ONLY | faiss.IO_FLAG_ONDISK_SAME_DIR


def write_index(index: faiss.Index, path: Path) -> None:
    """Write an index, force it to disk, and read it back before anybody trusts it.

    FAISS's own writer reports success with the tail missing when the disk fills in the last block.

    Raises:
        OSError: the disk is full.
        RuntimeError: the file differs from what was handed to it.
    """
    written = 0
    if (lists := _in_a_file(index)) is not None:
        # where it lies here is nobody's business: readers look beside the index
        lists.filename = LISTS_FILE
    with path.open("wb") as file:

        def take(block: bytes) -> None:
            nonlocal written
            written += file.write(block)

        writer = faiss.PyCallbackIOWriter(take, 1 << 20)
        faiss.write_index(index, writer)
        del writer  # hands over what it still holds
        file.flush()
        os.fsync(file.fileno())
    again = faiss.read_index(str(path), MAPPED)
    found = (path.stat().st_size, again.ntotal, again.d, again.metric_type)
    expected = (written, index.ntotal, index.d, index.metric_type)
    if found != expected:
        raise RuntimeError(
            f"{path.name}: (bytes, vectors, dimension, metric) read back as {found}, expected"
            f" {expected}; is the disk full or failing?"
        )


def read_index(pinned: Pinned, lists: str = "memory") -> faiss.Index:
    """Read the index of a bundle, its files checked first.

    lists: memory, or disk, where inverted lists are mapped and read as queries visit them (codes of
    FastScan, graphs and flat indices are in memory all the same). Inverted lists that lie in a file
    of their own are looked for beside the index, wherever the folder went.
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


def _in_a_file(index: faiss.Index) -> Any:
    """The lists of an index that stand in a file of their own; None where all is in memory."""
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
    """Write what stands in each row of the index."""
    rows = table_of({"row": np.arange(len(item_ids)), "item_id": item_ids, "title": titles})
    pq.write_table(rows, folder / IDS_FILE, compression="zstd", write_page_checksum=True)


def write_sparse(sparse: SparseIndex, folder: Path) -> None:
    """Write the sparse arm: three arrays, and its terms."""
    for name, values in sparse.arrays().items():
        np.save(folder / f"sparse.{name}.npy", values, allow_pickle=False)
    about = {"terms": sparse.terms, "n_items": sparse.n_items, "language": sparse.language}
    (folder / SPARSE_FILE).write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")


def read_sparse(pinned: Pinned) -> SparseIndex:
    """Read the sparse arm back, each file checked; nothing in it is unpickled, and arrays stay on disk
    until they are looked at."""
    # bm25s takes a second, which the dense arm alone need not wait
    from models.sparse.bm25 import SparseIndex

    about = json.loads(pinned.path(SPARSE_FILE).read_bytes())
    arrays = {
        name: np.load(pinned.path(f"sparse.{name}.npy"), mmap_mode="r", allow_pickle=False) for name in SPARSE_ARRAYS
    }
    return SparseIndex(**arrays, **about)


def copy_towers(towers: Pinned, folder: Path) -> None:
    """Copy the towers' files, each checked against its manifest on the way."""
    for name in TOWERS_FILES:
        shutil.copyfile(towers.path(name), folder / name)


def write_json(value: object, path: Path) -> None:
    """Write canonical JSON: equal values make equal bytes."""
    path.write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False), "utf-8")
