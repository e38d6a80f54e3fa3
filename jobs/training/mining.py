"""The search behind mining: catalogue vectors in a file, queries in blocks, each kept until the job is done."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.fault import fault_point
from jobs.progress import progress
from jobs.reading import Pinned
from jobs.training.learning import Strings, rows_of
from jobs.training.scratch import Scratch, VectorFile
from jobs.training.stores import item_store
from jobs.vectors import batches
from models import lists
from models.batches import Known
from models.encode import store_vectors
from models.index import recall_against_exact
from models.lists import Lists
from models.nearest import Rows, Vectors, nearest, pieces
from models.towers import TwoTower

log = logging.getLogger(__name__)
CHUNK = 65_536  # vectors in memory at a time
SEARCHES = ("exact", "ivf")


@dataclass(frozen=True)
class Block:
    """Some queries with what was found for them: rows and scores [b, depth], best first, and the
    score of each query's best known positive, NaN where it has none."""

    query: Rows
    rows: Rows
    scores: Vectors
    positive: Vectors


@dataclass(frozen=True)
class Plan:
    """How to search: exact or ivf, the ranks wanted, queries in a block, the agreement with exact
    search that ivf must hold on a seeded sample."""

    search: str
    r_min: int
    r_max: int
    block_queries: int
    agreement: float
    seed: int

    def __post_init__(self) -> None:
        if self.search not in SEARCHES:
            raise ValueError(f"search={self.search!r}: expected one of {', '.join(SEARCHES)}")
        if not 0 < self.agreement <= 1 or self.block_queries < 1:
            raise ValueError("agreement must be in (0, 1], block_queries and chunk_items > 0")


def catalogue_vectors(
    scratch: Scratch, towers: TwoTower, items: Pinned, chunk: int = CHUNK
) -> VectorFile:
    """Vectors of all items, encoded chunk by chunk; those that are on disk already stay."""
    store = item_store(items, towers)
    file = scratch.vectors("items", len(store), towers.config.width)
    left = store.span(file.done, len(store))
    with progress("encoding", len(store), "items") as advance:
        advance(file.done)
        for vectors in store_vectors(towers.forward_items, left, towers, chunk=chunk):
            file.append(vectors)
            advance(len(vectors))
            fault_point("negatives.items")
    return file


def embedded_vectors(
    scratch: Scratch, shards: list[Pinned], ids: Strings, towers: TwoTower
) -> VectorFile:
    """Vectors of all items from the shards of `embeddings`, in the order of ids.

    Raises:
        RuntimeError: the shards hold other items.
    """
    file = scratch.vectors("items", len(ids), towers.config.width)
    if file.done == len(ids):
        return file
    mapped = np.memmap(file.path, np.float32, "w+", shape=file.shape)
    filled = np.zeros(len(ids), np.int64)
    for names, vectors in batches(shards):
        rows = rows_of(pa.array(names, pa.string()), ids)
        mapped[rows[rows >= 0]] = vectors[rows >= 0]
        np.add.at(filled, rows[rows >= 0], 1)
    if not (filled == 1).all():
        raise RuntimeError(
            f"{shards[0].partition}: {int((filled == 0).sum()):,} of {len(ids):,} items have no vector;"
            " embed this catalogue first"
        )
    mapped.flush()
    file.done_path.write_text(str(len(ids)), "utf-8")
    return file


class Search:
    """Finds each query's items, block by block. `facts`: how, and how well against exact search."""

    def __init__(
        self,
        plan: Plan,
        scratch: Scratch,
        vectors: VectorFile,
        encode: Callable[[Rows], Vectors],
        device: str,
    ) -> None:
        self.plan, self.scratch, self.vectors, self.encode = plan, scratch, vectors, encode
        self.device = device
        self.facts: dict[str, object] = {"search": plan.search}
        self.lists: Lists | None = None
        self.slack = 0.0

    def blocks(self, query: Rows, known: Known) -> Iterator[Block]:
        """Search the query rows, block by block; blocks found before a kill are read back."""
        if self.plan.search == "ivf":
            self._prepare(query)
        with progress("negatives", len(query), "queries") as advance:
            for start in range(0, len(query), self.plan.block_queries):
                some = query[start : start + self.plan.block_queries]
                found = self.scratch.arrays(
                    f"block-{start:012d}", partial(self._found, some, known)
                )
                fault_point("negatives.block")
                yield Block(some, **found)  # type: ignore[arg-type]
                advance(len(some))

    def _found(self, query: Rows, known: Known) -> dict[str, NDArray[np.generic]]:
        asked = self.encode(query)
        if self.lists is None:
            scores, rows = nearest(asked, pieces(self.vectors), self.plan.r_max, self.device)
        else:
            scores, rows = lists.search_lists(self.lists, asked, self.plan.r_max, self.slack)
        place, item = known.of(query)
        own = np.einsum("pd,pd->p", asked[place], self.vectors.take(item))
        positive = np.full(len(query), -np.inf, np.float32)
        np.maximum.at(positive, place, own)
        positive[np.isneginf(positive)] = np.nan
        return {"rows": rows, "scores": scores, "positive": positive}

    def _prepare(self, query: Rows) -> None:
        """Make the lists, measure how far queries must look, and check that on the sample."""
        plan, items = self.plan, self.vectors.shape[0]
        count = lists.n_lists(items, len(query))
        self.lists = _lists(self.scratch, self.vectors, count, plan.seed)
        wanted = min(len(query), 512, max(64, len(query) // 64))
        rng = np.random.default_rng([plan.seed, 2])
        sample = self.encode(np.sort(rng.choice(query, wanted, replace=False)))
        exact = self.scratch.arrays(
            "exact",
            lambda: {"rows": nearest(sample, pieces(self.vectors), plan.r_max, self.device)[1]},
        )["rows"].astype(np.int64)
        # half a point of room: the sample is not all queries
        asked_for = plan.agreement + min(0.005, (1 - plan.agreement) / 2)
        self.slack = lists.slack_for(self.lists, sample, exact[:, plan.r_min :], asked_for)
        found = lists.search_lists(self.lists, sample, plan.r_max, self.slack)[1]
        agreement = recall_against_exact(found, exact[:, plan.r_min :])
        self.facts.update(lists=len(self.lists.centroids), slack=self.slack, agreement=agreement,
                          agreement_target=plan.agreement, sample=wanted)  # fmt: skip
        log.info("ivf: %d lists, agreement %.4f with exact search", count, agreement)
        if agreement < plan.agreement:
            raise RuntimeError(
                f"search=ivf: finds {agreement:.4f} of what exact search finds at ranks {plan.r_min} to"
                f" {plan.r_max} for {wanted} queries, expected {plan.agreement}; take search=exact, or"
                " another seed"
            )


def _lists(scratch: Scratch, vectors: VectorFile, count: int, seed: int) -> Lists:
    """Lists over a second file, in which each list's vectors stand together."""
    n_items, dim = vectors.shape

    def make() -> dict[str, NDArray[np.generic]]:
        learnt = vectors.take(lists.sample_rows(n_items, count, seed))
        centroids = lists.centroids_of(learnt, count, seed)
        labels = np.concatenate([lists.assign(centroids, part) for part in pieces(vectors)])
        return dict(zip(("centroids", "offsets", "order"), lists.layout(labels, centroids), strict=True))  # fmt: skip

    made = scratch.arrays("lists", make)
    by_list = scratch.vectors("by_list", n_items, dim)
    order = made["order"].astype(np.int64)
    for start in range(by_list.done, n_items, CHUNK):
        by_list.append(vectors.take(order[start : start + CHUNK]))
    return Lists(
        made["centroids"].astype(np.float32), made["offsets"].astype(np.int64), order, by_list
    )
