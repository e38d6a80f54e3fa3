"""People's labels of train queries: relevant items become pairs beside the clicks, irrelevant ones hard negatives.

Labels win over clicks: a clicked item that was labelled irrelevant (a phone case for "phone") is no positive. Only
queries that are of split train in `queries` and in `qrels` are read, so dev and test stay unseen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.datasets.judgements import relevance_scale
from jobs.lake.arrow import Rows, numbers, strings
from jobs.lake.read import Pinned, read_table
from jobs.lake.read import dataset as files_of
from jobs.towers.dataset import TowerDataset, lists_of, rows_of
from models.text.ragged import Ragged

SOURCES = ("clicks", "labels", "both", "auto")
CLICKS, LABELS, BOTH, AUTO = SOURCES
TAUGHT = ("labels", "rules")  # sources of judgements that people made
MASKED = ""  # split of a pair that is no positive to train on, and no negative either


@dataclass(frozen=True)
class TrainLabels:
    """Labels of train queries by row. query, item, gain: of each label, gain as a share of the least relevant item's.

    relevant, irrelevant: which labels are so; those between are neither.
    """

    query: Rows
    item: Rows
    gain: NDArray[np.float32]
    relevant: NDArray[np.bool_]
    irrelevant: NDArray[np.bool_]

    def negatives(self, queries: int) -> Ragged:
        """Irrelevant items of each query row."""
        return lists_of(self.query[self.irrelevant], self.item[self.irrelevant], queries)


def read_train_labels(
    qrels: Pinned, dataset: TowerDataset, irrelevant_frac: float, split: str = "train"
) -> TrainLabels:
    """Read the labels of train queries, or of those of another split. irrelevant_frac: share of the least relevant
    item's gain up to which an item is irrelevant; clicks among the judgements are left out."""
    min_relevance, zero_gain = relevance_scale(qrels, 0.0)
    table = read_table(qrels, ["query_id", "item_id", "relevance", "split", "source"])
    table = table.filter((pc.field("split") == split) & pc.field("source").isin(TAUGHT))
    query, item = rows_of(table, "query_id", dataset.query_ids), rows_of(table, "item_id", dataset.item_ids)
    kept = (query >= 0) & (item >= 0)
    kept &= dataset.query_split[query] == split
    gain = ((numbers(table, "relevance") - zero_gain) / (min_relevance - zero_gain)).astype(np.float32)[kept]
    query, item = query[kept], item[kept]
    # a rule speaks where people have not
    by_people = np.array(strings(table, "source"), np.str_)[kept] == "labels"
    order = np.lexsort((~by_people, item, query))
    first = np.append(True, (np.diff(query[order]) != 0) | (np.diff(item[order]) != 0))[: len(order)]
    order = order[first]
    gain = gain[order]
    return TrainLabels(query[order], item[order], gain, gain >= 1 - 1e-6, gain <= irrelevant_frac)


def with_labels(dataset: TowerDataset, labels: TrainLabels, learn: str) -> TowerDataset:
    """The dataset with label pairs beside its click pairs, or instead of them (learn=labels).

    Raises:
        ValueError: there is no relevant label of a train query to learn from.
    """
    if not labels.relevant.any():
        raise ValueError(
            f"learn={learn}: found {len(labels.item):,} labels of queries of split train, none relevant; expected one at"
            " least; give --qrels of people's labels that cover train queries, or --learn clicks"
        )
    keys = dataset.pair_query * len(dataset.item_ids) + dataset.pair_item
    wrong = labels.query[labels.irrelevant] * len(dataset.item_ids) + labels.item[labels.irrelevant]
    kept = ~((dataset.pair_split == "train") & np.isin(keys, wrong))
    split = dataset.pair_split[kept]
    if learn == LABELS:
        split = np.where(split == "train", MASKED, split)
    count = int(labels.relevant.sum())
    return replace(
        dataset,
        pair_query=np.append(dataset.pair_query[kept], labels.query[labels.relevant]),
        pair_item=np.append(dataset.pair_item[kept], labels.item[labels.relevant]),
        pair_weight=np.append(dataset.pair_weight[kept], labels.gain[labels.relevant]),
        pair_split=np.append(split, np.full(count, "train")),
        label_pairs=count,
        overruled=int((~kept).sum()),
    )


def with_pseudo_positives(dataset: TowerDataset, mined: Pinned) -> TowerDataset:
    """The dataset with the pairs that a cross-encoder found right while negatives were mined; none is a negative then.

    Raises:
        ValueError: it found none.
    """
    # negatives of before the cross-encoder lack the column
    there = "pseudo_positives" in files_of(mined).schema.names
    query, item = dataset.listed(mined, "pseudo_positives") if there else (np.zeros(0, np.int64),) * 2
    kept = (query >= 0) & (item >= 0)
    query, item = query[kept], item[kept]
    if not len(query):
        raise ValueError(
            f"{mined.partition}: found no pseudo-positives; expected some for pseudo_weight above 0: mine them by"
            " `python -m jobs negatives --cross_encoder ... --pseudo_positives 4`"
        )
    return replace(
        dataset,
        pair_query=np.append(dataset.pair_query, query),
        pair_item=np.append(dataset.pair_item, item),
        pair_weight=np.append(dataset.pair_weight, np.ones(len(query), np.float32)),
        pair_split=np.append(dataset.pair_split, np.full(len(query), "train")),
        pseudo_pairs=len(query),
    )
