"""The data of a report: its inputs, their rows, and what was computed of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pyarrow as pa

from jobs.evaluation.comparisons import Comparison
from jobs.evaluation.diversity import Variety
from jobs.evaluation.history import Night
from jobs.evaluation.measures import Evaluation
from jobs.evaluation.room import ReportRoom
from jobs.evaluation.seen_unseen import SeenUnseen
from jobs.lake.ancestry import Ancestor
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned
from models.evaluation.gate import GateLimits, Verdict

ARMS = {
    "served": "what a search returns: hybrid without near-duplicates, cut off",
    "hybrid": "dense and sparse, fused",
    "dense": "two towers, after hard negatives",
    "sparse": "BM25",
    "dense_in_batch": "two towers, before hard negatives",
    "reranked": "what a search with it returns",
    "trees": "the first 300, ordered by trees",
    "neural": "the first 300, ordered by the neural ranker",
    "static": "the first 300, by the items' static score",
    "hybrid_rrf": "fused by rank",
    "hybrid_minmax": "fused by score, min-max",
    "hybrid_zscore": "fused by score, z",
    "champion_served": "in service now",
    "champion_reranked": "the ranker in service, or the plain list",
    "champion_hybrid": "in service now",
    "champion_dense": "in service now",
    "champion_sparse": "in service now",
}


@dataclass(frozen=True)
class ReportInputs:
    """Pinned inputs of a report."""

    rankings: Pinned
    index: Pinned
    queries: Pinned
    qrels: Pinned
    items: Pinned
    pairs: Pinned | None
    alt_relevance: Pinned | None
    sweep: Pinned | None

    @property
    def all(self) -> list[Pinned]:
        """Every input, as the manifest names them."""
        optional = (self.pairs, self.alt_relevance, self.sweep)
        required = [self.rankings, self.index, self.queries, self.qrels, self.items]
        return [*required, *(pinned for pinned in optional if pinned is not None)]

    def check(self) -> None:
        """Refuse to judge rankings by other inputs than those that they were made from.

        Raises:
            RuntimeError: an input has another version now.
        """
        ranked = {(source.partition, source.manifest_sha256) for source in self.rankings.manifest.inputs}
        for pinned in (self.index, self.queries, self.qrels):
            if (str(pinned.partition), pinned.manifest_sha256) not in ranked:
                raise RuntimeError(
                    f"{self.rankings.partition}: not made from the present version of {pinned.partition}"
                    f" (manifest {pinned.manifest_sha256[:12]}); rank again"
                )


class ReportRows(NamedTuple):
    """Rows of the inputs: rankings to their depth, judgements of all splits and of the ranked queries, queries, items."""

    ranked: pa.Table
    every_split: pa.Table
    judgements: pa.Table
    queries: pa.Table
    items: pa.Table


@dataclass(frozen=True)
class ReportData:
    """All data of a report."""

    room: ReportRoom
    report: Partition
    inputs: ReportInputs
    rows: ReportRows
    evaluation: Evaluation
    verdict: Verdict
    compared: list[Comparison]
    ancestors: list[Ancestor]
    limits: GateLimits
    min_relevance: float
    segments: list[dict[str, Any]]
    dense_helps: list[dict[str, Any]]
    seen_unseen: list[SeenUnseen]
    variety: list[Variety]
    second: Evaluation | None = None
    nights: list[Night] = field(default_factory=list)

    @property
    def arms(self) -> list[str]:
        """Arms in the order of display; a shop's own runs before the champion."""
        known = [arm for arm in dict.fromkeys((*self.room.main_arms, *ARMS)) if arm in self.evaluation.arms]
        runs = sorted(arm for arm in self.evaluation.arms if arm not in ARMS)
        champion = [arm for arm in known if arm.startswith("champion_")]
        return [*(arm for arm in known if arm not in champion), *runs, *champion]

    @property
    def own(self) -> list[str]:
        """Arms without the champion's."""
        return [arm for arm in self.arms if not arm.startswith("champion_")]

    @property
    def main(self) -> list[str]:
        """Arms that plots and segments show."""
        return [arm for arm in self.room.main_arms if arm in self.evaluation.arms]
