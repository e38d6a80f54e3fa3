"""The derived columns of each table: checks see ids, numbers and these, never a text that somebody typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jobs.lake.read import Pinned
from jobs.quality.group_columns import (
    arms_missing,
    dim_difference,
    distinct_per,
    fingerprint,
    highest,
    lowest,
    norm,
    rank_gap,
    repeated,
    score_rise,
    size,
    size_difference,
)
from jobs.quality.metrics import Metric
from jobs.quality.row_columns import (
    DerivedColumn,
    PartitionFacts,
    chars,
    clean,
    days_before_ds,
    equals,
    flag,
    garbled,
    given,
    hour,
    levels,
    none_of,
    of_ds,
    only_where,
    without,
)
from jobs.quality.rules import Rule

DERIVED: dict[str, dict[str, DerivedColumn]] = {
    "items": {
        "title_chars": chars("title"),
        "text_chars": chars("text"),
        "has_title": given("title"),
        "has_category": given("category"),
        "has_brand": given("brand"),
        "category_levels": levels("category"),
        "title_garbled": garbled("title"),
    },
    "impressions": {
        "query_chars": chars("query"),
        "query_is_clean": clean("query"),
        "clicked": flag("is_click"),
        "carted": flag("is_cart"),
        "purchased": flag("is_purchase"),
        "days_before_ds": days_before_ds("searched_at"),
        "queries_of_search": distinct_per("query_id", "search_id"),
        "query_garbled": garbled("query"),
        "hour": hour("searched_at"),
        "cart_without_click": without("is_cart", "is_click"),
    },
    "late_impressions": {
        "days_before_ds": days_before_ds("day"),
        "query_chars": chars("query"),
        "known_of_new_search": without("is_new_search", "is_new"),
        "says_nothing": none_of("is_new", "is_click", "is_cart", "is_purchase"),
    },
    "click_counts": {
        "days_before_ds": days_before_ds("day"),
        "impressions_of_ds": of_ds("impressions", "day"),
        "clicks_of_ds": of_ds("clicks", "day"),
        "carts_of_ds": of_ds("carts", "day"),
        "purchases_of_ds": of_ds("purchases", "day"),
    },
    "query_counts": {
        "days_before_ds": days_before_ds("day"),
        "query_chars": chars("query"),
        "query_is_clean": clean("query"),
        "searches_of_ds": of_ds("searches", "day"),
    },
    "propensities": {"top_propensity": only_where("propensity", "position", 1)},
    "pairs": {
        "days_before_ds": days_before_ds("last_day"),
        "is_train": equals("split", "train"),
        "is_test": equals("split", "test"),
        "splits_of_query": distinct_per("split", "query_id"),
    },
    "queries": {
        "is_tail": equals("segment", "tail"),
        "searches_if_unseen": only_where("searches", "segment", "unseen"),
        "query_chars": chars("query"),
        "query_is_clean": clean("query"),
        "is_train": equals("split", "train"),
        "is_test": equals("split", "test"),
    },
    "qrels": {
        "is_label": equals("source", "labels"),
        "is_test": equals("split", "test"),
        "splits_of_query": distinct_per("split", "query_id"),
    },
    "negatives": {
        "n_items": size("item_ids"),
        "ranks_less_items": size_difference("ranks", "item_ids"),
        "scores_less_items": size_difference("scores", "item_ids"),
        "items_repeated": repeated("item_ids"),
        "lowest_rank": lowest("ranks"),
        "lowest_score": lowest("scores"),
        "highest_score": highest("scores"),
    },
    "embeddings": {
        "norm": norm("embedding"),
        "dim_difference": dim_difference("embedding"),
        "fingerprint": fingerprint("embedding"),
    },
    "rankings": {"rank_gap": rank_gap(), "score_rise": score_rise(), "arms_missing": arms_missing()},
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
