"""Open what an alias points to, as a service would: an index, a ranker or recommendations."""

from __future__ import annotations

from jobs.lake.partitions import RANKER, RECOMMENDATIONS
from jobs.lake.read import Pinned


def open_as_service(pinned: Pinned) -> bool:
    """Open a ranker or recommendations, every part checked; False for an index, whose checks need torch.

    Raises:
        RuntimeError: a file is damaged, or golden lists or scores are not those of the training.
    """
    from jobs.bundle.recommendations import open_recommendations
    from jobs.bundle.reranker import open_reranker

    table = pinned.partition.name
    if table == RANKER.name:
        open_reranker(pinned)
    elif table == RECOMMENDATIONS.name:
        open_recommendations(pinned)
    return table in (RANKER.name, RECOMMENDATIONS.name)
