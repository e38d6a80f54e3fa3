"""What the towers learn from, joined by row number: pairs, queries and items of a day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.lake import arrow as columns
from jobs.lake.read import Pinned, read_table
from jobs.towers.text_store import Texts, item_store, item_texts
from models.text.ragged import Ragged
from models.towers.two_tower import TwoTower
from models.training.batches import Known, Pairs
from models.training.examples import Examples

Rows = NDArray[np.int64]
Strings = pa.StringArray


@dataclass(frozen=True)
class Learning:
    """Rows of pairs refer to rows of queries and items. split: of each pair. lost: pairs left out
    because their query or item is not in the tables given. items: where the rows' features come from."""

    query_ids: Strings
    queries: list[str]
    query_split: NDArray[np.str_]
    item_ids: Strings
    item_texts: Texts
    pair_query: Rows
    pair_item: Rows
    pair_weight: NDArray[np.float32]
    pair_split: NDArray[np.str_]
    lost: int
    items: Pinned

    @property
    def known(self) -> Known:
        """Known positives of every split: an item clicked at any time is no negative."""
        return Known(self.pair_query, self.pair_item, len(self.queries))

    def of_split(self, split: str) -> Rows:
        """Rows of the pairs of a split."""
        return np.flatnonzero(self.pair_split == split)

    def examples(self, towers: TwoTower, weight_power: float, mined: Ragged | None) -> Examples:
        """What training reads: pairs of split train, drawn by weight ** weight_power (0: each once).

        Raises:
            ValueError: there is no such pair.
        """
        rows = self.of_split("train")
        if not len(rows):
            raise ValueError(
                f"pairs: of {len(self.pair_split):,} none is of split train; is the day of queries and"
                " items that of pairs?"
            )
        weight = self.pair_weight[rows] ** weight_power if weight_power else None
        return Examples(
            queries=towers.store_queries(self.queries),
            items=item_store(self.items, towers),
            pairs=Pairs(self.pair_query[rows], self.pair_item[rows], weight),
            known=self.known,
            item_texts=self.item_texts,
            read_queries=towers.store_queries,
            negatives=mined,
        )

    def negatives(self, mined: Pinned) -> Ragged:
        """Mined item rows of each query row; items that left the catalogue are left out.

        Raises:
            ValueError: fewer than half of them are still there.
        """
        table = read_table(mined, ["query_id", "item_ids"])
        query = _rows(table, "query_id", self.query_ids)
        lists = table.column("item_ids").combine_chunks()
        assert isinstance(lists, pa.ListArray)
        items = lists.flatten()
        assert isinstance(items, pa.StringArray)
        item = rows_of(items, self.item_ids)
        if (known := np.count_nonzero(item >= 0)) < len(item) / 2:
            raise ValueError(
                f"{mined.partition}: of {len(item):,} mined items {known:,} are in {self.items.partition}, expected half or"
                " more; mine negatives of that catalogue (jobs.towers.mine)"
            )
        owner = np.repeat(query, pc.list_value_length(lists).to_numpy(zero_copy_only=False))
        kept = (item >= 0) & (owner >= 0)
        order = np.argsort(owner[kept], kind="stable")
        offsets = np.searchsorted(owner[kept][order], np.arange(len(self.queries) + 1))
        return Ragged(item[kept][order].astype(np.int32), offsets)


def read_learning(pairs: Pinned, queries: Pinned, items: Pinned) -> Learning:
    """Read the three tables; queries and items in the order of their ids, whatever the files' order."""
    asked = read_table(queries, ["query_id", "query", "split"]).sort_by("query_id")
    sold = read_table(items, ["item_id"]).sort_by("item_id")
    clicked = read_table(pairs, ["query_id", "item_id", "weight", "split"])
    clicked = clicked.sort_by([("query_id", "ascending"), ("item_id", "ascending")])
    query_ids, item_ids = _strings(asked, "query_id"), _strings(sold, "item_id")
    pair_query, pair_item = (_rows(clicked, "query_id", query_ids), _rows(clicked, "item_id", item_ids))
    kept = (pair_query >= 0) & (pair_item >= 0)
    return Learning(
        query_ids=query_ids,
        queries=_texts(asked, "query"),
        query_split=_array(asked, "split"),
        item_ids=item_ids,
        item_texts=item_texts(items),
        items=items,
        pair_query=pair_query[kept],
        pair_item=pair_item[kept],
        pair_weight=clicked.column("weight").to_numpy().astype(np.float32)[kept],
        pair_split=_array(clicked, "split")[kept],
        lost=int((~kept).sum()),
    )


def bytes_per_pair(learning: Learning, examples: Examples) -> dict[str, float]:
    """Bytes that a training pair takes: each pair with its own texts, and joined by row as here.

    bytes_per_pair_text: UTF-8 of query and item, again in each pair. bytes_per_pair_padded: their
    token ids and mask, int64, padded to the longest text; without BERT their trigram ids, int32.
    bytes_per_pair: two row numbers, and the pair's part of the stores of all queries and items.
    """
    query, item = examples.pairs.query, examples.pairs.item
    stores = examples.queries, examples.items
    typed = np.array([len(text.encode()) for text in learning.queries], np.int64)
    text = typed[query].sum() + learning.item_texts.utf8.lengths[item].sum()
    padded = 2 * 8 * sum(int(store.tokens.lengths.max(initial=0)) for store in stores) * len(query)
    if not padded:
        lengths = (store.trigrams.lengths for store in stores)
        padded = 4 * sum(int(one[rows].sum()) for one, rows in zip(lengths, (query, item), strict=True))
    parts = [part for store in stores for part in (store.trigrams, store.tokens) if len(part.values)]
    kept = sum(part.values.nbytes + part.offsets.nbytes for part in parts)
    rows = query.nbytes + item.nbytes
    found = {"text": text, "padded": padded, "": kept + rows}
    names = {name: f"bytes_per_pair{'_' if name else ''}{name}" for name in found}
    return {names[name]: float(total) / len(query) for name, total in found.items()}


def rows_of(names: columns.Strings, ids: Strings) -> Rows:
    """Row of each name in ids, -1 where it is not there."""
    found = pc.index_in(names, value_set=ids).to_numpy(zero_copy_only=False)
    return np.nan_to_num(found.astype(np.float64), nan=-1.0).astype(np.int64)


def _rows(table: pa.Table, column: str, ids: Strings) -> Rows:
    return rows_of(_strings(table, column), ids)


def _strings(table: pa.Table, column: str) -> Strings:
    found = table.column(column).combine_chunks()
    assert isinstance(found, pa.StringArray)
    return found


def _texts(table: pa.Table, column: str) -> list[str]:
    return [text or "" for text in table.column(column).to_pylist()]


def _array(table: pa.Table, column: str) -> NDArray[np.str_]:
    return np.array(table.column(column).to_pylist(), dtype=np.str_)
