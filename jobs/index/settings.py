"""How an index is chosen: settings of jobs.index.train, and what they mean to the models."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Interval

from jobs.platform.arguments import FIRST, CommandArgs, NonNegativeFloat, NonNegativeInt, PositiveInt
from models.ann.drift import Limits
from models.ann.tuning import Budget

GB = 1e9


class IndexSettings(CommandArgs, kw_only=True):
    """factory          FAISS factory string; auto tries families by the size of the catalogue
    recall_target    overlap with exact search that an index must reach
    recall_depth     first neighbours in which the overlap is measured
    p99_ms           upper limit of the 99th percentile of a query's time on one thread, in ms; 0: none
    memory_gb        upper limit of the whole index in memory, in GB; 0: none
    tune_items       items drawn for tuning and for the figures: bounds time and memory
    tuning_queries   queries used for tuning
    min_relevance    relevance from which a judged item counts; 0: as the judgements' own scale says
    max_growth       factor by which the catalogue may grow or shrink before an index is trained anew
    max_imbalance    factor by which the imbalance of the inverted lists may grow
    max_error        factor by which the quantisation error may grow
    max_recall_drop  loss of recall on the pinned queries
    seed             of samples and k-means
    """

    factory: Annotated[str, FIRST] = "auto"
    recall_target: Annotated[float, Interval(gt=0, le=1), FIRST] = 0.95
    recall_depth: PositiveInt = 100
    p99_ms: Annotated[NonNegativeFloat, FIRST] = 0.0
    memory_gb: Annotated[NonNegativeFloat, FIRST] = 0.0
    tune_items: Annotated[int, Ge(1000), FIRST] = 100_000
    tuning_queries: PositiveInt = 1000
    min_relevance: float = 0.0
    max_growth: Annotated[float, Ge(1)] = 2.0
    max_imbalance: Annotated[float, Ge(1)] = 1.5
    max_error: Annotated[float, Ge(1)] = 1.15
    max_recall_drop: NonNegativeFloat = 0.01
    seed: NonNegativeInt = 0

    def budget(self, items: int) -> Budget:
        """What a choice for so many items must hold."""
        return Budget(self.recall_target, self.p99_ms, GB * self.memory_gb / items)

    @property
    def limits(self) -> Limits:
        """How far the figures of a trained index may move."""
        return Limits(self.max_growth, self.max_imbalance, self.max_error, self.max_recall_drop)
