"""Daily: yesterday's search log becomes training pairs, queries and judgements.

**Reads** `log/ds` and `catalogue/ds`, the impressions of the days before within the windows, `labels/ds` where
people judge.

**Writes** `items`, `impressions`, `queries`, `pairs` and `qrels` of the day, a verdict beside each; then one event of
`nightshelf_pairs`, which starts `index_nightly` for the same day.

**If red**

- `wait`: the shop has not delivered. Publish the log and the catalogue, clear the task.
- `expect_tables`, `expect_pairs`: the data would hurt training. The Data Docs name the expectation and why it stands.
  Mend the input, clear the task that wrote the table. Nothing downstream has read it.
- anything else: read its last line, clear it. A job replaces its partition whole: nothing to undo.

**By hand** fill in `ds`; for past days
`airflow backfill create --dag-id pairs_daily --from-date 2026-01-29 --to-date 2026-01-31`.
"""

from __future__ import annotations

from airflow.sdk import DAG, CronPartitionTimetable, TaskGroup

from dags.day import (
    DAY,
    DEFAULTS,
    KEY_FORMAT,
    LABELS,
    PAIRS_READY,
    START,
    day_param,
    labels_param,
)
from dags.forms import form, templates
from dags.operators import AnnounceOperator
from dags.runner import job, wait_for
from jobs.lake import CATALOGUE, IMPRESSIONS, ITEMS, LOG, PAIRS, QRELS, QUERIES

WINDOW = form("pairs", "Training window", window_days={"minimum": 1, "maximum": 365}, min_clicks={"minimum": 1})  # fmt: skip
JUDGED = form("qrels", "Judgements", judge_days={"minimum": 1, "maximum": 90})

log, catalogue = LOG.at(ds=DAY), CATALOGUE.at(ds=DAY)
items, impressions = ITEMS.at(ds=DAY), IMPRESSIONS.at(ds=DAY)
queries, pairs, qrels = QUERIES.at(ds=DAY), PAIRS.at(ds=DAY), QRELS.at(ds=DAY)

with DAG(
    "pairs_daily",
    # at midnight the key is the day that has just ended
    schedule=CronPartitionTimetable(
        "0 0 * * *", timezone="UTC", run_offset=-1, key_format=KEY_FORMAT
    ),
    start_date=START,
    catchup=False,
    # days are independent: one that still waits for its log must not hold up the others
    max_active_runs=3,
    default_args=DEFAULTS,
    on_failure_callback=DEFAULTS["on_failure_callback"],
    params=day_param() | WINDOW | labels_param() | JUDGED,
    tags=["etl", "tier-1"],
    doc_md=__doc__,
) as dag:
    wait = wait_for(log, catalogue, hours=12, gated=False)

    with TaskGroup("tables", prefix_group_id=False, tooltip="Raw files to clean tables") as tables:
        clean = [
            job("items", catalogue=catalogue, items=items),
            job("impressions", log=log, impressions=impressions),
        ]
        # nobody reads a table before its verdict is written
        clean >> job("expect", "expect_tables", partitions=f"{items},{impressions}")

    with TaskGroup(
        "learning", prefix_group_id=False, tooltip="What is learnt from, and what judges it"
    ) as learning:
        derived = [
            job(
                "pairs",
                impressions=impressions,
                items=items,
                queries=queries,
                pairs=pairs,
                **templates(WINDOW),
            ),
            job(
                "qrels",
                impressions=impressions,
                queries=queries,
                items=items,
                labels=LABELS,
                qrels=qrels,
                **templates(JUDGED),
            ),
        ]
        named = job(
            "queries",
            impressions=impressions,
            queries=queries,
            labels=LABELS,
            window_days="{{ params.window_days }}",
        )
        gate = job("expect", "expect_pairs", partitions=f"{queries},{pairs},{qrels}")
        named >> derived >> gate

    # hangs on the gate alone: a day that nobody checked must not start an index
    wait >> tables >> learning >> AnnounceOperator(task_id="announce", day=DAY, asset=PAIRS_READY)
