"""Inverted lists written straight to their file: an index larger than memory, whole when the last list is.

FAISS's own merging on disk stores the path of its file in the index and opens it for writing, so that a
renamed folder breaks it. This file is only ever read, from wherever it lies beside its index.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import IO

import faiss
import numpy as np

from jobs.bundle.files import LISTS_FILE
from models.ann.codes import Block, adopt, once
from models.ann.families import parts, plain

_ALIGNED = 8  # entries: the ids behind a list's codes then begin at a multiple of eight bytes


def can_stand_on_disk(trained: faiss.Index, factory: str) -> bool:
    """Whether lists of this family can be mapped from a file: packed codes cannot, nor can a graph."""
    return parts(trained).ivf is not None and plain(factory) == factory


def fill_on_disk(
    trained: faiss.Index,
    items: int,
    blocks: Iterable[Block],
    refine: Iterable[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]],
    folder: Path,
) -> faiss.Index:
    """An index whose lists are in `index.ivfdata` of the folder; memory holds one block.

    Finer codes stay in memory, in the index itself.
    """
    index = faiss.clone_index(trained)
    found = parts(index)
    ivf = found.ivf
    assert ivf is not None
    lists = faiss.OnDiskInvertedLists()
    lists.nlist, lists.code_size, lists.filename = (ivf.nlist, ivf.code_size, str(folder / LISTS_FILE))
    lists.lists.clear()
    with (folder / LISTS_FILE).open("wb") as file:
        for block in once(blocks, items):
            _append(lists, block, file)
        while lists.lists.size() < ivf.nlist:
            lists.lists.push_back(faiss.OnDiskOneList())
        lists.totsize = file.tell()
    lists.read_only = True
    lists.do_mmap()
    ivf.replace_invlists(lists, True)
    lists.this.disown()
    adopt(found, items, refine)
    return index


def _append(lists: faiss.OnDiskInvertedLists, block: Block, file: IO[bytes]) -> None:
    """Write the lists of a block one after another: codes, then ids, as FAISS maps them."""
    last = int(block.lists[-1]) if len(block.lists) else -1
    edges = np.searchsorted(block.lists, np.arange(lists.lists.size(), last + 2))
    for start, stop in pairwise(edges.tolist()):
        entry = faiss.OnDiskOneList()
        entry.size, entry.offset = stop - start, file.tell()
        entry.capacity = -(-entry.size // _ALIGNED) * _ALIGNED
        spare = entry.capacity - entry.size
        file.write(np.ascontiguousarray(block.codes[start:stop]).tobytes())
        file.write(bytes(spare * lists.code_size))
        file.write(np.ascontiguousarray(block.rows[start:stop], np.int64).tobytes())
        file.write(bytes(8 * spare))
        lists.lists.push_back(entry)
