"""The files of a bundle: their names, and how they are written so that a full disk is noticed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow.parquet as pq

from jobs.columns import table_of
from jobs.reading import Pinned
from models.ann.families import parts
from models.sparse import SparseIndex

# raised when a reader of the old files could no longer read the new ones, or the other way round
BUNDLE_FORMAT = 1
INDEX_FILE = "index.faiss"
DATA_FILE = "index.ivfdata"  # inverted lists, where they are too large for memory
IDS_FILE = "item_ids.parquet"
FACTS_FILE = "facts.json"
CANARIES_FILE = "canaries.json"
SPARSE_FILE = "sparse.json"
SPARSE_ARRAYS = ("data", "indices", "indptr")
TOWERS_FILES = ("config.json", "tokenizer.json", "weights.safetensors", "golden.json")


def write_index(index: faiss.Index, path: Path) -> None:
    """Write an index, force it to disk, and read it back before anybody trusts it.

    FAISS's own writer reports success with the tail missing when the disk fills in the last block.

    Raises:
        OSError: the disk is full.
        RuntimeError: the file differs from what was handed to it.
    """
    written = 0
    lists = _mapped(index)
    if lists is not None:
        lists.filename = (
            DATA_FILE  # where it lies here is nobody's business; readers look beside the index
        )
    with path.open("wb") as file:

        def take(block: bytes) -> None:
            nonlocal written
            written += file.write(block)

        writer = faiss.PyCallbackIOWriter(take, 1 << 20)
        faiss.write_index(index, writer)
        del writer  # hands over what it still holds
        file.flush()
        os.fsync(file.fileno())
    again = read_index(path)
    found = (path.stat().st_size, again.ntotal, again.d, again.metric_type)
    expected = (written, index.ntotal, index.d, index.metric_type)
    if found != expected:
        raise RuntimeError(
            f"{path.name}: (bytes, vectors, dimension, metric) read back as {found}, expected"
            f" {expected}; is the disk full or failing?"
        )


def read_index(path: Path) -> faiss.Index:
    """Read an index whose file was checked; lists that stand in a file beside it are mapped, never written."""
    return faiss.read_index(str(path), faiss.IO_FLAG_READ_ONLY | faiss.IO_FLAG_ONDISK_SAME_DIR)


def _mapped(index: faiss.Index) -> Any:
    """The part of an index that stands in a file of its own; None where it is all in memory."""
    ivf = parts(index).ivf
    lists = faiss.downcast_InvertedLists(ivf.invlists) if ivf is not None else None
    return lists if isinstance(lists, faiss.OnDiskInvertedLists) else None


def write_ids(item_ids: Sequence[str], titles: Sequence[str], folder: Path) -> None:
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
    """Read the sparse arm back, each file checked; nothing in it is unpickled."""
    about = json.loads(pinned.path(SPARSE_FILE).read_bytes())
    arrays = {
        name: np.load(pinned.path(f"sparse.{name}.npy"), allow_pickle=False)
        for name in SPARSE_ARRAYS
    }
    return SparseIndex(**arrays, **about)


def copy_towers(towers: Pinned, folder: Path) -> None:
    """Copy the towers' files, each checked against its manifest on the way."""
    for name in TOWERS_FILES:
        shutil.copyfile(towers.path(name), folder / name)


def write_json(value: object, path: Path) -> None:
    """Write canonical JSON: equal values make equal bytes."""
    path.write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False), "utf-8")
