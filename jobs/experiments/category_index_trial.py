"""A single index and one index per category under the same conditions: recall, time on one thread, memory, work."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import faiss
import numpy as np

from jobs.experiments.category_index_files import CategoryIndex
from models.ann.by_category import compared_frac
from models.ann.exact import Vectors
from models.ann.families import parts
from models.ann.operating_points import Exam, cheapest_settings, measure_point
from models.ann.routing import searched_frac
from models.ann.search import one_thread
from models.ann.tuning import build
from models.fusion.ranked_lists import Ranked

SINGLES, WARM_UP = 200, 8


@dataclass(frozen=True)
class IndexTrial:
    """Figures of one side. searched_frac: fraction of the catalogue in the chosen categories; compared_frac: in their visited
    inverted lists. cpu_ms: CPU time of a query in a batch."""

    name: str
    queries: int
    recall: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    bytes: int
    categories: float
    searched_frac: float
    compared_frac: float

    def facts(self) -> dict[str, float]:
        """Figures by name."""
        return {key: value for key, value in asdict(self).items() if key != "name"}


def judge_single(vectors: Vectors, factory: str, to_fit: Exam, to_judge: Exam, target: float, seed: int) -> IndexTrial:
    """A single index, tuned on one half of the queries and measured on the other."""
    index = build(vectors, factory, seed)[1]
    settings = cheapest_settings(index, to_fit, target)[-1][0]
    point = measure_point(index, factory, to_judge, settings, 0.0)
    ivf = parts(index).ivf
    compared = settings.get("nprobe", 1.0) / ivf.nlist if ivf is not None else 1.0
    return IndexTrial(
        "single",
        len(to_judge.queries),
        point.recall,
        point.p50_ms,
        point.p99_ms,
        point.cpu_ms,
        round(point.bytes_per_item * len(vectors)),
        1.0,
        1.0,
        compared,
    )


def judge_categories(made: CategoryIndex, to_judge: Exam) -> IndexTrial:
    """One index per category, measured on the half that it was not fitted on; the time includes routing."""
    queries, depth = to_judge.queries, to_judge.exact.shape[1]
    with one_thread():
        made.search(queries[:WARM_UP], depth)
        started = time.process_time()
        ranked = made.search(queries, depth)
        cpu_ms = 1000 * (time.process_time() - started) / len(queries)
        p50, p99 = _singles(lambda query: made.search(query, depth), queries)
    chosen = made.router.choose(queries)
    sizes = np.array([len(part.rows) for part in made.parts])
    # what a service holds: indexes, rows and router, without item ids
    held = sum(len(faiss.serialize_index(part.index)) + part.rows.nbytes for part in made.parts)
    held += made.router.centroids.nbytes + made.router.owner.nbytes
    return IndexTrial(
        "by_category",
        len(queries),
        to_judge.recall_of(ranked.items),
        p50,
        p99,
        cpu_ms,
        held,
        float(chosen.sum(axis=1).mean()),
        searched_frac(chosen, sizes),
        compared_frac(made.parts, chosen),
    )


def verdict(single: IndexTrial, categories: IndexTrial) -> str:
    """A sentence that names the better side: by time of a single query, then by memory.

    Within a tenth they count as equal: two timings of one index on a shared machine differ by as much.
    """
    time_ratio = categories.p50_ms / single.p50_ms
    size_ratio = categories.bytes / single.bytes
    faster = time_ratio < 1 / 1.1
    if faster:
        better = "Categories are better"
    elif time_ratio > 1.1 or size_ratio > 1:
        better = "The single index is better"
    else:
        better = "Neither is clearly better"
    return (
        f"{better}: categories take x{time_ratio:.2f} of its median time and x{size_ratio:.2f} of its memory,"
        f" at a recall of {categories.recall:.4f} against {single.recall:.4f}."
    )


def _singles(search: Callable[[Vectors], Ranked], queries: Vectors) -> tuple[float, float]:
    took = []
    for row in np.linspace(0, len(queries) - 1, min(SINGLES, len(queries))).astype(int):
        started = time.perf_counter()
        search(queries[row : row + 1])
        took.append(1000 * (time.perf_counter() - started))
    p50, p99 = np.percentile(took, [50, 99])
    return float(p50), float(p99)
