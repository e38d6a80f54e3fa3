"""Monthly: pre-train a prodBERT on masked words of the catalogue and the queries.

**Reads** `items` and `queries` of the day; both must have passed their data-quality gate. Queries of split test are
not read.

**Writes** `prodbert` of the day. No DAG uses it automatically: give its day to `towers_weekly` as `bert_ds`, look at
the report, and only then keep it. A new encoder changes every space id.

**If red** the towers stay as they are; nothing waits for this.

- `check`: a setting that a later task would refuse. Trigger a new run with another.
- `wait`: `pairs_daily` has not finished that day, or stopped it. Look there first.
- `prodbert`: clear the task; training continues from its last checkpoint. "the loss is nan": a lower `lr`; out of memory:
  a lower `batch_tokens`.
- `prodbert` green, but its log says "no better than a guess": more `epochs`, or `start` from existing weights.

**By hand** the form takes another day, size or `start`; what was published for the same day is replaced, and towers
that were trained with it stay whole.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, CronPartitionTimetable

from dags.day import DAY, DEFAULTS, EVERY_DAG, KEY_FORMAT, day_param
from dags.forms import form, templates
from dags.runner import check_settings, job, wait_for
from jobs.lake.partitions import ITEMS, PRODBERT, QUERIES

MODEL = form("prodbert", "Model", "start hidden layers heads vocabulary max_tokens seed")
TRAINING = form("prodbert", "Training", "epochs max_steps batch_tokens lr max_texts")
items, queries = ITEMS.at(ds=DAY), QUERIES.at(ds=DAY)

with DAG(
    "pretrain_monthly",
    # opens when the month's first day ends, which is its key, and waits for that day's tables
    schedule=CronPartitionTimetable("59 23 1 * *", timezone="UTC", key_format=KEY_FORMAT),
    # a run that waits must not block one started by hand; the pool shares the GPU
    max_active_runs=2,
    # a big catalogue takes days
    **EVERY_DAG | {"default_args": DEFAULTS | {"execution_timeout": timedelta(hours=72)}},
    params=day_param() | MODEL | TRAINING,
    tags=["training", "tier-3"],
    doc_md=__doc__,
) as dag:
    wait = wait_for(items, queries, hours=36, gated=True)
    pretrained = job(
        "prodbert", items=items, queries=queries, prodbert=PRODBERT.at(ds=DAY), **templates(MODEL | TRAINING)
    )
    check_settings(dag) >> wait >> pretrained
