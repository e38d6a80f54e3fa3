"""The derived columns of each table: checks see ids, numbers and these, never a text that somebody typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jobs.lake.read import Pinned
from jobs.quality import group_columns as group
from jobs.quality import row_columns as row
from jobs.quality.metrics import Metric
from jobs.quality.row_columns import DerivedColumn, PartitionFacts
from jobs.quality.rules import Rule

DERIVED: dict[str, dict[str, DerivedColumn]] = {
    "items": {
        "title_chars": row.chars("title"),
        "text_chars": row.chars("text"),
        "has_title": row.given("title"),
        "has_category": row.given("category"),
        "has_brand": row.given("brand"),
        "category_levels": row.levels("category"),
        "title_garbled": row.garbled("title"),
    },
    "impressions": {
        "query_chars": row.chars("query"),
        "query_is_clean": row.clean("query"),
        "clicked": row.flag("is_click"),
        "carted": row.flag("is_cart"),
        "purchased": row.flag("is_purchase"),
        "days_before_ds": row.days_before_ds("searched_at"),
        "queries_of_search": group.distinct_per("query_id", "search_id"),
        "query_garbled": row.garbled("query"),
        "hour": row.hour("searched_at"),
        "cart_without_click": row.without("is_cart", "is_click"),
    },
    "late_impressions": {
        "days_before_ds": row.days_before_ds("day"),
        "query_chars": row.chars("query"),
        "known_of_new_search": row.without("is_new_search", "is_new"),
        "says_nothing": row.none_of("is_new", "is_click", "is_cart", "is_purchase"),
    },
    "item_events": {"days_before_ds": row.days_before_ds("day")},
    "session_events": {
        "days_before_ds": row.days_before_ds("day"),
        "ordinal_gap": group.ordinal_gap(),
        "seconds_back": group.seconds_back(),
        "events_of_session": group.session_length(),
        "clients_of_session": group.distinct_per("client_id", "session_id"),
        "is_purchase": row.equals("action", "purchase"),
    },
    "click_counts": {
        "days_before_ds": row.days_before_ds("day"),
        "impressions_of_ds": row.of_ds("impressions", "day"),
        "clicks_of_ds": row.of_ds("clicks", "day"),
        "carts_of_ds": row.of_ds("carts", "day"),
        "purchases_of_ds": row.of_ds("purchases", "day"),
    },
    "query_counts": {
        "days_before_ds": row.days_before_ds("day"),
        "query_chars": row.chars("query"),
        "query_is_clean": row.clean("query"),
        "searches_of_ds": row.of_ds("searches", "day"),
    },
    "propensities": {"top_propensity": row.only_where("propensity", "position", 1)},
    "item_features": {
        "days_before_ds": row.days_before_ds("last_day"),
        "first_days_before_ds": row.days_before_ds("first_day"),
    },
    "pairs": {
        "days_before_ds": row.days_before_ds("last_day"),
        "is_train": row.equals("split", "train"),
        "is_test": row.equals("split", "test"),
        "splits_of_query": group.distinct_per("split", "query_id"),
    },
    "queries": {
        "is_tail": row.equals("segment", "tail"),
        "searches_if_unseen": row.only_where("searches", "segment", "unseen"),
        "query_chars": row.chars("query"),
        "query_is_clean": row.clean("query"),
        "is_train": row.equals("split", "train"),
        "is_test": row.equals("split", "test"),
    },
    "qrels": {
        "is_label": row.equals("source", "labels"),
        "is_test": row.equals("split", "test"),
        "splits_of_query": group.distinct_per("split", "query_id"),
    },
    "session_items": {"days_before_ds": row.days_before_ds("day")},
    "co_occurrences": {"is_self": row.same("item_id", "other_id")},
    "item_neighbours": {
        "n_items": group.size("neighbour_ids"),
        "lists_itself": group.holds("neighbour_ids", "item_id"),
        "items_repeated": group.repeated("neighbour_ids"),
        "scores_less_items": group.size_difference("scores", "neighbour_ids"),
        "score_rise": group.rise("scores"),
    },
    "user_recommendations": {
        "n_items": group.size("item_ids"),
        "items_repeated": group.repeated("item_ids"),
        "scores_less_items": group.size_difference("scores", "item_ids"),
        "score_rise": group.rise("scores"),
    },
    "holdout_sessions": {
        "days_before_ds": row.days_before_ds("day"),
        "n_given": group.size("given"),
        "target_is_given": group.ends_with("given", "target"),
        "is_test": row.equals("split", "test"),
    },
    "holdout_queries": {"query_chars": row.chars("query"), "is_unseen": row.equals("segment", "unseen")},
    "holdout_qrels": {"is_test": row.equals("split", "test")},
    "negatives": {
        "n_items": group.size("item_ids"),
        "ranks_less_items": group.size_difference("ranks", "item_ids"),
        "scores_less_items": group.size_difference("scores", "item_ids"),
        "items_repeated": group.repeated("item_ids"),
        "lowest_rank": group.extreme("ranks", "min"),
        "lowest_score": group.extreme("scores", "min"),
        "highest_score": group.extreme("scores", "max"),
    },
    "embeddings": {
        "norm": group.norm("embedding"),
        "dim_difference": group.dim_difference("embedding"),
        "fingerprint": group.fingerprint("embedding"),
    },
    "listings": {
        "rank_gap": group.rank_gap(("query_id",)),
        "has_label": row.positive("label"),
        "is_train": row.equals("split", "train"),
        "is_dev": row.equals("split", "dev"),
        "splits_of_query": group.distinct_per("split", "query_id"),
    },
    "rankings": {"rank_gap": group.rank_gap(), "score_rise": group.score_rise(), "arms_missing": group.arms_missing()},
}


def columns_read(table: str, metric: Metric) -> list[str]:
    """The table's own columns that a metric needs."""
    derived = DERIVED.get(table, {})
    return [column for name in metric.columns for column in (derived[name].reads if name in derived else (name,))]


def computable(pinned: Pinned, metrics: Sequence[Metric], columns: Mapping[str, str]) -> list[Metric]:
    """The metrics whose columns the files have with the declared types. columns: those of the files."""
    declared, table = pinned.partition.table.columns, pinned.partition.name
    return [
        metric
        for metric in metrics
        if all(columns.get(column) == declared[column] for column in columns_read(table, metric))
    ]


def facts_of(pinned: Pinned, arms: int = 0) -> PartitionFacts:
    """The partition's own facts."""
    return PartitionFacts(pinned.partition.ds, int(pinned.facts.get("dim", 0)), arms)


def is_share(table: str, rule: Rule) -> bool:
    """Whether the rule's figure is a share of rows: a derived column that is averaged is always a flag."""
    derived = DERIVED.get(table, {})
    if "figure" in rule.kwargs:
        kind, _, column = rule.kwargs["figure"].partition(" ")
        return kind == "mean" and column in derived
    return "proportion" in rule.kind or "mean" in rule.kind and rule.kwargs["column"] in derived
