"""Click counts and catalogue -> the numbers of each item.

python -m jobs item_features --click_counts click_counts/ds=2026-01-31 --items items/ds=2026-01-31 \\
    --propensities propensities/ds=2026-01-31 --item_features item_features/ds=2026-01-31

The static score is learnt from the past: the numbers as they were some days ago, and the value of the days since.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pyarrow as pa
from annotated_types import Ge

from jobs.lake.arrow import numbers
from jobs.lake.partitions import Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.lake.windows import Window, before_day, span, window
from jobs.platform.arguments import CommandArgs, NonNegativeFloat, PositiveFloat, PositiveInt
from jobs.platform.row_counts import RowCounter, published
from jobs.platform.spark import read_spark, run_sql, spark_session
from models.reranking.numbers import NUMBERS, STATIC_SCORE, number_matrix
from models.reranking.static_score import fit_static_score

if TYPE_CHECKING:
    from lightgbm import Booster
    from pyspark.sql import DataFrame, SparkSession

log = logging.getLogger(__name__)
WINDOW_DAYS = 28
HORIZONS = (7, 1)  # days whose value is expected: the longest that leaves as many to learn from
# as the table's attributes: those with a value
FILLED = "SIZE(FILTER(MAP_VALUES(COALESCE(attributes, MAP())), v -> TRIM(v) != '')) AS attributes"
FACTS = ("item_id", "category", "group_id", "price", FILLED)


class Args(CommandArgs):
    """click_counts     last day of the window of 28 days
    items            catalogue of that day
    propensities     P(examined) by position
    item_features    output; replaced
    max_weight       upper limit of the position weight of one click
    prior_examined   examinations at the shop's mean rate that are added to an item's own
    cart_weight      weight of a cart in addition to its click, in the value that the static score expects
    purchase_weight  weight of a purchase in addition to its click and its cart
    sample_items     items that the static score is learnt from at most: bounds memory
    """

    click_counts: Partition
    items: Partition
    propensities: Partition
    item_features: Partition
    max_weight: Annotated[float, Ge(1)] = 20.0
    prior_examined: PositiveFloat = 20.0
    cart_weight: NonNegativeFloat = 1.0
    purchase_weight: NonNegativeFloat = 2.0
    sample_items: PositiveInt = 1_000_000

    def __post_init__(self) -> None:
        if len({self.click_counts.ds, self.items.ds, self.item_features.ds}) != 1:
            raise ValueError("click_counts, items and item_features: expected one and the same day")


def main(args: Args) -> dict[str, str | int]:
    """Sum the window, learn the static score from its earlier part, write one row per item."""
    days, items, law = window(args.click_counts, WINDOW_DAYS), pin(args.items), pin(args.propensities)
    earlier = before_day(args.item_features.table, args.item_features.ds, WINDOW_DAYS).days[-1:]
    inputs = [*days.days, items, law, *earlier]
    with spark_session("item_features", days.days) as spark, publish(args.item_features, args, inputs) as out:
        tables = _frames(spark, days, items, law, earlier)
        horizon = horizon_of(days.facts["days_read"], args.click_counts.ds)
        now = run_sql("item_features", _parameters(args, law, args.click_counts.ds), **tables)
        trees = _learn(args, tables, law, now, horizon)
        rows = _scored(now, trees).repartition(days.files, "item_id").selectExpr("*", "CAST(NULL AS STRING) AS reason")
        counts = RowCounter(rows, (), {"items": "1"}, {})
        counts.write_kept(out, by=["item_id"])
        out.facts |= {"window": days.facts, "horizon_days": horizon if trees else 0, "catalogue": items.bundle_id}
        out.count("items", items.manifest.rows, counts.kept("items"), {})
    return published(out)


def horizon_of(days_read: list[str], ds: str) -> int:
    """Days whose value the static score learns to expect; 0 where the window is too short for any.

    As many days as the horizon, at least, must lie before it.
    """
    for horizon in HORIZONS:
        after = span(ds, horizon)[0]
        if days_read[0] <= (date.fromisoformat(after) - timedelta(days=horizon)).isoformat():
            return horizon
    return 0


def _frames(
    spark: SparkSession, days: Window, items: Pinned, law: Pinned, earlier: Sequence[Pinned]
) -> dict[str, DataFrame]:
    if earlier:
        first_days = read_spark(spark, earlier[0]).select("item_id", "first_day")
    else:
        first_days = spark.createDataFrame([], "item_id STRING, first_day DATE")
    return {
        "click_counts": days.read(spark),
        "propensities": read_spark(spark, law).select("position", "propensity"),
        "item_facts": read_spark(spark, items).selectExpr(*FACTS),
        "first_days": first_days,
    }


def _parameters(args: Args, law: Pinned, ds: str) -> dict[str, Any]:
    own = {"max_weight": args.max_weight, "prior_examined": args.prior_examined, "max_position": law.manifest.rows}
    return {"ds": ds, **own}


def _learn(args: Args, tables: dict[str, DataFrame], law: Pinned, now: DataFrame, horizon: int) -> Booster | None:
    """Trees from the numbers before the horizon to the value within it."""
    if not horizon:
        log.warning("%s: too few days of click_counts for a static score", args.item_features)
        return None
    past = (date.fromisoformat(args.click_counts.ds) - timedelta(days=horizon)).isoformat()
    value = f"clicks_{horizon} + {args.cart_weight} * carts_{horizon} + {args.purchase_weight} * purchases_{horizon}"
    # a past table has no days that came after it, so neither has what is learnt from it
    then = run_sql("item_features", _parameters(args, law, past), **tables)
    known = then.join(now.selectExpr("item_id", f"{value} AS next_value"), "item_id")
    rows = known.orderBy("item_id").limit(args.sample_items).toArrow()
    return fit_static_score(_matrix(rows), numbers(rows, "next_value"))


def _matrix(rows: pa.Table) -> np.ndarray[Any, np.dtype[np.float32]]:
    return number_matrix({name: numbers(rows, name) for name in NUMBERS if name != STATIC_SCORE})


def _scored(now: DataFrame, trees: Booster | None) -> DataFrame:
    """The rows with their static score, where there are trees: each task reads them from their text."""
    if trees is None:
        return now
    text, place = trees.model_to_string(), now.columns.index(STATIC_SCORE)

    def score(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import lightgbm as lgb

        booster = lgb.Booster(model_str=text)
        for batch in batches:
            rows = pa.Table.from_batches([batch])
            if rows.num_rows:
                scores = np.asarray(booster.predict(_matrix(rows), num_threads=1), np.float64)
                rows = rows.set_column(place, STATIC_SCORE, pa.array(scores))
            yield from rows.to_batches()

    return now.mapInArrow(score, now.schema)
