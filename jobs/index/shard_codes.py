"""Codes of one shard in files: items by id, their inverted lists and codes sorted by list.

    items.parquet   item_id, content_hash: the i-th id, in the order of bytes, is row i
    offsets.npy     [L + 1]   entries of list l are offsets[l] to offsets[l + 1]
    rows.npy        [n]       row of each entry
    codes.npy       [n, C]    its code
    refine.npy      [n, R]    finer codes, by row; only where the index has them

Codes of unchanged items are copied from an earlier day. Memory: 60 bytes an item of the shard (ids, hashes, lists, order)
and one chunk of vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from jobs.embeddings.hydrated import HydratedShard
from jobs.embeddings.read_shards import in_order, shard_batches
from jobs.lake.arrays import mapped_array, save_array
from jobs.lake.arrow import Rows, Strings, large, pick, table_of
from jobs.lake.fault import fault_point
from jobs.lake.read import Pinned, read_table
from jobs.platform.progress import progress
from models.ann.codes import encode, lists_of, widths

ITEMS, OFFSETS, ROWS, CODES, REFINE = ("items.parquet", "offsets.npy", "rows.npy", "codes.npy", "refine.npy")
CHUNK = 65_536
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class CodedShard:
    """A published shard of codes, mapped from its files. rows [n] and codes [n, C] are sorted by list."""

    pinned: Pinned
    ids: Strings
    hashes: Strings
    offsets: Rows
    rows: NDArray[np.int32]
    codes: Bytes
    refine: Bytes

    @classmethod
    def open(cls, pinned: Pinned) -> CodedShard:
        """Check the files and map them."""
        items = pq.read_table(pinned.path(ITEMS))
        present = {entry.name for entry in pinned.manifest.files} & {OFFSETS, ROWS, CODES, REFINE}
        arrays = {name: np.load(pinned.path(name), mmap_mode="r") for name in present}
        ids, hashes = (large(items.column(name).chunks) for name in ("item_id", "content_hash"))
        refine = arrays.get(REFINE, np.zeros((items.num_rows, 0), np.uint8))
        return cls(pinned, ids, hashes, np.asarray(arrays[OFFSETS]), arrays[ROWS], arrays[CODES], refine)

    @property
    def lists(self) -> NDArray[np.int32]:
        """List [n] of each entry."""
        return np.repeat(np.arange(len(self.offsets) - 1, dtype=np.int32), np.diff(self.offsets))


class ShardCoder:
    """Codes one shard of embeddings and writes the files."""

    def __init__(self, embeddings: Pinned, trained: faiss.Index, folder: Path, device: str) -> None:
        self.embeddings, self.trained, self.folder, self.device = (embeddings, trained, folder, device)
        table = read_table(embeddings, ["item_id", "content_hash"])
        self.ids, order = in_order(table.column("item_id").chunks)
        self.hashes = pick(large(table.column("content_hash").chunks), order)
        if isinstance(embeddings, HydratedShard):
            self.hashes = embeddings.levels.hashes_with(self.ids, self.hashes)
        self.row = np.empty_like(order)  # row of each item, in the order of the embeddings
        self.row[order] = np.arange(len(order))
        if len(order) and pc.any(pc.equal(self.ids[1:], self.ids[:-1])).as_py():
            raise RuntimeError(f"{embeddings.partition}: an item_id occurs twice; embed it again")

    def write(self, previous: CodedShard | None) -> dict[str, int]:
        """Write the files; codes of unchanged items are taken over. Returns the numbers coded, taken over and ended."""
        n = len(self.ids)
        kept = present = places = np.zeros(0, np.int64)
        if previous is not None:
            kept, present = self._kept(previous)
        fresh = np.ones(n, np.bool_)
        fresh[kept[kept >= 0]] = False
        code_bytes, refine_bytes = widths(self.trained)
        refine = self._array(REFINE, (n, refine_bytes)) if refine_bytes else None
        lists, rows, codes = self._coded(fresh, code_bytes, refine)
        if previous is not None:
            stay = kept[previous.rows]
            lists = np.concatenate([previous.lists[stay >= 0], lists])
            rows = np.concatenate([stay[stay >= 0], rows])
            _spread(previous.refine, kept, refine)
            places = np.flatnonzero(stay >= 0)
        self._sorted(lists, rows, codes, previous.codes if previous is not None else codes, places)
        table = table_of({"item_id": self.ids, "content_hash": self.hashes})
        pq.write_table(table, self.folder / ITEMS, compression="zstd", write_page_checksum=True)
        coded = int(fresh.sum())
        return {"coded": coded, "taken_over": n - coded, "ended": len(kept) - len(present)}

    def _kept(self, previous: CodedShard) -> tuple[Rows, Rows]:
        """Today's row [n] of each earlier row, -1 where the item changed or ended; and the rows [m] that are still present."""
        index: Any = pc.index_in(previous.ids, self.ids)
        row: Rows = index.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        present = np.flatnonzero(row >= 0)
        same = pc.equal(pick(previous.hashes, present), pick(self.hashes, row[present]))
        row[present[~same.to_numpy(zero_copy_only=False)]] = -1
        return row, present

    def _coded(
        self, fresh: NDArray[np.bool_], width: int, refine: Bytes | None
    ) -> tuple[NDArray[np.int32], Rows, Bytes]:
        """Lists, rows and codes of the fresh items; the codes are in an unlinked file, which ends with the process."""
        count = int(fresh.sum())
        codes = self._array("fresh.npy", (count, width))
        (self.folder / "fresh.npy").unlink()
        lists, rows = np.empty(count, np.int32), np.empty(count, np.int64)
        done = start = 0
        with progress("codes", count, "items") as advance:
            for names, _, vectors in shard_batches(self.embeddings, CHUNK):
                row = self.row[start : start + len(names)]
                start += len(names)
                mine = np.flatnonzero(fresh[row])
                if not len(mine):
                    continue
                coded = encode(self.trained, vectors[mine], self.device)
                part = slice(done, done + len(mine))
                lists[part], rows[part], codes[part] = coded.lists, row[mine], coded.codes
                if refine is not None:
                    refine[row[mine]] = coded.refine
                done += len(mine)
                advance(len(mine))
                fault_point("codes.chunk")
        return lists, rows, codes

    def _sorted(self, lists: NDArray[np.int32], rows: Rows, codes: Bytes, older: Bytes, places: Rows) -> None:
        """Write offsets, rows and codes in order of (list, row); the first entries are older[places]."""
        order = np.lexsort((rows, lists))
        offsets = np.searchsorted(lists[order], np.arange(lists_of(self.trained) + 1))
        save_array(self.folder / OFFSETS, offsets.astype(np.int64))
        self._array(ROWS, rows.shape, np.int32)[:] = rows[order]
        out = self._array(CODES, (len(rows), codes.shape[1]))
        for start in range(0, len(order), CHUNK):
            some = order[start : start + CHUNK]
            old = some < len(places)
            part = out[start : start + CHUNK]
            part[old] = older[places[some[old]]]
            part[~old] = codes[some[~old] - len(places)]

    def _array(self, name: str, shape: tuple[int, ...], kind: type = np.uint8) -> NDArray[Any]:
        if 0 in shape:  # an empty file cannot be mapped
            save_array(self.folder / name, np.zeros(shape, kind))
            return np.zeros(shape, kind)
        return mapped_array(self.folder / name, shape, kind)


def _spread(older: Bytes, kept: Rows, refine: Bytes | None) -> None:
    """Take over finer codes: the earlier row r goes to kept[r]."""
    if refine is None:
        return
    for start in range(0, len(kept), CHUNK):
        row = kept[start : start + CHUNK]
        refine[row[row >= 0]] = older[start : start + CHUNK][row >= 0]
