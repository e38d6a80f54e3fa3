"""What an index is chosen and trained from: a sample of the catalogue, real queries, what people judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.bundle.tower_files import load_towers
from jobs.datasets.judgements import relevance_scale
from jobs.index.sample import sampled, total
from jobs.index.settings import IndexSettings
from jobs.index.tuning_queries import tuning_queries
from jobs.lake.arrow import Strings, find, strings
from jobs.lake.read import Pinned, read_table
from jobs.platform.distributed import device
from models.ann.exact import nearest, pieces
from models.ann.operating_points import Exam
from models.towers.encode import encode_queries
from models.training.batches import Known

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Lesson:
    """items: in the whole catalogue. vectors [S, D]: of a sample. asked [Q, D]: real queries. relevant:
    rows of the sample that people judged relevant, by query row; None without judgements."""

    shards: list[Pinned]
    items: int
    vectors: Vectors
    asked: Vectors
    depth: int
    relevant: Known | None

    @classmethod
    def read(
        cls, args: IndexSettings, shards: list[Pinned], towers: Pinned, queries: Pinned, qrels: list[Pinned]
    ) -> Lesson:
        """Draw the sample; relevant items of the queries are in it, drawn or not."""
        table = tuning_queries(queries, args.tuning_queries)
        asked = encode_queries(load_towers(towers), strings(table, "query"))
        judged = [_judged(one, table, args.min_relevance) for one in qrels]
        also: Any = pc.unique(judged[0].column("item_id")) if judged else None
        ids, vectors = sampled(shards, args.tune_items, args.seed, also)
        depth = min(args.recall_depth, len(vectors))
        known = _known(judged[0], table, ids) if judged else None
        return cls(shards, total(shards), vectors, asked, depth, known)

    def exam_of(self, queries: Vectors, relevant: Known | None = None) -> Exam:
        """Queries, and exact search for them in the sample."""
        exact = nearest(queries, pieces(self.vectors), self.depth, device())[1]
        return Exam(queries, exact, relevant)

    @property
    def exam(self) -> Exam:
        """Today's queries with what people judged."""
        return self.exam_of(self.asked, self.relevant)


def _judged(qrels: Pinned, asked: pa.Table, min_relevance: float) -> pa.Table:
    """query_id and item_id of what is relevant to the queries asked."""
    least = relevance_scale(qrels, min_relevance)[0]
    rows = read_table(qrels, ["query_id", "item_id"], pc.field("relevance") >= least)
    return rows.filter(pc.field("query_id").isin(strings(asked, "query_id")))


def _known(judged: pa.Table, asked: pa.Table, ids: Strings) -> Known | None:
    query = find(strings(judged, "query_id"), strings(asked, "query_id"))
    item = find(strings(judged, "item_id"), ids)
    there = item >= 0  # what left the catalogue cannot be found
    return Known(query[there], item[there], asked.num_rows) if there.any() else None
