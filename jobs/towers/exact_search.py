"""Towers judged by exact search over the whole catalogue: no index, no sampling."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.datasets.judgements import Judgements, judge_items, relevance_scale
from jobs.lake.arrow import Strings, find, strings, texts
from jobs.lake.read import Pinned, read_table
from jobs.platform.progress import progress
from models.ann.exact import nearest
from models.evaluation.measures import CUTOFFS, MEASURES, Measured, measure
from models.evaluation.qrels import hits_of
from models.evaluation.query_slices import lengths, likely_typos, model_numbers, words_of
from models.fusion.ranked_lists import trec_order
from models.text.normalise import normalise_query
from models.towers.encode import encode_queries, item_vectors
from models.towers.two_tower import TwoTower

DEPTH = max(CUTOFFS)
# deeper than needed: equal scores (one title, many offers) are put in order before the list is cut
SEARCHED = DEPTH + 32
CHUNK_ITEMS = 65_536
Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Catalogue:
    """Items in the order of their ids."""

    ids: Strings
    texts: pa.ChunkedArray[pa.StringScalar]

    def chunks(self) -> Iterator[list[str]]:
        """The texts, a chunk at a time: never all of them as Python strings."""
        for start in range(0, len(self.ids), CHUNK_ITEMS):
            yield texts(self.texts.slice(start, CHUNK_ITEMS))


@dataclass(frozen=True)
class Questions:
    """Judged queries in the order of their ids, and the judgements. splits [Q]: of each query."""

    judgements: Judgements
    splits: NDArray[np.str_]
    queries: list[str]
    segments: NDArray[np.str_]

    @property
    def query_ids(self) -> list[str]:
        """The queries [Q], in order of their ids."""
        return self.judgements.query_ids


def read_catalogue(items: Pinned) -> Catalogue:
    """Read ids and texts."""
    table = read_table(items, ["item_id", "text"]).sort_by("item_id")
    return Catalogue(table.column("item_id").combine_chunks(), table.column("text"))


def read_questions(
    queries: Pinned, qrels: Pinned, splits: Sequence[str], min_relevance: float, zero_gain: float
) -> Questions:
    """Read the queries judged in these splits that have a relevant item, with all their judgements.

    Raises:
        LookupError: a split has none, or a judged query has no text.
    """
    judgements = read_table(qrels, None, pc.field("split").isin(list(splits)))
    names = strings(judgements, "query_id")
    if missing := set(splits) - set(strings(judgements, "split")):
        raise LookupError(f"{qrels.partition}: no query is judged in split {', '.join(missing)}")
    judged = judge_items(judgements, *relevance_scale(qrels, min_relevance, zero_gain))
    rows = read_table(queries, ["query_id", "query", "segment"])
    at = find(judged.query_ids, strings(rows, "query_id"))
    if (at < 0).any():
        raise LookupError(
            f"{qrels.partition}: {(at < 0).sum():,} of {len(at):,} judged queries are not in"
            f" {queries.partition}; were both made from the same days?"
        )
    split_of = dict(zip(names, strings(judgements, "split"), strict=True))
    return Questions(
        judged,
        np.array([split_of[name] for name in judged.query_ids], np.str_),
        [normalise_query(text) for text in texts(rows.column("query").take(pa.array(at, pa.int64())))],
        np.array(texts(rows.column("segment").take(pa.array(at, pa.int64()))), np.str_),
    )


def slices_of(asked: Questions, catalogue: Catalogue) -> dict[str, NDArray[np.str_] | NDArray[np.bool_]]:
    """Columns that slices are made of, [Q] each."""
    known: set[str] = set()
    for chunk in catalogue.chunks():
        known |= words_of(chunk)
    return {
        "segment": asked.segments,
        "typo": likely_typos(asked.queries, known),
        "model_number": model_numbers(asked.queries),
        "length": lengths(asked.queries),
    }


def judge_exactly(towers: TwoTower, asked: Questions, catalogue: Catalogue) -> Measured:
    """Search every item for every query and measure. Memory: one chunk of items, and Q x DEPTH.

    All judged items are ranked, however low they stand, so that the measures over judged items
    alone are exact.
    """
    wanted = encode_queries(towers, asked.queries)
    known, whole = asked.judgements.judged, asked.judgements.item_ids
    at = find(whole, catalogue.ids)  # of each judged item; -1 where it left the catalogue
    query, item = known.query, at[known.keys % known.n_items]
    query, item = query[item >= 0], item[item >= 0]
    judged, place = np.unique(item, return_inverse=True)
    vectors = np.zeros((len(judged), wanted.shape[1]), np.float32)

    def chunks() -> Iterator[Vectors]:
        first = 0
        with progress("measure", len(catalogue.ids), "items") as advance:
            for chunk in item_vectors(towers, catalogue.chunks()):
                low, high = np.searchsorted(judged, [first, first + len(chunk)])
                vectors[low:high] = chunk[judged[low:high] - first]
                first += len(chunk)
                yield chunk
                advance(len(chunk))

    depth = min(SEARCHED, len(catalogue.ids))
    scores, found = nearest(wanted, chunks(), depth, towers.device)
    found = trec_order(found, scores).items[:, :DEPTH]
    below = np.einsum("jd,jd->j", wanted[query], vectors[place])
    query, item, rank = _listed(found, query, item, below, len(catalogue.ids))
    row_of = np.full(len(catalogue.ids), -1, np.int64)
    row_of[at[at >= 0]] = np.flatnonzero(at >= 0)
    hits = hits_of(known, query, row_of[item], rank)
    return Measured(asked.query_ids, MEASURES, measure(known, hits))


def _listed(found: Rows, query: Rows, item: Rows, score: Vectors, n_items: int) -> tuple[Rows, Rows, Rows]:
    """Query, item, rank (from 1) of what was found [Q, K], then of the judged items below it."""
    owner = np.repeat(np.arange(len(found)), found.shape[1])
    rank = np.tile(np.arange(1, found.shape[1] + 1), len(found))
    flat = found.ravel()
    below = ~np.isin(query * n_items + item, (owner * n_items + flat)[flat >= 0])
    query, item, score = query[below], item[below], score[below]
    order = np.lexsort((-item, -score, query))
    query, item = query[order], item[order]
    first = np.searchsorted(query, query)
    under = found.shape[1] + 1 + np.arange(len(query)) - first
    return (
        np.concatenate([owner[flat >= 0], query]),
        np.concatenate([flat[flat >= 0], item]),
        np.concatenate([rank[flat >= 0], under]),
    )
