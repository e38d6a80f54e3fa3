"""Operating points of an index: what it finds, how long it takes on one thread, what it weighs.

Measured with real queries: they lie off the items' own distribution, and an index that was tuned on items
promises a recall that no shopper sees.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import faiss
import numpy as np
from numpy.typing import NDArray

from models.ann.codes import widths
from models.ann.families import parts
from models.ann.search import Settings, ask, one_thread
from models.evaluation.recall import overlap, recall_and_rr
from models.training.batches import Known

Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]
SINGLES = 200  # queries timed one by one
JUDGED = 60  # depth of R@60 and RR@60
K_FACTORS = (1.0, 2.0, 4.0, 8.0)  # how much more than asked for is ranked anew by finer codes


@dataclass(frozen=True)
class Point:
    """One index with one choice of search parameters.

    recall: share of the exact first K that is among the K found. cpu_ms: CPU time of a query among
    many, the lasting cost of a point; p50_ms, p99_ms: of queries asked one at a time. bytes_per_item: of
    the whole index in memory. judged: R@60 and RR@60 where judgements are. One thread.
    """

    factory: str
    settings: dict[str, float]
    recall: float
    cpu_ms: float
    p50_ms: float
    p99_ms: float
    bytes_per_item: float
    build_cpu_s: float
    judged: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Exam:
    """What points are measured with: queries [Q, D], the exact rows [Q, K], and what people judged relevant."""

    queries: Vectors
    exact: Rows
    relevant: Known | None = None

    def recall(self, index: faiss.Index, settings: Settings) -> float:
        """Share of the exact rows that the index finds among as many."""
        return overlap(ask(index, self.queries, self.exact.shape[1], settings).items, self.exact)

    def judged(self, found: Rows) -> dict[str, float]:
        """R@60 and RR@60 of rows found [Q, K], over queries with something relevant; empty without any."""
        if self.relevant is None:
            return {}
        rows = np.flatnonzero(self.relevant.counts(np.arange(len(found))) > 0)
        recall, rr = recall_and_rr(found[rows, :JUDGED], rows, self.relevant)
        return {f"R@{JUDGED}": float(recall.mean()), f"RR@{JUDGED}": float(rr.mean())}


def measured(index: faiss.Index, factory: str, exam: Exam, settings: dict[str, float], build_cpu_s: float) -> Point:
    """Measure a point on one thread."""
    depth = exam.exact.shape[1]
    with one_thread():
        ask(index, exam.queries[:8], depth, settings)  # the first search pays for allocations
        started = time.process_time()
        rows = ask(index, exam.queries, depth, settings).items
        cpu_ms = 1000 * (time.process_time() - started) / len(exam.queries)
        took = [_timed(index, one, depth, settings) for one in _singles(exam.queries)]
    p50, p99 = np.percentile(took, [50, 99])
    size = weight(index) / max(1, index.ntotal)
    recall, judged = overlap(rows, exam.exact), exam.judged(rows)
    return Point(factory, settings, recall, cpu_ms, float(p50), float(p99), size, build_cpu_s, judged)


def weight(index: faiss.Index) -> int:
    """Bytes of a filled index in memory, or mapped: codes, ids, links and centroids, counted, not copied."""
    found, items = parts(index), int(index.ntotal)
    total = items * sum(widths(index))
    if found.ivf is not None:
        coarse = faiss.downcast_index(found.ivf.quantizer)
        return total + 8 * items + 4 * int(found.ivf.nlist * found.ivf.d) + _links(coarse)
    return total + _links(found.base)


def _links(index: faiss.Index) -> int:
    """Bytes of a graph's links, each item's place among them and its level; 0 for what is no graph."""
    if not isinstance(index, faiss.IndexHNSW):
        return 0
    return 4 * int(index.hnsw.neighbors.size()) + 12 * int(index.ntotal)


def least(
    index: faiss.Index, exam: Exam, target: float, start: dict[str, float] | None = None
) -> list[tuple[dict[str, float], float]]:
    """Settings tried, with their recall; the last one is the cheapest that holds the target, or all there is.

    What decides (nprobe, efSearch) doubles until the target is held, then the last octave is halved.
    start: settings that held it before; where they still do, nothing else is tried.
    """
    found = parts(index)
    fixed = {name: value for name, value in (start or {}).items() if name == "k_factor"}
    if found.refine is not None and not fixed:
        fixed = {"k_factor": K_FACTORS[-1]}
    name, most = _dial(index)
    if not name:
        return [(fixed, exam.recall(index, fixed))]
    curve: dict[int, float] = {}

    def holds(value: int) -> bool:
        curve[value] = exam.recall(index, {**fixed, name: value})
        return curve[value] >= target

    before = int((start or {}).get(name, 0))
    if before and holds(before):
        return [({**fixed, name: before}, curve[before])]
    # a graph finds no more than it looks at
    high = max(before, 1 if name == "nprobe" else exam.exact.shape[1])
    while not holds(high) and high < most:
        high = min(high * 2, most)
    low = max(before, high // 2)
    while high - low > max(1, low // 16):  # closer than a sixteenth is noise
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    recall = curve.pop(high)
    tried = [({**fixed, name: value}, found) for value, found in sorted(curve.items())]
    return [*tried, ({**fixed, name: high}, recall)]


def least_k_factor(index: faiss.Index, exam: Exam, target: float, settings: dict[str, float]) -> dict[str, float]:
    """The same settings with the least k_factor that still holds the target."""
    if "k_factor" not in settings:
        return settings
    for k_factor in K_FACTORS:
        chosen = {**settings, "k_factor": k_factor}
        if exam.recall(index, chosen) >= target:
            return chosen
    return settings


def _dial(index: faiss.Index) -> tuple[str, int]:
    """The setting that trades time for recall, and its most; none where everything is compared."""
    found = parts(index)
    if found.ivf is not None:
        return "nprobe", int(found.ivf.nlist)
    if isinstance(found.base, faiss.IndexHNSW):
        return "efSearch", max(1, min(4096, int(index.ntotal)))
    return "", 0


def _singles(queries: Vectors) -> Vectors:
    rows = np.linspace(0, len(queries) - 1, min(SINGLES, len(queries))).astype(int)
    chosen: Vectors = queries[rows]
    return chosen


def _timed(index: faiss.Index, query: Vectors, depth: int, settings: Settings) -> float:
    started = time.perf_counter()
    ask(index, query[None], depth, settings)
    return 1000 * (time.perf_counter() - started)
