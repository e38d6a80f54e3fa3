"""Daily: yesterday's search log becomes training pairs, queries and judgements.

**Reads** `log/ds`, `catalogue/ds`, `labels/ds` where people judge, and days before within the windows. Never a later day.

**Writes** `items`, `impressions`, `late` (what the log adds to earlier days), the daily sums `acts` and `asked`, then
`propensities`, `queries`, `pairs`, `qrels` of the windows that end on the day, a verdict beside each; `searchers` in the raw
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
    ACTS,
    ASKED,
    CATALOGUE,
    IMPRESSIONS,
    ITEMS,
    LATE,
    LOG,
    PAIRS,
    PROPENSITIES,
    QRELS,
    QUERIES,
    SEARCHERS,
)

SHOWN = form(
    "impressions",
    "Log",
    late_days={"minimum": 0, "maximum": 14},
    min_searchers={"minimum": 1},
    searcher_days={"minimum": 1, "maximum": 90},
    max_searches_per_minute={"minimum": 1},
    max_rejected_frac={"minimum": 0, "maximum": 1},
)
DELIVERED = form("impressions", "Log", accept_drift={"enum": [0, 1]}, max_bad_file_frac={"minimum": 0, "maximum": 1})
VOTED = form("acts", "Log", max_item_votes={"minimum": 1})
WINDOW = form(
    "pairs",
    "Training window",
    window_days={"minimum": 1, "maximum": 365},
    min_clicks={"minimum": 1},
    max_weight={"minimum": 1},
    half_life_days={"minimum": 0},
    min_topic_frac={"minimum": 0, "maximum": 1},
    cart_worth={"minimum": 0},
    purchase_worth={"minimum": 0},
)
JUDGED = form("qrels", "Judgements", judge_days={"minimum": 1, "maximum": 90})

log, catalogue = LOG.at(ds=DAY), CATALOGUE.at(ds=DAY)
items, impressions, late = ITEMS.at(ds=DAY), IMPRESSIONS.at(ds=DAY), LATE.at(ds=DAY)
acts, asked, propensities = ACTS.at(ds=DAY), ASKED.at(ds=DAY), PROPENSITIES.at(ds=DAY)
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
                late=late,
                searchers=SEARCHERS.at(ds=DAY),
                **templates(SHOWN),
                **templates(DELIVERED),
            ),
        ]
        # nobody reads a table before its verdict is written
        clean >> job("expect", "expect_tables", partitions=f"{items},{impressions},{late}")

    with TaskGroup("daily", prefix_group_id=False, tooltip="The day's sums, once") as daily:
        summed = job(
            "acts", impressions=impressions, late=late, items=items, acts=acts, asked=asked, **templates(VOTED)
        )
        summed >> job("expect", "expect_acts", partitions=f"{acts},{asked}")

    with TaskGroup("learning", prefix_group_id=False, tooltip="What is learnt from, and what judges it") as learning:
        window_days = "{{ params.window_days }}"
        known = [
            job("queries", asked=asked, queries=queries, labels=LABELS, window_days=window_days),
            job("propensities", acts=acts, propensities=propensities, window_days=window_days),
        ]
        derived = [
            job(
                "pairs",
                acts=acts,
                items=items,
                queries=queries,
                propensities=propensities,
                pairs=pairs,
                **templates(WINDOW),
            ),
            job("qrels", acts=acts, queries=queries, items=items, labels=LABELS, qrels=qrels, **templates(JUDGED)),
        ]
        gate = job("expect", "expect_pairs", partitions=f"{queries},{propensities},{pairs},{qrels}")
        cross_downstream(known, derived)
        derived >> gate

    # hangs on the gate alone: a day that nobody checked must not start an index
    (wait >> tables >> daily >> learning >> AnnounceOperator(task_id="announce", day=DAY, asset=PAIRS_READY))
