"""Which table holds what of people: the one place that says it. Standard library only, because DAG files import it.

A zone says how long a day may stay (`jobs.privacy.retention`); a table that stands in none of them cannot be kept at all.
"""

from __future__ import annotations

RAW, JUDGED, DERIVED, MODEL, CATALOGUE, RECORD = ("raw", "judged", "derived", "model", "catalogue", "record")

ZONES: dict[str, tuple[str, ...]] = {
    # as people typed it, with who and when
    RAW: ("log", "simulated_truth", "query_users"),
    # texts that people typed, chosen to be judged; without a client
    JUDGED: ("labels", "external_runs"),
    # days made of the log: masked, counted, hashed
    DERIVED: (
        "items",
        "impressions",
        "late_impressions",
        "click_counts",
        "query_counts",
        "propensities",
        "pairs",
        "queries",
        "qrels",
        "negatives",
        "rankings",
        "tower_metrics",
        "sweep",
    ),
    # what was learnt and built; a moving name may hold it beyond its days
    MODEL: ("prodbert", "towers", "embeddings", "trained_index", "codes", "index", "categories", "report"),
    # the shop's own words
    CATALOGUE: ("catalogue",),
    # addresses and counts of what was deleted
    RECORD: ("retention",),
}

# what is left of people's texts in a table of MODEL
TYPED = {
    "prodbert": "words of queries in the vocabulary",
    "towers": "golden queries, words of queries in the vocabulary",
    "trained_index": "vectors of canary queries",
    "index": "golden queries, words of queries in the vocabulary",
    "report": "queries as examples",
}


def zone_of(table: str) -> str:
    """The zone of a table.

    Raises:
        LookupError: it has none yet.
    """
    for zone, tables in ZONES.items():
        if table in tables:
            return zone
    raise LookupError(
        f"{table}: in no zone of jobs/lake/zones.py; say there what it holds of people, so that its days end"
    )
