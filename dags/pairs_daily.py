"""Daily: yesterday's search log becomes training pairs, queries and judgements.

**Reads** `log/ds`, `catalogue/ds`, `labels/ds` where people judge, `orders/ds` where the form says so, and days before
within the windows. Never a later day.

**Writes** `items`, `impressions`, `late_impressions` (what the log adds to earlier days), `item_events` and `session_events` (what people
did, session by session), the daily sums `click_counts` and `query_counts`, then `propensities`, `item_features`, `queries`, `pairs`, `qrels` of
the windows that end on the day, a verdict beside each; `query_users` in the raw zone; then one event of `nightshelf_pairs`, which starts
`index_nightly` and `recommendations_nightly` for the same day.

**If red**

- `check`: a setting that a later task would refuse. Trigger a new run with another.
- `wait`: the shop has not delivered. Publish log and catalogue, clear the task.
- `turn` waits: its log names the run that goes first, one that works or one of an earlier day.
- `session_events`, `item_features` and their `expect`s alert and hold nobody back: the day is announced without them. Clear them.
- `expect_tables`, `expect_daily`, `expect_pairs`: the data would harm training; the Data Docs give the reason. Repair the
  input, clear the task that wrote the table. Nothing downstream has read it.
- `session_events` names a column or a date of the orders: `order_columns`, `date_order` say how to read them.
- `items`, `impressions` name files or fields: `python -m jobs replay` lands repaired files; `accept_drift` accepts a change.
- `impressions` names another secret: bring the salt back from the backup; `accept_salt` counts people anew if it is lost.
- anything else: read its last line, clear it. A job replaces its partition whole: nothing to undo.

**By hand** fill in `ds`; for past days,
`airflow backfill create --dag-id pairs_daily --from-date 2026-01-29 --to-date 2026-01-31`.
Days whose log is there go one at a time, the earliest first; a run that `wait`s for its log delays none. When it comes after
later days, an alert of `impressions` names those to make again.
"""

from __future__ import annotations

from airflow.sdk import DAG, CronPartitionTimetable, TaskGroup, cross_downstream

from dags.day import DAY, EVERY_DAG, KEY_FORMAT, LABELS, PAIRS_READY, TIME_ZONE, day_param, labels_param
from dags.forms import form, templates
from dags.operators import AnnounceOperator
from dags.runner import check_settings, job, listed, of_day, take_turn, wait_for
from dags.steps import ORDERS_FORM, ended, features, sessions
from jobs.lake.partitions import (
    CATALOGUE,
    CLICK_COUNTS,
    IMPRESSIONS,
    ITEM_EVENTS,
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

LOGGED = form(
    "impressions",
    "Log",
    "late_days min_searchers searcher_days max_searches_per_minute max_rejected_frac actions accept_salt",
)
DELIVERY = form("impressions", "Log", "accept_drift max_bad_file_frac max_unpacked_gb")
SLOTS = form("items", "Catalogue", "slots")
VOTES = form("click_counts", "Log", "max_item_votes")
WINDOW = form(
    "pairs",
    "Training window",
    "window_days min_clicks max_weight half_life_days min_topic_frac cart_weight purchase_weight",
)
JUDGED = form("qrels", "Judgements", "judge_days")

with DAG(
    "pairs_daily",
    # at midnight the key is the day that has just ended
    schedule=CronPartitionTimetable("0 0 * * *", timezone=TIME_ZONE, run_offset=-1, key_format=KEY_FORMAT),
    # a run that waits for its log must not block the others; `turn` keeps the days in order
    max_active_runs=16,
    **EVERY_DAG,
    params=day_param() | LOGGED | DELIVERY | SLOTS | ORDERS_FORM | VOTES | WINDOW | labels_param() | JUDGED,
    tags=["etl", "tier-1"],
    doc_md=__doc__,
) as dag:
    wait = wait_for(LOG.at(ds=DAY), CATALOGUE.at(ds=DAY), hours=12, gated=False)

    with TaskGroup("tables", prefix_group_id=False, tooltip="Raw files to clean tables") as tables:
        logged = of_day(LOG, IMPRESSIONS, LATE_IMPRESSIONS, QUERY_USERS, ITEM_EVENTS)
        clean = [
            job("items", **of_day(CATALOGUE, ITEMS), **templates(DELIVERY | SLOTS)),
            job("impressions", **logged, **templates(LOGGED | DELIVERY)),
        ]
        # no table is read before its verdict is written
        clean >> job("expect", "expect_tables", partitions=listed(ITEMS, IMPRESSIONS, LATE_IMPRESSIONS, ITEM_EVENTS))

    with TaskGroup("daily", prefix_group_id=False, tooltip="Counts of the day, once") as daily:
        inputs, outputs = of_day(IMPRESSIONS, LATE_IMPRESSIONS, ITEMS), of_day(CLICK_COUNTS, QUERY_COUNTS)
        counts = job("click_counts", **inputs, **outputs, **templates(VOTES))
        counts >> job("expect", "expect_daily", partitions=listed(CLICK_COUNTS, QUERY_COUNTS))

    with TaskGroup("learning", prefix_group_id=False, tooltip="Training pairs and judgements") as learning:
        days = "{{ params.window_days }}"
        first = [
            job("queries", **of_day(QUERY_COUNTS, QUERIES), labels=LABELS, window_days=days),
            job("propensities", **of_day(CLICK_COUNTS, PROPENSITIES), window_days=days),
        ]
        second = [
            job("pairs", **of_day(CLICK_COUNTS, ITEMS, QUERIES, PROPENSITIES, PAIRS), **templates(WINDOW)),
            job("qrels", **of_day(CLICK_COUNTS, QUERIES, ITEMS), labels=LABELS, **of_day(QRELS), **templates(JUDGED)),
        ]
        gate = job("expect", "expect_pairs", partitions=listed(QUERIES, PROPENSITIES, PAIRS, QRELS))
        cross_downstream(first, second)
        second >> gate

    # days go in order: a day adds to those before it, and counts the users of a query over all of them
    turn = take_turn(last="announce")
    # behind the gate alone: a day that was not checked must not start an index
    announce = AnnounceOperator(task_id="announce", day=DAY, asset=PAIRS_READY)
    # within the turn, for the next day's sessions go on where these left off; if they fail, search gets its day all the same
    tables >> sessions() >> (others := ended("others")) >> announce
    first >> features() >> others
    check_settings(dag) >> wait >> turn >> tables >> daily >> learning >> announce
