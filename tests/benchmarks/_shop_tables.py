"""Tables that the fault bench's shop makes of what it showed: sums, windows, judgements, propensities, negatives."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from jobs.lake.arrow_schema import arrow_schema
from jobs.lake.partitions import TABLES
from models.text.normalise import split_of

LATE_FRAC, LABELLED, NEGATIVES = 0.01, 300, 8
PAIR = ["query_id", "item_id"]


def click_counts(shown: pd.DataFrame, day: date) -> pd.DataFrame:
    """The day's sums."""
    grouped = shown.groupby(["query_id", "item_id", "position"])
    found = grouped.agg(
        impressions=("is_click", "size"),
        clicks=("is_click", "sum"),
        carts=("is_cart", "sum"),
        purchases=("is_purchase", "sum"),
    ).reset_index()
    return found.assign(day=day, group_id=None)


def asked(shown: pd.DataFrame, day: date) -> pd.DataFrame:
    """The day's queries."""
    found = shown.groupby(["query_id", "query"])["search_id"].nunique().rename("searches")
    return found.reset_index().assign(day=day)


def late(shown: pd.DataFrame, day: date, rng: np.random.Generator) -> pd.DataFrame:
    """The day before, as the day's log completes it: clicks on known rows, one in ten on a new row."""
    found = shown[~shown["is_click"]].sample(frac=LATE_FRAC, random_state=rng)
    return found.assign(
        is_click=True, day=day - timedelta(days=1), is_new=rng.random(len(found)) < 0.1, is_new_search=False
    )


def queries(window: pd.DataFrame) -> pd.DataFrame:
    """Queries of the window by how often they were asked."""
    counts = window.groupby(["query_id", "query"])["search_id"].nunique().rename("searches").reset_index()
    ordered = counts.sort_values("searches", ascending=False)["searches"].cumsum() / counts["searches"].sum()
    share = ordered.reindex(counts.index)
    segment = np.where(share < 0.5, "head", np.where(share < 0.8, "torso", "tail"))
    return counts.assign(segment=segment, split=counts["query_id"].map(split_of))


def pairs(window: pd.DataFrame, alive: set[str]) -> pd.DataFrame:
    """Query-item pairs of the window that were clicked."""
    last = window["searched_at"].where(window["is_click"] | window["is_cart"])
    found = (
        window.assign(last_day=last)
        .groupby(PAIR)
        .agg(
            clicks=("is_click", "sum"),
            carts=("is_cart", "sum"),
            purchases=("is_purchase", "sum"),
            impressions=("position", "size"),
            weight=("position", "mean"),
            last_day=("last_day", "max"),
        )
        .reset_index()
    )
    found["clicks"] = found[["clicks", "carts"]].max(axis=1)  # as good as a click
    kept = found[(found["clicks"] > 0) & found["item_id"].isin(alive)]
    weight = kept["clicks"].clip(lower=1) * kept["weight"] ** 0.7
    return kept.assign(weight=weight, last_day=kept["last_day"].dt.date, split=kept["query_id"].map(split_of))


def qrels(learnt: pd.DataFrame) -> pd.DataFrame:
    """Clicks as grades of 1 to 3; people have graded some of the pairs, 0 to 3."""
    grade = learnt["clicks"].clip(upper=3).astype(float)
    labelled = np.arange(len(learnt)) < LABELLED
    by_people = learnt["item_id"].str[1:].astype(int) % 4
    return learnt[[*PAIR, "split"]].assign(
        relevance=np.where(labelled, by_people, grade), source=np.where(labelled, "labels", "clicks")
    )


def propensities(window: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Shares of looks at each place, beside the first, as an estimate has them: some hundredths off the truth."""
    found = window.groupby("position").agg(impressions=("is_click", "size"), clicks=("is_click", "sum"))
    places = found.index.to_numpy()
    seen = np.minimum(1, places**-0.7 * np.exp(rng.normal(0, 0.03, len(places))))
    seen[0] = 1
    return found.reset_index().assign(propensity=seen, error=0.03)


def negatives(learnt: pd.DataFrame, alive: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Hard negatives of the training queries; one query in twenty has an item at random, which has rank 0."""
    asked_for = learnt.loc[learnt["split"] == "train", "query_id"].drop_duplicates().to_numpy()
    n = len(asked_for)
    places = (rng.integers(0, len(alive), (n, 1)) + np.arange(NEGATIVES) * 7) % len(alive)
    ranks = np.sort(rng.integers(20, 200, (n, NEGATIVES)), axis=1)
    ranks[rng.random(n) < 0.05, -1] = 0
    scores = -np.sort(-rng.uniform(0.2, 0.7, (n, NEGATIVES)), axis=1)
    return pd.DataFrame(
        {
            "query_id": asked_for,
            "item_ids": [[f"i{item}" for item in row] for row in alive[places].tolist()],
            "ranks": list(ranks),
            "scores": list(scores),
        }
    )


def table(name: str, frame: pd.DataFrame) -> pa.Table:
    """The rows with the columns and types of a table."""
    schema = arrow_schema(TABLES[name])
    return pa.table([_column(frame[field.name], field.type) for field in schema], schema=schema)


def _column(values: pd.Series, kind: pa.DataType) -> Any:
    if pa.types.is_nested(kind):
        return pa.array(values.tolist(), kind)
    return pa.array(values.tolist(), from_pandas=True).cast(kind)
