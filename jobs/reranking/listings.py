"""Bundle and clicks of later days -> listings with labels.

python -m jobs listings --index index/ds=2026-01-31/space=7f3a5c1e9b2d4a60 --queries queries/ds=2026-02-07 \\
    --click_counts click_counts/ds=2026-02-07 --propensities propensities/ds=2026-02-07 \\
    --listings listings/ds=2026-02-07/space=7f3a5c1e9b2d4a60
python -m jobs listings ... --qrels qrels/ds=2026-01-31        (people's grades, or clicks of judged days)

Each list is a query's first 300 with the ranks, scores and labels of its items, made by the very code that serves it. Days
that the towers or the numbers of the items have seen are refused; queries whose judgements taught the towers are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pyarrow as pa
from annotated_types import Interval

from jobs.bundle.reader import RERANKED, Bundle, open_bundle
from jobs.datasets.judgements import relevance_scale
from jobs.lake.arrow import pick, table_of
from jobs.lake.attempt import Attempt
from jobs.lake.partitions import NOWHERE, Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin, read_table
from jobs.lake.windows import first_day, window
from jobs.platform.arguments import FIRST, CommandArgs, Fraction, NonNegativeFloat, OnOff, WindowDays
from jobs.platform.progress import progress
from jobs.platform.row_counts import published
from jobs.platform.spark import read_spark, run_sql, spark_session
from jobs.reranking.labels import QueryLabels, from_clicks, from_judgements
from jobs.reranking.seen_days import refuse_seen, taught_by_labels
from models.reranking.labels import ListLabels, list_labels

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

REASONS = ("query_unknown", "not_sampled", "no_click")
NOT_LISTED = "no clicked item among the first"
TAUGHT = "its labels taught the towers"
LISTS_PER_FILE = 2_000
HEX_STEPS = 0x10000


class Args(CommandArgs):
    """index            bundle whose lists are ranked again
    queries          texts and splits of the queries
    listings         output; its space is the bundle's
    click_counts     last day of the window of clicks
    propensities     P(examined) by position
    qrels            judgements instead of clicks
    window_days      days of click_counts, the last one included
    debias           off: every place counts as examined
    depth            items of each list
    cart_weight      weight of a cart in addition to its click, in clicks
    purchase_weight  weight of a purchase in addition to its click and its cart, in clicks
    prior_examined   examinations without a click that are added to an item's own: few say little
    unseen_weight    weight of an item that nobody saw or judged, whose label is 0
    sample_frac      share of the queries, by hash
    min_relevance    grade that counts in judgements; 0: as their own scale says
    """

    index: Partition
    queries: Partition
    listings: Partition
    click_counts: Partition = NOWHERE
    propensities: Partition = NOWHERE
    qrels: Partition = NOWHERE
    window_days: Annotated[WindowDays, FIRST] = 6
    debias: OnOff = "on"
    depth: Annotated[int, Interval(ge=10, le=RERANKED)] = RERANKED
    cart_weight: NonNegativeFloat = 1.0
    purchase_weight: NonNegativeFloat = 2.0
    prior_examined: NonNegativeFloat = 1.0
    unseen_weight: Annotated[Fraction, FIRST] = 0.1
    sample_frac: Annotated[float, Interval(gt=0, le=1), FIRST] = 1.0
    min_relevance: float = 0.0

    def __post_init__(self) -> None:
        if bool(self.qrels) == (bool(self.click_counts) and bool(self.propensities)):
            raise ValueError("expected click_counts and propensities, or qrels instead of them")
        if self.index.values["space"] != self.listings.values["space"]:
            raise ValueError(f"{self.listings}: expected the space of {self.index}")


def main(args: Args) -> dict[str, str | int]:
    """Label the queries, search each of them, write the lists."""
    index, queries = pin(args.index), pin(args.queries)
    return _judged(args, index, queries) if args.qrels else _clicked(args, index, queries)


def _clicked(args: Args, index: Pinned, queries: Pinned) -> dict[str, str | int]:
    days, law = window(args.click_counts, args.window_days), pin(args.propensities)
    refuse_seen(index, days.facts["days_read"][0], f"the listings of {args.click_counts}")
    inputs = [index, queries, *days.days, law]
    with spark_session("listings", days.days) as spark, publish(args.listings, args, inputs) as out:
        bundle = open_bundle(index)
        shown = run_sql(
            "listing_labels",
            _parameters(args, law),
            click_counts=days.read(spark),
            propensities=_propensities(args, spark, law),
            queries=read_spark(spark, queries).select("query_id", "query", "split"),
        ).cache()
        dropped = _dropped(shown)
        total = sum(dropped.values()) + shown.where("reason IS NULL").select("query_id").distinct().count()
        out.facts["window"] = days.facts
        _write(args, bundle, from_clicks(out, shown, bundle.item_ids), out, total, dropped)
        shown.unpersist()
    return published(out)


def _judged(args: Args, index: Pinned, queries: Pinned) -> dict[str, str | int]:
    qrels = pin(args.qrels)
    if judged_days := qrels.facts.get("window"):
        refuse_seen(index, judged_days["days_read"][0], f"the clicks of {args.qrels}")
    with publish(args.listings, args, [index, queries, qrels]) as out:
        bundle = open_bundle(index)
        zero_gain = relevance_scale(qrels, args.min_relevance)[1]
        labelled = list(from_judgements(qrels, queries, bundle.item_ids, zero_gain))
        judged = len(read_table(qrels, ["query_id"]).column("query_id").unique())
        seen = taught_by_labels(index)
        kept = [labels for labels in labelled if labels.query_id not in seen]
        dropped = Counter({TAUGHT: len(labelled) - len(kept), "query_unknown": judged - len(labelled)})
        _write(args, bundle, iter(kept), out, judged, +dropped)
    return published(out)


def _parameters(args: Args, law: Pinned) -> dict[str, Any]:
    steps = int(args.sample_frac * HEX_STEPS)
    return {
        "ds": args.click_counts.ds,
        "first_day": first_day(args.click_counts.ds, args.window_days),
        "cart_weight": args.cart_weight,
        "purchase_weight": args.purchase_weight,
        "max_position": law.manifest.rows,
        "sample_below": f"{steps:04x}" if steps < HEX_STEPS else "g",
    }


def _propensities(args: Args, spark: SparkSession, law: Pinned) -> DataFrame:
    rows = read_spark(spark, law).select("position", "propensity")
    return rows if args.debias == "on" else rows.selectExpr("position", "1D AS propensity")


def _dropped(shown: DataFrame) -> Counter[str]:
    """Queries that no list is made of, by reason."""
    counts = shown.where("reason IS NOT NULL").select("query_id", "reason").distinct().groupBy("reason").count()
    return Counter({row["reason"]: int(row["count"]) for row in counts.collect()})


def _write(
    args: Args, bundle: Bundle, labelled: Iterator[QueryLabels], out: Attempt, total: int, dropped: Counter[str]
) -> None:
    """Search query by query and write the lists, a file of some thousand at a time."""
    parts: list[pa.Table] = []
    lists = files = 0
    with progress("listings", total - sum(dropped.values()), "queries") as advance:
        for labels in labelled:
            part = _listing(args, bundle, labels)
            if part is None:
                dropped[f"{NOT_LISTED} {args.depth}"] += 1
            else:
                parts.append(part)
                lists += 1
            if len(parts) == LISTS_PER_FILE:
                out.write_table(pa.concat_tables(parts), f"part-{files:05d}.parquet")
                parts, files = [], files + 1
            advance(1)
    if parts:
        out.write_table(pa.concat_tables(parts), f"part-{files:05d}.parquet")
    out.count("queries", total, lists, dict(dropped))
    if not lists:
        raise ValueError(
            f"{args.listings}: 0 lists of {total:,} queries ({dict(dropped)}); expected one at least; are the clicks"
            f" and {args.index} of the same shop?"
        )
    source = {"source": "judgements" if args.qrels else "clicks", "depth": args.depth}
    out.facts.update(space_id=bundle.facts["space_id"], bundle=bundle.id, lists=lists, **source)


def _listing(args: Args, bundle: Bundle, labels: QueryLabels) -> pa.Table | None:
    """Rows of a query's list; None where none of its items has a label above 0."""
    listed = bundle.first_stage(labels.query, args.depth).listed
    made: ListLabels = list_labels(
        listed.rows, labels.rows, labels.value, labels.examined, labels.position, *_trust(args)
    )
    if not made.label.any():
        return None
    n = len(listed.rows)
    columns = {
        "query_id": pa.repeat(labels.query_id, n),
        "item_id": pick(bundle.item_ids, listed.rows),
        "row": listed.rows,
        "rank": np.arange(1, n + 1),
        "score": listed.score,
        "dense_rank": listed.dense_rank,
        "dense_score": _nullable(listed.dense_score),
        "sparse_rank": listed.sparse_rank,
        "sparse_score": _nullable(listed.sparse_score),
        "label": made.label,
        "weight": made.weight,
        "position": made.position,
        "split": pa.repeat(labels.split, n),
    }
    return table_of(columns)


def _trust(args: Args) -> tuple[float, float, bool]:
    """Prior, weight of what nobody saw, and whether labels are shares of the list's best, as clicks' are."""
    return (0.0 if args.qrels else args.prior_examined), args.unseen_weight, not args.qrels


def _nullable(scores: np.ndarray[Any, np.dtype[np.float32]]) -> Any:
    return pa.array(scores, mask=np.isnan(scores))
