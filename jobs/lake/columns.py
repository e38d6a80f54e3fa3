"""Columns of every Parquet table: the contract between rooms. A line of Spark SQL declares a column once.

    device STRING CHECK (IN desktop, mobile, tablet) COMMENT 'kind of device' FROM event_attributes.device

- name and type: the Arrow and Spark schema, and the data-quality rule on columns and types.
- NOT NULL, CHECK (>= 0), CHECK (IN a, b): further data-quality rules; NULL passes a CHECK.
- COMMENT: the meaning, where the name is not enough.
- FROM, in `impressions` only: a search column. It is read from these UBI fields, the first with a value, and the SQL
  texts pass it to impressions and late_impressions (lines `-- each search column`; jobs.platform.spark.sql_text).

Files of older days may lack a column: Spark then reads NULL (jobs.lake.windows.read_columns).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_IMPRESSIONS = """
        search_id STRING
        query_id STRING COMMENT 'sha1 of the normalised text'
        query STRING COMMENT 'normalised, personal data masked; typed by at least min_searchers people'
        session_id STRING COMMENT 'hashed'
        client_id STRING COMMENT 'hashed'
        item_id STRING
        position INT COMMENT 'from 1, left to right and down'
        is_click BOOLEAN
        is_cart BOOLEAN
        is_purchase BOOLEAN
        searched_at TIMESTAMP COMMENT 'UTC'
"""

_QUERIES = """
        query_id STRING
        query STRING COMMENT 'normalised'
        searches BIGINT
        segment STRING COMMENT 'head, torso or tail by share of searches; unseen: never searched'
        split STRING
"""

_QRELS = """
        query_id STRING
        item_id STRING
        relevance DOUBLE
        split STRING
        source STRING COMMENT 'labels, rules, clicks or sessions'
"""

DDL: dict[str, str] = {
    "labels": """
        query STRING COMMENT 'as typed'
        item_id STRING
        relevance DOUBLE COMMENT 'graded, on the scale of the data set'
        split STRING COMMENT 'train, dev or test; NULL: the hash of the query decides'
    """,
    "items": """
        item_id STRING
        title STRING
        category STRING COMMENT 'path from the root, A > B > C: the first of categories; empty when unknown'
        categories ARRAY<STRING> COMMENT 'all paths'
        brand STRING
        attributes MAP<STRING,STRING>
        price DOUBLE
        currency STRING COMMENT 'as the price names it: PLN, zł; NULL if it names none'
        group_id STRING COMMENT 'product that several offers share; the item_id if the catalogue gives none'
        text STRING COMMENT 'input of the item tower, made by the text template of the manifest'
        content_hash STRING COMMENT 'sha1 of text: changes when the item must be embedded again'
    """,
    "impressions": _IMPRESSIONS,
    # the corrected rows of earlier days
    "late_impressions": _IMPRESSIONS
    + """
        day DATE COMMENT 'of the search; earlier than ds'
        is_new BOOLEAN COMMENT 'the day had not shown the item in this search'
        is_new_search BOOLEAN COMMENT 'the day did not have the search'
    """,
    # what people did to items, as the log has it; session_events is made of it
    "item_events": """
        search_id STRING COMMENT 'NULL: no search led to it'
        query_id STRING COMMENT 'NULL too where the query stays in the raw zone'
        client_id STRING COMMENT 'hashed; NULL: unknown'
        session_id STRING NOT NULL COMMENT 'hashed'
        item_id STRING NOT NULL
        action STRING NOT NULL CHECK (IN view, click, cart, purchase)
        placement STRING NOT NULL CHECK (IN search, offer_page, listing, basket, recommendation)
        occurred_at TIMESTAMP NOT NULL COMMENT 'UTC'
        day DATE NOT NULL COMMENT 'of the event, by the clock of the shop; earlier than ds: it arrived late'
    """,
    "session_events": """
        session_id STRING NOT NULL COMMENT 'hashed; of an order: the keyed hash of its invoice'
        ordinal INT NOT NULL CHECK (>= 1) COMMENT 'by time; goes on where the days before left off'
        client_id STRING COMMENT 'hashed; NULL: unknown'
        item_id STRING NOT NULL
        action STRING NOT NULL CHECK (IN view, click, cart, purchase)
        occurred_at TIMESTAMP NOT NULL COMMENT 'UTC'
        query_id STRING COMMENT 'of the search that led to it; NULL: none, or its query stays in the raw zone'
        placement STRING NOT NULL CHECK (IN search, offer_page, listing, basket, recommendation)
        day DATE NOT NULL COMMENT 'of the event; earlier than ds: it arrived late, or is history in a file of orders'
    """,
    "click_counts": """
        day DATE COMMENT 'of the searches; a day before ds: the difference that late events make'
        query_id STRING
        item_id STRING
        group_id STRING COMMENT 'product of the item, if it was clicked and is in the catalogue'
        position INT
        impressions INT
        clicks INT COMMENT 'votes: one per person, query, item and day'
        carts INT
        purchases INT
    """,
    "query_counts": """
        day DATE COMMENT 'of the searches; a day before ds: searches that arrived late'
        query_id STRING
        query STRING
        searches INT
    """,
    "propensities": """
        position INT
        propensity DOUBLE COMMENT 'probability of examination relative to position 1'
        impressions BIGINT COMMENT 'of the pairs behind the estimate'
        clicks BIGINT
        error DOUBLE COMMENT 'standard error; NULL: extrapolated, not estimated'
    """,
    # numbers of an item, without a query; what is summed are days up to ds
    "item_features": """
        item_id STRING NOT NULL
        clicks_1 DOUBLE NOT NULL COMMENT 'of the last day, each over the propensity of its position; so all of these'
        clicks_7 DOUBLE NOT NULL
        clicks_28 DOUBLE NOT NULL
        carts_1 DOUBLE NOT NULL
        carts_7 DOUBLE NOT NULL
        carts_28 DOUBLE NOT NULL
        purchases_1 DOUBLE NOT NULL
        purchases_7 DOUBLE NOT NULL
        purchases_28 DOUBLE NOT NULL
        examined_28 DOUBLE NOT NULL COMMENT 'impressions times the propensity of their position'
        click_rate DOUBLE NOT NULL COMMENT 'clicks over examined of 28 days, drawn to the mean of the shop'
        price DOUBLE COMMENT 'NULL: unknown'
        price_quantile DOUBLE COMMENT 'share of the category that is cheaper; NULL: unknown'
        age_days INT NOT NULL CHECK (>= 0) COMMENT 'since the first catalogue with it; 0 in the first table of all'
        offers INT NOT NULL CHECK (>= 1) COMMENT 'of its product'
        attributes INT NOT NULL CHECK (>= 0) COMMENT 'filled ones'
        static_score DOUBLE COMMENT 'value of the next days that trees expect of the item; NULL: too few days to learn from'
        first_day DATE NOT NULL COMMENT 'of the first catalogue with it'
        last_day DATE COMMENT 'last day whose clicks are in the sums; NULL: none was shown'
    """,
    "query_users": """
        query_key STRING COMMENT 'keyed hash of the query'
        searcher_key STRING COMMENT 'keyed hash of the person; at most min_searchers rows per query'
    """,
    "pairs": """
        query_id STRING
        item_id STRING
        clicks INT COMMENT 'votes, including those of ended offers of the product'
        carts INT
        purchases INT
        impressions INT
        weight FLOAT COMMENT 'clicks, carts and purchases over the propensity of their position; > 0'
        last_day DATE
        split STRING COMMENT 'train, dev or test, of the query'
    """,
    "unclicked": """
        query_id STRING NOT NULL
        item_id STRING NOT NULL
        impressions INT NOT NULL CHECK (>= 1)
        expected_clicks FLOAT NOT NULL CHECK (>= 0) COMMENT 'sum of the propensities of its impressions'
    """,
    "queries": _QUERIES,
    "qrels": _QRELS,
    "holdout_sessions": """
        query_id STRING NOT NULL COMMENT 'of the session, in holdout_queries and holdout_qrels'
        session_id STRING NOT NULL COMMENT 'hashed'
        client_id STRING COMMENT 'hashed; NULL: unknown'
        given ARRAY<STRING> NOT NULL COMMENT 'items before the target, in order of time'
        target STRING NOT NULL COMMENT 'the last item, which is not the last of given'
        day DATE NOT NULL COMMENT 'of the target'
        split STRING NOT NULL CHECK (IN train, dev, test)
    """,
    # the same in the columns of queries and qrels, so that rankings, report and gate judge it
    "holdout_queries": _QUERIES,
    "holdout_qrels": _QRELS,
    # the items of each session in order; an item seen twice in a row stands once
    "session_items": """
        session_id STRING NOT NULL
        client_id STRING COMMENT 'hashed; NULL: unknown'
        place INT NOT NULL CHECK (>= 1) COMMENT 'within the session, of its last items where it is long'
        item_id STRING NOT NULL
        weight FLOAT NOT NULL COMMENT '1, or less where our own carousel led to it'
        bought BOOLEAN NOT NULL COMMENT 'the session bought it'
        n_items INT NOT NULL CHECK (>= 1) COMMENT 'items of the session'
        day DATE NOT NULL COMMENT 'of the session, in the clock of the shop'
    """,
    "co_occurrences": """
        item_id STRING NOT NULL
        other_id STRING NOT NULL
        voices INT NOT NULL CHECK (>= 1) COMMENT 'clients that had both in one session'
        support INT NOT NULL CHECK (>= 1) COMMENT 'clients that had the item'
        other_support INT NOT NULL CHECK (>= 1) COMMENT 'clients that had the other item'
        followed_by FLOAT NOT NULL COMMENT 'sum of 1 / gap where the other came after the item'
        preceded_by FLOAT NOT NULL COMMENT 'the same where it came before'
        together FLOAT NOT NULL COMMENT 'sum over clients of 1 / sqrt(items of the session)'
    """,
    "item_neighbours": """
        item_id STRING NOT NULL
        neighbour_ids ARRAY<STRING> NOT NULL COMMENT 'best first; none: nothing is near'
        scores ARRAY<FLOAT> NOT NULL COMMENT 'share of the mixture of arms'
        support INT NOT NULL CHECK (>= 0) COMMENT 'clients that had the item; 0: content alone speaks for it'
    """,
    "user_recommendations": """
        client_id STRING NOT NULL COMMENT 'hashed'
        item_ids ARRAY<STRING> NOT NULL COMMENT 'best first, none that the client bought'
        scores ARRAY<FLOAT> NOT NULL
        visited INT NOT NULL CHECK (>= 1) COMMENT 'items behind the list'
    """,
    "negatives": """
        query_id STRING
        item_ids ARRAY<STRING>
        ranks ARRAY<INT> COMMENT 'rank of the item for the query before filtering, from 1; 0: random fill'
        scores ARRAY<FLOAT> COMMENT 'cosine similarity'
        pseudo_positives ARRAY<STRING> COMMENT 'items that a cross-encoder takes for right; empty without one'
    """,
    "embeddings": """
        item_id STRING
        content_hash STRING COMMENT 'of the item: identifies the input of its vector'
        embedding ARRAY<FLOAT> COMMENT 'unit norm, of fixed size; fp16 or fp32 in the files'
    """,
    # what rankers learn from: their features are made of the bundle when they are trained, by row
    "listings": """
        query_id STRING NOT NULL
        item_id STRING NOT NULL
        row INT NOT NULL CHECK (>= 0) COMMENT 'of the item in the bundle'
        rank INT NOT NULL CHECK (>= 1) COMMENT 'in the list of the bundle'
        score FLOAT NOT NULL COMMENT 'of the list: fused, or cosine'
        dense_rank INT NOT NULL CHECK (>= 0) COMMENT '0: not in the dense list'
        dense_score FLOAT COMMENT 'cosine'
        sparse_rank INT NOT NULL CHECK (>= 0) COMMENT '0: not in the sparse list'
        sparse_score FLOAT COMMENT 'BM25'
        label FLOAT NOT NULL COMMENT '0 to 1: value over examination, as a share of the best of the list; or a grade'
        weight FLOAT NOT NULL COMMENT '0 to 1: how sure the label is'
        position INT NOT NULL CHECK (>= 0) COMMENT 'mean place at which people saw it; 0: not shown'
        split STRING NOT NULL CHECK (IN train, dev, test)
    """,
    "rankings": """
        arm STRING COMMENT 'served, dense, sparse, hybrid, hybrid_<method>, run_<file>; champion_*: in service'
        query_id STRING
        item_id STRING
        rank INT COMMENT 'from 1'
        score DOUBLE
    """,
}

_LINE = re.compile(
    r"(?P<name>\w+) (?P<type>[A-Z]+(?:<[A-Z,<>]+>)?)(?P<not_null> NOT NULL)?"
    r"(?: CHECK \((?:>= (?P<least>-?\d+)|IN (?P<values>[\w, -]+))\))?(?: COMMENT '[^']*')?"
    r"(?: FROM (?P<fields>[\w., ]+))?"
)


@dataclass(frozen=True)
class Column:
    """A declared column. fields: the UBI fields of a search column; empty for every other column."""

    name: str
    type: str
    not_null: bool = False
    least: int | None = None
    values: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()

    @classmethod
    def parse(cls, line: str) -> Column:
        """Read a line of DDL.

        Raises:
            ValueError: the line is not a declaration.
        """
        parts = _LINE.fullmatch(line.strip())
        if parts is None:
            raise ValueError(
                f"{line.strip()!r}: expected name TYPE [NOT NULL] [CHECK (...)] [COMMENT '...'] [FROM ...]"
            )
        least = int(parts["least"]) if parts["least"] else None
        values, fields = _names(parts["values"]), _names(parts["fields"])
        return cls(parts["name"], parts["type"], bool(parts["not_null"]), least, values, fields)

    def rules(self) -> list[dict[str, Any]]:
        """Data-quality rules, in the words of great_expectations/rules/*.yaml."""
        name, why = self.name, "jobs/lake/columns.py declares the column so, and later steps rely on it"
        rules: list[dict[str, Any]] = []
        if self.not_null:
            text = f"{name} is never NULL"
            rules.append({"rule": text, "stop": why, "expect": "column_values_to_not_be_null", "column": name})
        if self.least is not None:
            bound = {"expect": "column_values_to_be_between", "column": name, "min_value": self.least}
            rules.append({"rule": f"{name} is {self.least} or more", "stop": why, **bound})
        if self.values:
            allowed = {"expect": "column_values_to_be_in_set", "column": name, "value_set": list(self.values)}
            rules.append({"rule": f"{name} is {', '.join(self.values)} or NULL", "warn": why, **allowed})
        return rules


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(text.split(", ")) if text else ()


DECLARED: dict[str, tuple[Column, ...]] = {
    table: tuple(Column.parse(line) for line in ddl.strip().splitlines() if line.strip()) for table, ddl in DDL.items()
}
COLUMNS: dict[str, dict[str, str]] = {
    table: {column.name: column.type for column in columns} for table, columns in DECLARED.items()
}
SEARCH_COLUMNS: tuple[Column, ...] = tuple(column for column in DECLARED["impressions"] if column.fields)


def column_rules(table: str) -> list[dict[str, Any]]:
    """Data-quality rules that follow from the table's declared columns."""
    return [rule for column in DECLARED[table] for rule in column.rules()]
