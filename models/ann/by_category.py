"""One index per category, searched as one index; a router chooses categories, results are rows of the whole catalogue.

FAISS's own IndexShards renumbers its results; here every part knows which rows it holds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import faiss
import numpy as np
from numpy.typing import NDArray

from models.ann.exact import Rows, Vectors
from models.ann.families import parts as parts_of
from models.ann.families import scaled
from models.ann.operating_points import Exam
from models.ann.routing import NO_MARGIN, CategoryMask, Router, fitted, held_frac
from models.ann.search import ask
from models.ann.tuning import LISTS_TIMES, build
from models.fusion.ranked_lists import Ranked, trec_order


@dataclass(frozen=True)
class CategoryPart:
    """A category: its index, and the rows [n] of its items in the catalogue, ascending."""

    name: str
    factory: str
    index: faiss.Index
    rows: NDArray[np.int32]
    settings: dict[str, float]


def factory_of(whole: str, items: int, flat_below: int) -> str:
    """The factory string of a category, derived from that of the whole catalogue.

    The number of lists follows from its number of items; below flat_below it has no lists and scalar codes.
    """
    if items >= flat_below:
        return scaled(whole, items, LISTS_TIMES[0])
    codes = re.search(r"SQ\w+|Flat", whole)
    return codes[0] if codes else "SQ8"


def divide(
    vectors: Vectors, names: Sequence[str], category: Rows, whole: str, flat_below: int, seed: int = 0
) -> list[CategoryPart]:
    """Build the index of every category; whole: the factory string for the whole catalogue."""
    made = []
    for number, name in enumerate(names):
        rows = np.flatnonzero(category == number).astype(np.int32)
        factory = factory_of(whole, len(rows), flat_below)
        index = build(np.ascontiguousarray(vectors[rows], np.float32), factory, seed)[1]
        made.append(CategoryPart(name, factory, index, rows, {}))
    return made


def search(divided: Sequence[CategoryPart], queries: Vectors, chosen: CategoryMask, depth: int) -> Ranked:
    """Search the chosen categories [Q, C] of each query and merge. Returns catalogue rows [Q, depth].

    With every category chosen and flat indexes this is exact search.
    """
    items = np.full((len(queries), depth), -1, np.int64)
    scores = np.full((len(queries), depth), -np.inf, np.float32)
    for number in np.flatnonzero(chosen.any(axis=0)).tolist():
        part, asking = divided[number], np.flatnonzero(chosen[:, number])
        local, near = ask(part.index, queries[asking], min(depth, len(part.rows)), part.settings)
        rows = np.where(local < 0, -1, part.rows[local])
        if (items[asking, 0] >= 0).any():  # merge with results of earlier categories
            both = trec_order(np.hstack([items[asking], rows]), np.hstack([scores[asking], near]))
            rows, near = both.items[:, :depth], both.scores[:, :depth]
        items[asking, : rows.shape[1]], scores[asking, : rows.shape[1]] = rows, near
    return trec_order(items, scores)


def with_lists(divided: Sequence[CategoryPart], frac: float) -> list[CategoryPart]:
    """The parts, each set to visit this fraction of its inverted lists, at least one list."""
    return [
        replace(part, settings={"nprobe": max(1, math.ceil(frac * ivf.nlist))})
        if (ivf := parts_of(part.index).ivf) is not None
        else part
        for part in divided
    ]


def compared_frac(divided: Sequence[CategoryPart], chosen: CategoryMask) -> float:
    """Mean fraction of the catalogue whose codes are compared: the visited lists of the chosen categories."""
    seen = [len(part.rows) * _visited(part) for part in divided]
    return float((chosen @ np.array(seen)).mean() / sum(len(part.rows) for part in divided))


def _visited(part: CategoryPart) -> float:
    ivf = parts_of(part.index).ivf
    return part.settings.get("nprobe", 1) / ivf.nlist if ivf is not None else 1.0


@dataclass(frozen=True)
class CategoryFit:
    """Parts and router with fitted settings. tried: rows of (fraction of the neighbours in the chosen categories, fraction of
    lists visited, recall, fraction of the catalogue compared)."""

    divided: list[CategoryPart]
    router: Router
    recall: float
    tried: list[tuple[float, float, float, float]]


def fit(divided: Sequence[CategoryPart], router: Router, category: Rows, exam: Exam, target: float) -> CategoryFit:
    """Choose the number of categories and of visited lists so that the exam's recall reaches the target.

    The router and the lists both lose neighbours. Several splits of the loss are tried, and the one that compares the fewest
    codes wins. Where none reaches the target, everything is searched.
    """
    queries, exact = exam.queries, exam.exact
    sizes = np.array([len(part.rows) for part in divided])
    tried: list[tuple[float, float, float, float]] = []
    best: CategoryFit | None = None
    least = np.inf
    for share in (0.2, 0.4, 0.6, 0.8):
        routed = fitted(router, queries, category[exact], sizes, 1 - share * (1 - target))
        chosen = routed.choose(queries)
        frac, recall = _least_lists(divided, exam, chosen, target)
        ready = with_lists(divided, frac)
        compared = compared_frac(ready, chosen)
        tried.append((held_frac(chosen, category[exact]), frac, recall, compared))
        if recall >= target and compared < least:
            best, least = CategoryFit(ready, routed, recall, tried), compared
    if best is not None:
        return best
    everywhere = replace(router, margin=NO_MARGIN, most=router.categories)
    ready = with_lists(divided, 1.0)
    recall = _recall(ready, exam, everywhere.choose(queries))
    return CategoryFit(ready, everywhere, recall, tried)


def _least_lists(
    divided: Sequence[CategoryPart], exam: Exam, chosen: CategoryMask, target: float
) -> tuple[float, float]:
    """(fraction of lists, recall): the smallest fraction that reaches the target, to a sixteenth of itself."""
    if all(parts_of(part.index).ivf is None for part in divided):
        return 1.0, _recall(divided, exam, chosen)
    recalls: dict[float, float] = {}

    def holds(frac: float) -> bool:
        recalls[frac] = _recall(with_lists(divided, frac), exam, chosen)
        return recalls[frac] >= target

    high = 1 / 256
    while not holds(high) and high < 1:
        high *= 2
    low = high / 2
    while high - low > low / 16:
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high, recalls[high]


def _recall(divided: Sequence[CategoryPart], exam: Exam, chosen: CategoryMask) -> float:
    return exam.recall_of(search(divided, exam.queries, chosen, exam.exact.shape[1]).items)
