"""What a gate is shown of an index, and how much it tolerates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
# What the gate compares with the champion; other measures are shown, not judged.
ARMS = ("hybrid", "dense")
MEASURES = ("R@60", "RR@60")


@dataclass(frozen=True)
class Evidence:
    """What is known of one index when it is judged.

    values: arm -> measure -> float64 [Q], one per evaluated query. queries_digest names those queries,
    qrels_digest their judgements: values over different ones must not be compared.
    index_recall: overlap with exact search in the first `recall_depth`, on the evaluated queries.
    canaries_frac: share of sampled items whose stored vector is that of their own text, re-encoded.
    items: rows of the catalogue; indexed: vectors in the index. p99_ms: of a search, one thread, and
    bytes: of the index in memory; 0 where nobody measured. data: input partition -> its verdict.
    """

    values: Mapping[str, Mapping[str, Floats]]
    queries_digest: str
    qrels_digest: str
    space_id: str
    index_space_id: str
    index_recall: float
    recall_depth: int
    canaries_frac: float
    items: int
    indexed: int
    lost_items: int
    p99_ms: float = 0.0
    bytes: int = 0
    data: Mapping[str, str] = field(default_factory=dict)

    def of(self, arm: str, name: str) -> Floats | None:
        """Values of one measure, where the arm was ranked."""
        return self.values.get(arm, {}).get(name)


@dataclass(frozen=True)
class Limits:
    """How much the gate tolerates.

    margin: a mean may be lower than the champion's by this much, absolute (0.01 = one point), segment_margin: a
    segment's; what is lost beyond is put to the test. alpha: of these tests, over all means together, and over all
    segments; min_support: queries below which a segment is not tested.
    max_cost_ratio: latency and memory, in times the champion's; slack_ms: latency that is always tolerated, for
    on a shared machine a millisecond is noise. seed_noise: spread of a mean over trainings that differ in their
    seed alone; what a margin below it stops is chance.
    """

    margin: float = 0.01
    segment_margin: float = 0.03
    alpha: float = 0.05
    min_support: int = 50
    min_index_recall: float = 0.95
    min_canaries_frac: float = 0.99
    min_size_frac: float = 0.9
    max_cost_ratio: float = 1.5
    slack_ms: float = 1.0
    seed_noise: float = 0.0

    @property
    def tolerated(self) -> float:
        """Loss that stops nobody: the margin, or the noise of seeds where that is larger."""
        return max(self.margin, self.seed_noise)
