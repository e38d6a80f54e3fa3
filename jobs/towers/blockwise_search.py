"""Search of a catalogue whose vectors are in a file, queries in blocks; a killed job keeps the finished blocks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from jobs.lake.fault import fault_point
from jobs.platform.progress import progress
from jobs.towers.resume import Scratch, VectorFile
from models.ann.exact import Rows, Vectors, equal_numbers, nearest, pieces, vector_hashes
from models.ann.heads import best_head
from models.evaluation.recall import interchangeable, labelled, overlap
from models.mining import inverted_lists as lists
from models.mining.inverted_lists import InvertedLists
from models.training.batches import Known

log = logging.getLogger(__name__)
SEARCHES = ("exact", "ivf")
SAMPLE = 512  # queries at most that are searched exactly too


@dataclass(frozen=True)
class SearchedBlock:
    """Query rows [b] with the rows and scores [b, depth] of their items, best first, and the score of
    each query's best known positive, NaN where it has none."""

    query: Rows
    rows: Rows
    scores: Vectors
    positive: Vectors


@dataclass(frozen=True)
class SearchPlan:
    """Settings of the search: exact or ivf, the ranks wanted (from 1: r_min < rank <= r_max), queries in a block, the
    agreement with exact search that ivf must reach on a seeded sample."""

    search: str
    r_min: int
    r_max: int
    block_queries: int
    agreement: float
    seed: int


class BlockwiseSearch:
    """Search block by block. facts: the method, and its agreement with exact search."""

    def __init__(
        self, plan: SearchPlan, scratch: Scratch, vectors: VectorFile, encode: Callable[[Rows], Vectors], device: str
    ) -> None:
        self.plan, self.scratch, self.vectors, self.encode = plan, scratch, vectors, encode
        self.device = device
        self.facts: dict[str, object] = {"search": plan.search}
        self.lists: InvertedLists | None = None
        self.slack = 0.0

    def blocks(self, query: Rows, known: Known) -> Iterator[SearchedBlock]:
        """Search the query rows, block by block; blocks finished before a kill are read back.

        Raises:
            RuntimeError: the lists find a smaller share of the exact results than the plan asks for.
        """
        sample = self._prepare(query) if self.plan.search == "ivf" else None
        with progress("negatives", len(query), "queries") as advance:
            for start in range(0, len(query), self.plan.block_queries):
                rows = query[start : start + self.plan.block_queries]
                arrays = self.scratch.arrays(f"block-{start:012d}", partial(self._search, rows, known))
                fault_point("negatives.block")
                block = SearchedBlock(rows, **arrays)  # type: ignore[arg-type]
                if sample is not None and not start:
                    self._check(block, *sample)
                yield block
                advance(len(rows))

    def _search(self, query: Rows, known: Known) -> dict[str, NDArray[np.generic]]:
        vectors = self.encode(query)
        if self.lists is None:
            scores, rows = nearest(vectors, pieces(self.vectors), self.plan.r_max, self.device)
        else:
            scores, rows = lists.search_lists(self.lists, vectors, self.plan.r_max, self.slack)
        place, item = known.of(query)
        own = best_head(vectors[place], self.vectors.take(item))
        positive = np.full(len(query), -np.inf, np.float32)
        np.maximum.at(positive, place, own)
        positive[np.isneginf(positive)] = np.nan
        return {"rows": rows, "scores": scores, "positive": positive}

    def _prepare(self, query: Rows) -> tuple[Rows, Rows]:
        """Make the lists, and measure the slack on a sample of the first block; the order of queries is that of
        a hash, as good as random. Returns the places of the sample and its exact items."""
        plan, items = self.plan, self.vectors.shape[0]
        first = query[: plan.block_queries]
        count = lists.n_lists(items, len(query))
        self.lists = _lists(self.scratch, self.vectors, count, plan.seed)
        wanted = min(len(first), SAMPLE, max(64, len(query) // 256))
        rng = np.random.default_rng([plan.seed, 2])
        places = np.sort(rng.choice(len(first), wanted, replace=False))
        sample = self.encode(first[places])
        if sample.shape[1] != self.vectors.shape[1]:
            raise ValueError("search=ivf: takes queries of one head, these have several; take search=exact")

        def search() -> dict[str, NDArray[np.generic]]:
            return {"rows": nearest(sample, pieces(self.vectors), plan.r_max, self.device)[1]}

        exact = self.scratch.arrays("exact", search)["rows"].astype(np.int64)
        # half a point of margin: the sample is not all queries
        target = plan.agreement + min(0.005, (1 - plan.agreement) / 2)
        self.slack = lists.slack_for(self.lists, sample, exact[:, plan.r_min :], plan.r_max, target)
        return places, exact

    def _check(self, block: SearchedBlock, places: Rows, exact: Rows) -> None:
        plan, count = self.plan, len(places)
        equal = equal_numbers(map(vector_hashes, pieces(self.vectors)))
        found, wanted = (
            interchangeable(labelled(rows, equal)) for rows in (block.rows[places].astype(np.int64), exact)
        )
        agreement = overlap(found, wanted[:, plan.r_min :])
        n_lists = 0 if self.lists is None else len(self.lists.centroids)
        self.facts.update(
            lists=n_lists, slack=self.slack, agreement=agreement, agreement_target=plan.agreement, sample=count
        )
        log.info("ivf: %d lists, agreement %.4f with exact search", n_lists, agreement)
        if agreement < plan.agreement:
            raise RuntimeError(
                f"search=ivf: finds {agreement:.4f} of what exact search finds at ranks {plan.r_min + 1} to"
                f" {plan.r_max} for {count} queries, expected {plan.agreement}; take search=exact, or"
                " another seed"
            )


def _lists(scratch: Scratch, vectors: VectorFile, count: int, seed: int) -> InvertedLists:
    """Make lists over a second file, which holds the vectors list by list."""
    n_items, dim = vectors.shape

    def make() -> dict[str, NDArray[np.generic]]:
        sample = vectors.take(lists.sample_rows(n_items, count, seed))
        centroids = lists.centroids_of(sample, count, seed)
        labels = np.concatenate([lists.assign(centroids, part) for part in pieces(vectors)])
        return dict(zip(("centroids", "offsets", "order"), lists.layout(labels, centroids), strict=True))

    made = scratch.arrays("lists", make)
    by_list = scratch.vectors("by_list", n_items, dim)
    order = made["order"].astype(np.int64)
    by_list.fill(vectors, order)
    return InvertedLists(made["centroids"].astype(np.float32), made["offsets"].astype(np.int64), order, by_list)
