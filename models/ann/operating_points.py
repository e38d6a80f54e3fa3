"""Operating points of an index: recall, time on one thread and memory for given search parameters.

They are measured with real queries. Queries lie off the distribution of items, so an index that is tuned on items reports
a recall that no shopper sees.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property

import faiss
import numpy as np

from models.ann.codes import widths
from models.ann.exact import Rows, Vectors
from models.ann.families import parts
from models.ann.search import Settings, ask, one_thread
from models.evaluation.recall import interchangeable, labelled, overlap, recall_and_rr
from models.training.batches import Known

SINGLES = 200  # queries timed one by one
JUDGED = 60  # depth of R@60 and RR@60
K_FACTORS = (1.0, 2.0, 4.0, 8.0)  # candidates, as a multiple of the depth, that finer codes re-rank


@dataclass(frozen=True)
class OperatingPoint:
    """Figures of one index with one choice of search parameters, on one thread.

    recall: fraction of the exact first K among the K results. cpu_ms: CPU time of a query in a batch; p50_ms, p99_ms: of
    queries searched one at a time. bytes_per_item: of the whole index in memory. judged: R@60 and RR@60 where judgements
    exist.
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
    """Queries [Q, D] with their exact rows [Q, K] and judged relevant rows: the test that every point takes.

    equal [N]: a number for each row of the index, one for equal vectors, of which chance chooses; None: no two are equal.
    max_lost: share of exact search's R@60 by judgements that settings may lose.
    """

    queries: Vectors
    exact: Rows
    relevant: Known | None = None
    equal: Rows | None = None
    max_lost: float = 1.0

    def passes(self, index: faiss.Index, settings: Settings, target: float) -> tuple[bool, float]:
        """Whether settings reach the target, and lose no more by judgements than they may; and their recall."""
        results = ask(index, self.queries, self.exact.shape[1], settings).items
        recall = self.recall_of(results)
        return recall >= target and (self.max_lost >= 1.0 or self.lost(results) <= self.max_lost), recall

    def lost(self, results: Rows) -> float:
        """Share of exact search's R@60 by judgements that result rows [Q, K] lose; 0 without judgements."""
        name = f"R@{JUDGED}"
        exact = self._judged_exact.get(name, 0.0)
        return 1.0 - self.judged(results)[name] / exact if exact else 0.0

    @cached_property
    def _judged_exact(self) -> dict[str, float]:
        return self.judged(self.exact)

    def recall(self, index: faiss.Index, settings: Settings) -> float:
        """Fraction of the exact rows among as many results of the index."""
        return self.recall_of(ask(index, self.queries, self.exact.shape[1], settings).items)

    def recall_of(self, results: Rows) -> float:
        """Fraction of the exact rows among result rows [Q, K]; a row counts for another of an equal vector."""
        return overlap(self._wanted(results), self._wanted_exact)

    @cached_property
    def _wanted_exact(self) -> Rows:
        return self._wanted(self.exact)

    def _wanted(self, rows: Rows) -> Rows:
        return rows if self.equal is None else interchangeable(labelled(rows, self.equal))

    def judged(self, results: Rows) -> dict[str, float]:
        """R@60 and RR@60 of result rows [Q, K], over queries with a relevant row; empty without judgements."""
        if self.relevant is None:
            return {}
        rows = np.flatnonzero(self.relevant.counts(np.arange(len(results))) > 0)
        recall, rr = recall_and_rr(results[rows, :JUDGED], rows, self.relevant)
        return {f"R@{JUDGED}": float(recall.mean()), f"RR@{JUDGED}": float(rr.mean())}


def measure_point(
    index: faiss.Index, factory: str, exam: Exam, settings: dict[str, float], build_cpu_s: float
) -> OperatingPoint:
    """Measure a point on one thread."""
    depth = exam.exact.shape[1]
    with one_thread():
        ask(index, exam.queries[:8], depth, settings)  # the first search pays for allocations
        started = time.process_time()
        rows = ask(index, exam.queries, depth, settings).items
        cpu_ms = 1000 * (time.process_time() - started) / len(exam.queries)
        singles = np.linspace(0, len(exam.queries) - 1, min(SINGLES, len(exam.queries))).astype(int)
        took = [_timed(index, query, depth, settings) for query in exam.queries[singles]]
    p50, p99 = np.percentile(took, [50, 99])
    size = index_bytes(index) / max(1, index.ntotal)
    recall, judged = exam.recall_of(rows), exam.judged(rows)
    return OperatingPoint(factory, settings, recall, cpu_ms, float(p50), float(p99), size, build_cpu_s, judged)


def index_bytes(index: faiss.Index) -> int:
    """Bytes of a filled index in memory, or mapped: codes, ids, links and centroids, computed from their numbers."""
    index_parts, items = parts(index), int(index.ntotal)
    total = items * sum(widths(index))
    ivf = index_parts.ivf
    if ivf is not None:
        return total + 8 * items + 4 * int(ivf.nlist * ivf.d) + _links(faiss.downcast_index(ivf.quantizer))
    return total + _links(index_parts.base)


def _links(index: faiss.Index) -> int:
    """Bytes of a graph: links, and offset and level of each item; 0 for any other index."""
    if not isinstance(index, faiss.IndexHNSW):
        return 0
    return 4 * int(index.hnsw.neighbors.size()) + 12 * int(index.ntotal)


def cheapest_settings(
    index: faiss.Index, exam: Exam, target: float, start: dict[str, float] | None = None
) -> list[tuple[dict[str, float], float]]:
    """Settings tried, with their recall; the last ones are the cheapest that reach the target, or the most expensive.

    nprobe or efSearch doubles until the target is reached; then its last doubling is bisected. start: settings that reached
    the target before; where they still do, nothing else is tried.
    """
    index_parts = parts(index)
    fixed = {name: value for name, value in (start or {}).items() if name == "k_factor"}
    if index_parts.refine is not None and not fixed:
        fixed = {"k_factor": K_FACTORS[-1]}
    name, most = _dial(index)
    if not name:
        return [(fixed, exam.recall(index, fixed))]
    curve: dict[int, float] = {}

    def holds(value: int) -> bool:
        passed, curve[value] = exam.passes(index, {**fixed, name: value}, target)
        return passed

    before = int((start or {}).get(name, 0))
    if before and holds(before):
        return [({**fixed, name: before}, curve[before])]
    # a graph returns no more items than it visits
    high = max(before, 1 if name == "nprobe" else exam.exact.shape[1])
    while not holds(high) and high < most:
        high = min(high * 2, most)
    low = max(before, high // 2)
    while high - low > max(1, low // 16):  # differences below a sixteenth are noise
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    recall = curve.pop(high)
    tried = [({**fixed, name: value}, reached) for value, reached in sorted(curve.items())]
    return [*tried, ({**fixed, name: high}, recall)]


def lowest_k_factor(index: faiss.Index, exam: Exam, target: float, settings: dict[str, float]) -> dict[str, float]:
    """The same settings with the lowest k_factor that still reaches the target."""
    if "k_factor" not in settings:
        return settings
    for k_factor in K_FACTORS:
        chosen = {**settings, "k_factor": k_factor}
        if exam.passes(index, chosen, target)[0]:
            return chosen
    return settings


def _dial(index: faiss.Index) -> tuple[str, int]:
    """The setting that trades time for recall, and its maximum; ('', 0) where every item is compared."""
    index_parts = parts(index)
    if index_parts.ivf is not None:
        return "nprobe", int(index_parts.ivf.nlist)
    if isinstance(index_parts.base, faiss.IndexHNSW):
        return "efSearch", max(1, min(4096, int(index.ntotal)))
    return "", 0


def _timed(index: faiss.Index, query: Vectors, depth: int, settings: Settings) -> float:
    started = time.perf_counter()
    ask(index, query[None], depth, settings)
    return 1000 * (time.perf_counter() - started)
