"""Training data of the towers, joined by row number: pairs, queries, items and people's judgements of a day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.bundle.tower_files import write_towers
from jobs.datasets.judgements import relevance_scale
from jobs.lake.arrow import Rows, Strings, find, strings
from jobs.lake.attempt import Attempt
from jobs.lake.read import Pinned, read_table
from jobs.towers.text_store import Texts, item_store, item_texts
from models.text.ragged import Ragged
from models.towers.space_id import space_id
from models.towers.two_tower import TwoTower
from models.training.batches import JudgedItems, Known, Pairs
from models.training.examples import Examples, synthetic_queries

GOLDEN_TEXTS = 16  # of each side


@dataclass(frozen=True)
class TowerDataset:
    """Rows of pairs refer to rows of queries and items. split: of each pair. lost: pairs left out
    because their query or item is not in the tables given. items: source of the rows' features.
    label_pairs, pseudo_pairs: number of the pairs that are of labels and of a cross-encoder, behind those of clicks.
    overruled: clicked pairs left out because people labelled them irrelevant. own_item: row of the item that each
    query is, where queries are items too; else None."""

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
    label_pairs: int = 0
    pseudo_pairs: int = 0
    overruled: int = 0
    own_item: Rows | None = None

    @property
    def known(self) -> Known:
        """Known positives of every split: an item clicked at any time is no negative, nor is the query's own item."""
        query, item = self.pair_query, self.pair_item
        if self.own_item is not None:
            trained = np.flatnonzero(self.query_split == "train")
            query, item = np.append(query, trained), np.append(item, self.own_item[trained])
        return Known(query, item, len(self.queries))

    def of_split(self, split: str) -> Rows:
        """Rows of the pairs of a split."""
        return np.flatnonzero(self.pair_split == split)

    def examples(
        self,
        towers: TwoTower,
        weight_power: float,
        mined: Ragged | None,
        label_weight: float = 1.0,
        pseudo_weight: float = 1.0,
    ) -> Examples:
        """Training examples: pairs of split train, drawn by weight ** weight_power (0: each once), those of labels
        label_weight and those of a cross-encoder pseudo_weight times as often.

        Raises:
            ValueError: no pair is of split train.
        """
        rows = self.of_split("train")
        if not len(rows):
            raise ValueError(
                f"pairs: of {len(self.pair_split):,} none is of split train; is the day of queries and"
                " items that of pairs?"
            )
        weight = self._draws(rows, weight_power, label_weight, pseudo_weight)
        # an item reads alike on either side
        read_queries = towers.store_queries if self.own_item is None else towers.store
        return Examples(
            queries=read_queries(self.queries),
            items=item_store(self.items, towers),
            pairs=Pairs(self.pair_query[rows], self.pair_item[rows], weight),
            known=self.known,
            item_texts=self.item_texts,
            read_queries=read_queries,
            negatives=mined,
        )

    @property
    def learnt_from(self) -> dict[str, int]:
        """Facts of towers that learnt from labels too; empty where they did not."""
        facts = {"label_pairs": self.label_pairs, "overruled": self.overruled} if self.label_pairs else {}
        return facts | ({"pseudo_pairs": self.pseudo_pairs} if self.pseudo_pairs else {})

    def unclicked(self, viewed: Pinned) -> Ragged:
        """Items of each query row that were viewed and never clicked."""
        table = read_table(viewed, ["query_id", "item_id"])
        query, item = rows_of(table, "query_id", self.query_ids), rows_of(table, "item_id", self.item_ids)
        return lists_of(query, item, len(self.queries))

    def _draws(self, rows: Rows, power: float, label_weight: float, pseudo_weight: float) -> NDArray[np.float32] | None:
        """Weights by which the pairs are drawn; None: each once an epoch."""
        shares = (1.0, label_weight, pseudo_weight)
        clicked = len(self.pair_query) - self.label_pairs - self.pseudo_pairs
        source = np.repeat(np.arange(3), [clicked, self.label_pairs, self.pseudo_pairs])[rows]
        sources = np.unique(source).tolist()
        if not power and all(shares[number] == 1.0 for number in sources):
            return None
        weight: NDArray[np.float32] = self.pair_weight[rows] ** power
        # clicks, labels and a cross-encoder weigh in units of their own
        for number in sources if self.label_pairs or self.pseudo_pairs else ():
            of_source = source == number
            weight[of_source] *= shares[number] / weight[of_source].mean()
        return weight

    def negatives(self, mined: Pinned) -> Ragged:
        """Mined item rows of each query row; items that left the catalogue are left out.

        Raises:
            ValueError: fewer than half of them are still there.
        """
        query, item = self.listed(mined, "item_ids")
        if (known := np.count_nonzero(item >= 0)) < len(item) / 2:
            raise ValueError(
                f"{mined.partition}: of {len(item):,} mined items {known:,} are in {self.items.partition}, expected half or"
                " more; mine negatives of that catalogue (`python -m jobs negatives`)"
            )
        return lists_of(query, item, len(self.queries))

    def listed(self, mined: Pinned, column: str) -> tuple[Rows, Rows]:
        """(query row, item row) of every item in a list column of `negatives`; -1 for an unknown one."""
        table = read_table(mined, ["query_id", column])
        lists: Any = table.column(column).combine_chunks()
        counts = lists.value_lengths().to_numpy(zero_copy_only=False)
        return np.repeat(rows_of(table, "query_id", self.query_ids), counts), find(lists.flatten(), self.item_ids)


def read_dataset(pairs: Pinned, queries: Pinned, items: Pinned) -> TowerDataset:
    """Read the three tables; queries and items in the order of their ids, whatever the files' order."""
    query_table = read_table(queries, ["query_id", "query", "split"]).sort_by("query_id")
    item_table = read_table(items, ["item_id"]).sort_by("item_id")
    pair_table = read_table(pairs, ["query_id", "item_id", "weight", "split"])
    pair_table = pair_table.sort_by([("query_id", "ascending"), ("item_id", "ascending")])
    query_ids, item_ids = _ids(query_table, "query_id"), _ids(item_table, "item_id")
    pair_query, pair_item = rows_of(pair_table, "query_id", query_ids), rows_of(pair_table, "item_id", item_ids)
    kept = (pair_query >= 0) & (pair_item >= 0)
    return TowerDataset(
        query_ids=query_ids,
        queries=strings(query_table, "query"),
        query_split=_labels(query_table, "split"),
        item_ids=item_ids,
        item_texts=item_texts(items),
        items=items,
        pair_query=pair_query[kept],
        pair_item=pair_item[kept],
        pair_weight=pair_table.column("weight").to_numpy().astype(np.float32)[kept],
        pair_split=_labels(pair_table, "split")[kept],
        lost=int((~kept).sum()),
    )


def read_judgements(qrels: Pinned, dataset: TowerDataset, min_relevance: float = 0.0, split: str = "") -> JudgedItems:
    """Judgements by row; relevant from min_relevance on, 0: as the judgements' own scale says.

    split: judgements of its queries alone, by the split of `queries` and that of `qrels`; empty: of all queries.
    """
    threshold = relevance_scale(qrels, min_relevance)[0]
    table = read_table(qrels, ["query_id", "item_id", "relevance", "split"])
    query, item = rows_of(table, "query_id", dataset.query_ids), rows_of(table, "item_id", dataset.item_ids)
    judged = (query >= 0) & (item >= 0)
    if split:
        judged &= (_labels(table, "split") == split) & (dataset.query_split[query] == split)
    relevant = judged & (table.column("relevance").to_numpy() >= threshold)
    count = len(dataset.queries)
    return JudgedItems(Known(query[judged], item[judged], count), Known(query[relevant], item[relevant], count))


def write_trained(out: Attempt, towers: TwoTower, dataset: TowerDataset) -> None:
    """Write trained towers with golden vectors of some items, and count the pairs that they were trained on."""
    texts = dataset.item_texts[:GOLDEN_TEXTS]
    write_towers(towers, out.folder, synthetic_queries(texts, np.random.default_rng(0)), texts)
    trained, pairs = len(dataset.of_split("train")), len(dataset.pair_query)
    masked = len(dataset.of_split(""))
    left_out = {"dev and test": pairs - trained - masked, "query or item unknown": dataset.lost}
    left_out |= {name: count for name, count in (("labels alone", masked), ("overruled", dataset.overruled)) if count}
    out.count("pairs", pairs + dataset.lost + dataset.overruled, trained, left_out)
    out.facts.update(space_id=space_id(towers), dim=towers.config.width, pairs=trained)


def bytes_per_pair(dataset: TowerDataset, examples: Examples) -> dict[str, float]:
    """Bytes of a training pair: with its own texts in each pair, and joined by row as here.

    bytes_per_pair_text: UTF-8 of query and item, again in each pair. bytes_per_pair_padded: their
    token ids and mask, int64, padded to the longest text; without BERT their trigram ids, int32.
    bytes_per_pair: two row numbers, and the pair's part of the stores of all queries and items.
    """
    query, item = examples.pairs.query, examples.pairs.item
    stores = examples.queries, examples.items
    query_bytes = np.array([len(text.encode()) for text in dataset.queries], np.int64)
    text = query_bytes[query].sum() + dataset.item_texts.utf8.lengths[item].sum()
    padded = 2 * 8 * sum(int(store.tokens.lengths.max(initial=0)) for store in stores) * len(query)
    if not padded:
        lengths = (store.trigrams.lengths for store in stores)
        padded = 4 * sum(int(counts[rows].sum()) for counts, rows in zip(lengths, (query, item), strict=True))
    parts = [part for store in stores for part in (store.trigrams, store.tokens) if len(part.values)]
    kept = sum(part.values.nbytes + part.offsets.nbytes for part in parts)
    rows = query.nbytes + item.nbytes
    totals = {"bytes_per_pair_text": text, "bytes_per_pair_padded": padded, "bytes_per_pair": kept + rows}
    return {name: float(total) / len(query) for name, total in totals.items()}


def lists_of(query: Rows, item: Rows, queries: int) -> Ragged:
    """Items of each query row, in the order given; a row of -1 is left out."""
    kept = (query >= 0) & (item >= 0)
    order = np.argsort(query[kept], kind="stable")
    offsets = np.searchsorted(query[kept][order], np.arange(queries + 1))
    return Ragged(item[kept][order].astype(np.int32), offsets)


def rows_of(table: pa.Table, column: str, ids: Strings) -> Rows:
    """The row of each value of a column among ids; -1 for none."""
    return find(_ids(table, column), ids)


def _ids(table: pa.Table, column: str) -> Strings:
    return table.column(column).combine_chunks()


def _labels(table: pa.Table, column: str) -> NDArray[np.str_]:
    return np.array(strings(table, column), np.str_)
