"""The columns of every Parquet table as Spark SQL DDL, one column a line: the contract between rooms."""

from __future__ import annotations

import re

DDL: dict[str, str] = {
    "labels": """
        query STRING COMMENT 'as typed'
        item_id STRING
        relevance DOUBLE COMMENT 'graded, on the scale of the data set'
        split STRING COMMENT 'train, dev or test; NULL: decided by the hash of the query'
    """,
    "items": """
        item_id STRING
        title STRING
        category STRING COMMENT 'path from the root, A > B > C; empty when unknown'
        brand STRING
        attributes MAP<STRING,STRING>
        price DOUBLE
        group_id STRING COMMENT 'product that several offers share; the item_id where none is given'
        text STRING COMMENT 'what the item tower reads, by the text template of the manifest'
        content_hash STRING COMMENT 'sha1 of text: changes when the embedding must'
    """,
    "impressions": """
        search_id STRING
        query_id STRING COMMENT 'sha1 of the normalised text'
        query STRING COMMENT 'normalised, personal data masked; typed by so many people as the setting asks for'
        session_id STRING COMMENT 'hashed'
        client_id STRING COMMENT 'hashed'
        item_id STRING
        position INT COMMENT 'from 1, left to right and down'
        is_click BOOLEAN
        is_cart BOOLEAN
        is_purchase BOOLEAN
        searched_at TIMESTAMP COMMENT 'UTC'
    """,
    "late_impressions": """
        search_id STRING
        query_id STRING
        query STRING
        session_id STRING
        client_id STRING
        item_id STRING
        position INT
        is_click BOOLEAN COMMENT 'as it stands from now on, what was known before included'
        is_cart BOOLEAN
        is_purchase BOOLEAN
        searched_at TIMESTAMP
        day DATE COMMENT 'of the search: an earlier one than ds'
        is_new BOOLEAN COMMENT 'the day did not show the item in this search yet'
        is_new_search BOOLEAN COMMENT 'the day did not have the search yet'
    """,
    "click_counts": """
        day DATE COMMENT 'of the searches; earlier than ds: what arrived late, as a difference to what stood before'
        query_id STRING
        item_id STRING
        group_id STRING COMMENT 'product of the offer, where it was clicked and is known'
        position INT
        impressions INT
        clicks INT COMMENT 'one a person, query and item'
        carts INT
        purchases INT
    """,
    "query_counts": """
        day DATE COMMENT 'of the searches; earlier than ds: searches that arrived late'
        query_id STRING
        query STRING
        searches INT
    """,
    "propensities": """
        position INT
        propensity DOUBLE COMMENT 'how likely it is looked at, against the first: 1 there'
        impressions BIGINT COMMENT 'of the pairs that it is estimated from'
        clicks BIGINT
        error DOUBLE COMMENT 'standard error of the propensity; null: not estimated here but drawn on'
    """,
    "query_users": """
        query_key STRING COMMENT 'keyed hash of the query'
        searcher_key STRING COMMENT 'keyed hash of who typed it; as many of a query as make it common'
    """,
    "pairs": """
        query_id STRING
        item_id STRING
        clicks INT COMMENT 'one a person, item and day; those of ended offers of the product included'
        carts INT
        purchases INT
        impressions INT
        weight FLOAT COMMENT 'what was done there, against how likely its place is looked at; > 0'
        last_day DATE
        split STRING COMMENT 'train, dev or test, of the query'
    """,
    "queries": """
        query_id STRING
        query STRING COMMENT 'normalised'
        searches BIGINT
        segment STRING COMMENT 'head, torso, tail by share of searches; unseen: never searched'
        split STRING
    """,
    "qrels": """
        query_id STRING
        item_id STRING
        relevance DOUBLE
        split STRING
        source STRING COMMENT 'labels or clicks'
    """,
    "negatives": """
        query_id STRING
        item_ids ARRAY<STRING>
        ranks ARRAY<INT> COMMENT 'rank of the item for the query before filtering, from 1; 0: random fill'
        scores ARRAY<FLOAT> COMMENT 'cosine similarity'
    """,
    "embeddings": """
        item_id STRING
        content_hash STRING COMMENT 'of the item: what its vector was made of'
        embedding ARRAY<FLOAT> COMMENT 'unit norm, of fixed size; fp16 or fp32 in the files'
    """,
    "rankings": """
        arm STRING COMMENT 'dense, sparse, hybrid, hybrid_<method>, dense_in_batch, run_<file>, hybrid_run_<file>; champion_*: of the index in service'
        query_id STRING
        item_id STRING
        rank INT COMMENT 'from 1'
        score DOUBLE
    """,
}

_LINE = re.compile(r"\s*(?P<name>\w+) (?P<type>[A-Z]+(?:<[A-Z,<>]+>)?)(?: COMMENT '[^']*')?")


def _columns(ddl: str) -> dict[str, str]:
    found = [_LINE.fullmatch(line.rstrip()) for line in ddl.strip().splitlines()]
    return {line["name"]: line["type"] for line in found if line is not None}


COLUMNS: dict[str, dict[str, str]] = {name: _columns(ddl) for name, ddl in DDL.items()}
