"""Daily: yesterday's search log becomes training pairs, queries and judgements.

**Reads** `log/ds`, `catalogue/ds`, `labels/ds` where people judge, and days before within the windows. Never a later day.

**Writes** `items`, `impressions`, `late_impressions` (what the log adds to earlier days), the daily sums `click_counts` and `query_counts`, then
`propensities`, `queries`, `pairs`, `qrels` of the windows that end on the day, a verdict beside each; `query_users` in the raw
zone; then one event of `nightshelf_pairs`, which starts `index_nightly` for the same day.

**If red**

- `wait`: the shop has not delivered. Publish log and catalogue, clear the task.
- `expect_tables`, `expect_acts`, `expect_pairs`: the data would hurt training; the Data Docs say why. Mend the input, clear the
  task that wrote the table. Nothing downstream has read it.
- `items`, `impressions` name files or fields: `jobs.ingest.replay` lands what was mended; a change that is right wants `accept_drift`.
- anything else: read its last line, clear it. A job replaces its partition whole: nothing to undo.

**By hand** fill in `ds`; for past days, one after another,
`airflow backfill create --dag-id pairs_daily --from-date 2026-01-29 --to-date 2026-01-31 --max-active-runs 1`.
Days go one at a time: a run that `wait`s for its log holds up yours. Mark it failed, and clear it when the log is there.
"""

from __future__ import annotations

from airflow.sdk import DAG, CronPartitionTimetable, TaskGroup, cross_downstream

from dags.day import DAY, DEFAULTS, KEY_FORMAT, LABELS, PAIRS_READY, START, TIME_ZONE, day_param, labels_param
from dags.forms import form, templates
from dags.operators import AnnounceOperator
from dags.runner import job, wait_for
from jobs.lake.partitions import (
    CATALOGUE,
    CLICK_COUNTS,
    IMPRESSIONS,
    ITEMS,
    LATE_IMPRESSIONS,
    LOG,
    PAIRS,
    PROPENSITIES,
    QRELS,
    QUERIES,
    QUERY_COUNTS,
    QUERY_USERS,
)

SHOWN = form(
    "impressions", "Log", "late_days", "min_searchers", "searcher_days", "max_searches_per_minute", "max_rejected_frac"
)
DELIVERED = form("impressions", "Log", "accept_drift", "max_bad_file_frac")
VOTED = form("click_counts", "Log", "max_item_votes")
WINDOW = form(
    "pairs",
    "Training window",
    "window_days",
    "min_clicks",
    "max_weight",
    "half_life_days",
    "min_topic_frac",
    "cart_weight",
    "purchase_weight",
)
JUDGED = form("qrels", "Judgements", "judge_days")

log, catalogue = LOG.at(ds=DAY), CATALOGUE.at(ds=DAY)
items, impressions, late_impressions = ITEMS.at(ds=DAY), IMPRESSIONS.at(ds=DAY), LATE_IMPRESSIONS.at(ds=DAY)
click_counts, query_counts, propensities = CLICK_COUNTS.at(ds=DAY), QUERY_COUNTS.at(ds=DAY), PROPENSITIES.at(ds=DAY)
queries, pairs, qrels = QUERIES.at(ds=DAY), PAIRS.at(ds=DAY), QRELS.at(ds=DAY)

with DAG(
    "pairs_daily",
    # at midnight the key is the day that has just ended
    schedule=CronPartitionTimetable("0 0 * * *", timezone=TIME_ZONE, run_offset=-1, key_format=KEY_FORMAT),
    start_date=START,
    catchup=False,
    # days go in order: one adds to those before it, and counts who typed a query over all of them
    max_active_runs=1,
    default_args=DEFAULTS,
    on_failure_callback=DEFAULTS["on_failure_callback"],
    params=day_param() | SHOWN | DELIVERED | VOTED | WINDOW | labels_param() | JUDGED,
    tags=["etl", "tier-1"],
    doc_md=__doc__,
) as dag:
    wait = wait_for(log, catalogue, hours=12, gated=False)

    with TaskGroup("tables", prefix_group_id=False, tooltip="Raw files to clean tables") as tables:
        clean = [
            job("items", catalogue=catalogue, items=items, **templates(DELIVERED)),
            job(
                "impressions",
                log=log,
                impressions=impressions,
                late_impressions=late_impressions,
                query_users=QUERY_USERS.at(ds=DAY),
                **templates(SHOWN),
                **templates(DELIVERED),
            ),
        ]
        # nobody reads a table before its verdict is written
        clean >> job("expect", "expect_tables", partitions=f"{items},{impressions},{late_impressions}")

    with TaskGroup("daily", prefix_group_id=False, tooltip="The day's sums, once") as daily:
        summed = job(
            "click_counts",
            impressions=impressions,
            late_impressions=late_impressions,
            items=items,
            click_counts=click_counts,
            query_counts=query_counts,
            **templates(VOTED),
        )
        summed >> job("expect", "expect_daily", partitions=f"{click_counts},{query_counts}")

    with TaskGroup("learning", prefix_group_id=False, tooltip="What is learnt from, and what judges it") as learning:
        window_days = "{{ params.window_days }}"
        known = [
            job("queries", query_counts=query_counts, queries=queries, labels=LABELS, window_days=window_days),
            job("propensities", click_counts=click_counts, propensities=propensities, window_days=window_days),
        ]
        derived = [
            job(
                "pairs",
                click_counts=click_counts,
                items=items,
                queries=queries,
                propensities=propensities,
                pairs=pairs,
                **templates(WINDOW),
            ),
            job(
                "qrels",
                click_counts=click_counts,
                queries=queries,
                items=items,
                labels=LABELS,
                qrels=qrels,
                **templates(JUDGED),
            ),
        ]
        gate = job("expect", "expect_pairs", partitions=f"{queries},{propensities},{pairs},{qrels}")
        cross_downstream(known, derived)
        derived >> gate

    # hangs on the gate alone: a day that nobody checked must not start an index
    (wait >> tables >> daily >> learning >> AnnounceOperator(task_id="announce", day=DAY, asset=PAIRS_READY))
