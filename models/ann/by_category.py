"""One index per category, searched as one: a router says where, rows are those of the whole catalogue.

FAISS's own IndexShards renumbers what it finds; here every part knows which rows it holds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import faiss
import numpy as np
from numpy.typing import NDArray

from models.ann.families import parts as parts_of
from models.ann.families import scaled
from models.ann.routing import NO_MARGIN, Choice, Router, Rows, Vectors, fitted, held
from models.ann.search import ask
from models.ann.tuning import LISTS_TIMES, build
from models.evaluation.recall import overlap
from models.fusion.ranked_lists import Ranked, trec_order


@dataclass(frozen=True)
class Part:
    """A category: its index, and rows [n], ascending: where its items stand in the catalogue."""

    name: str
    factory: str
    index: faiss.Index
    rows: NDArray[np.int32]
    settings: dict[str, float]


def factory_of(whole: str, items: int, flat_below: int) -> str:
    """The factory string for a category of so many items, as the whole catalogue has `whole`.

    As many lists as suit its size; below flat_below everything is compared, by scalar codes.
    """
    if items >= flat_below:
        return scaled(whole, items, LISTS_TIMES[0])
    found = re.search(r"SQ\w+|Flat", whole)
    return found[0] if found else "SQ8"


def divide(
    vectors: Vectors, names: Sequence[str], category: Rows, whole: str, flat_below: int, seed: int = 0
) -> list[Part]:
    """Build the index of every category; whole: the factory string that suits the whole catalogue."""
    made = []
    for number, name in enumerate(names):
        rows = np.flatnonzero(category == number).astype(np.int32)
        factory = factory_of(whole, len(rows), flat_below)
        index = build(np.ascontiguousarray(vectors[rows], np.float32), factory, seed)[1]
        made.append(Part(name, factory, index, rows, {}))
    return made


def search(divided: Sequence[Part], queries: Vectors, chosen: Choice, depth: int) -> Ranked:
    """Search the chosen categories [Q, C] of each query and merge. Returns catalogue rows [Q, depth].

    With every category chosen, and indexes that compare everything, this is exact search.
    """
    items = np.full((len(queries), depth), -1, np.int64)
    scores = np.full((len(queries), depth), -np.inf, np.float32)
    for number in np.flatnonzero(chosen.any(axis=0)).tolist():
        part, asking = divided[number], np.flatnonzero(chosen[:, number])
        found, near = ask(part.index, queries[asking], min(depth, len(part.rows)), part.settings)
        found = np.where(found < 0, -1, part.rows[found])
        again = items[asking, 0] >= 0
        if again.any():
            # beside what other categories gave
            both = trec_order(np.hstack([items[asking], found]), np.hstack([scores[asking], near]))
            found, near = both.items[:, :depth], both.scores[:, :depth]
        items[asking, : found.shape[1]], scores[asking, : found.shape[1]] = found, near
    return trec_order(items, scores)


def with_lists(divided: Sequence[Part], frac: float) -> list[Part]:
    """The parts, each visiting this share of its inverted lists, at least one."""
    return [
        replace(part, settings={"nprobe": max(1, math.ceil(frac * ivf.nlist))})
        if (ivf := parts_of(part.index).ivf) is not None
        else part
        for part in divided
    ]


def compared_frac(divided: Sequence[Part], chosen: Choice) -> float:
    """Mean share of the catalogue whose codes are compared: of the lists visited, in the chosen categories."""
    seen = [len(part.rows) * _visited(part) for part in divided]
    return float((chosen @ np.array(seen)).mean() / sum(len(part.rows) for part in divided))


def _visited(part: Part) -> float:
    ivf = parts_of(part.index).ivf
    return part.settings.get("nprobe", 1) / ivf.nlist if ivf is not None else 1.0


@dataclass(frozen=True)
class Fit:
    """Parts and router as they hold the target, and every pair that was tried: (share of the neighbours in
    the chosen categories, share of lists visited, recall, share of the catalogue compared)."""

    divided: list[Part]
    router: Router
    recall: float
    tried: list[tuple[float, float, float, float]]


def fit(divided: Sequence[Part], router: Router, category: Rows, queries: Vectors, exact: Rows, target: float) -> Fit:
    """Choose how many categories, and how many of their lists, so that recall against exact [Q, K] holds.

    What is lost is lost by the router or by the lists. Several splits of the loss between them are tried;
    the one that compares least wins. Where none holds the target, everything is searched.
    """
    sizes = np.array([len(part.rows) for part in divided])
    tried: list[tuple[float, float, float, float]] = []
    best: Fit | None = None
    least = np.inf
    for share in (0.2, 0.4, 0.6, 0.8):
        routed = fitted(router, queries, category[exact], sizes, 1 - share * (1 - target))
        chosen = routed.choose(queries)
        frac, recall = _least_lists(divided, queries, chosen, exact, target)
        ready = with_lists(divided, frac)
        compared = compared_frac(ready, chosen)
        tried.append((held(chosen, category[exact]), frac, recall, compared))
        if recall >= target and compared < least:
            best, least = Fit(ready, routed, recall, tried), compared
    if best is not None:
        return best
    everywhere = replace(router, margin=NO_MARGIN, most=router.categories)
    ready = with_lists(divided, 1.0)
    recall = _recall(ready, queries, everywhere.choose(queries), exact)
    return Fit(ready, everywhere, recall, tried)


def _least_lists(
    divided: Sequence[Part], queries: Vectors, chosen: Choice, exact: Rows, target: float
) -> tuple[float, float]:
    """(share of lists, recall): the least share that holds the target, to a sixteenth of itself."""
    if all(parts_of(part.index).ivf is None for part in divided):
        return 1.0, _recall(divided, queries, chosen, exact)
    recalls: dict[float, float] = {}

    def holds(frac: float) -> bool:
        recalls[frac] = _recall(with_lists(divided, frac), queries, chosen, exact)
        return recalls[frac] >= target

    high = 1 / 256
    while not holds(high) and high < 1:
        high *= 2
    low = high / 2
    while high - low > low / 16:
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high, recalls[high]


def _recall(divided: Sequence[Part], queries: Vectors, chosen: Choice, exact: Rows) -> float:
    return overlap(search(divided, queries, chosen, exact.shape[1]).items, exact)
