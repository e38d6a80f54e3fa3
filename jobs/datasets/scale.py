"""On which scale judgements stand: from which grade an item is relevant, and which grade is worth nothing."""

from __future__ import annotations

from jobs.lake.read import Pinned


def scale(qrels: Pinned, min_relevance: float, zero_gain: float = 0.0) -> tuple[float, float]:
    """(min_relevance, zero_gain) as asked for; where min_relevance is 0, as the judgements' own facts say.

    Clicks, and judgements that say nothing, count from 1 with nothing below.
    """
    if min_relevance:
        return min_relevance, zero_gain
    facts = qrels.facts
    return float(facts.get("min_relevance", 1.0)), float(facts.get("zero_gain", 0.0))
