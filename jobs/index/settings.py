"""How an index is chosen: settings of jobs.index.train, and what they mean to the models."""

from __future__ import annotations

from dataclasses import dataclass

from models.ann.drift import Limits
from models.ann.tuning import Budget

GB = 1e9


@dataclass(frozen=True, kw_only=True)
class Choice:
    """factory         FAISS factory string; auto tries families by the size of the catalogue
    recall_target   overlap with exact search that a choice must hold
    recall_depth    first neighbours in which the overlap is taken
    p99_ms          bound on the 99th percentile of a query's time on one thread; 0: none
    memory_gb       bound on the whole index in memory; 0: none
    tune_items      items drawn for tuning and for the figures: bounds time and memory
    tuning_queries  queries used for tuning
    min_relevance   relevance from which a judged item counts; 0: as the judgements' own scale says
    max_growth      times that the catalogue may grow or shrink before training anew
    max_imbalance   times that the imbalance of lists may grow
    max_error       times that the quantisation error may grow
    max_recall_drop  loss of recall of the canaries, pinned queries
    seed            of samples and k-means
    """

    factory: str = "auto"
    recall_target: float = 0.95
    recall_depth: int = 100
    p99_ms: float = 0.0
    memory_gb: float = 0.0
    tune_items: int = 100_000
    tuning_queries: int = 1000
    min_relevance: float = 0.0
    max_growth: float = 2.0
    max_imbalance: float = 1.5
    max_error: float = 1.15
    max_recall_drop: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.recall_target <= 1 or self.recall_depth < 1:
            raise ValueError("recall_target must be in (0, 1] and recall_depth > 0")
        if self.tuning_queries < 1 or self.tune_items < 1000:
            raise ValueError("tuning_queries must be > 0 and tune_items 1000 or more")
        if min(self.p99_ms, self.memory_gb, self.max_recall_drop) < 0:
            raise ValueError("p99_ms, memory_gb and max_recall_drop must not be negative")
        if min(self.max_growth, self.max_imbalance, self.max_error) < 1:
            raise ValueError("max_growth, max_imbalance and max_error must be 1 or more")

    def budget(self, items: int) -> Budget:
        """What a choice for so many items must hold."""
        return Budget(self.recall_target, self.p99_ms, GB * self.memory_gb / items)

    @property
    def limits(self) -> Limits:
        """How far the figures of a trained index may move."""
        return Limits(self.max_growth, self.max_imbalance, self.max_error, self.max_recall_drop)
