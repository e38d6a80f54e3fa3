"""Nightly: embed the day's catalogue with the champion's towers, build its index, judge it, promote it.

**Reads** `items`, `queries`, `qrels` of the day; the towers behind `champion`, resolved once, in the first task.

**Writes** `embeddings`, `index`, `rankings`, `report` of the day in the space of those towers; moves `champion` when
the report's gate lets it pass.

**If red** the index in service stays in service.

- `pin`: the champion's towers were trained anew. Run `towers_weekly`, whose report can promote the new ones.
- `embeddings_*`, `index`: read its last line, clear it. A job replaces its partition whole: nothing to undo.
- all skipped: nothing was promoted yet. `towers_weekly` trains and promotes the first.

Starts when `pairs_daily` announces a day, with that day as its partition key; several days run one after another.
"""

from __future__ import annotations

from airflow.sdk import DAG, IdentityMapper, PartitionedAssetTimetable

from dags.day import DEFAULTS, PAIRS_READY, START, date_param, day_param
from dags.runner import job
from dags.steps import SERVING, Towers, embed, judge

PINNED = {
    "towers_ds": date_param(
        "Towers", "Take the towers trained on this day, step star. Empty: the champion's"
    )
}

with DAG(
    "index_nightly",
    # one run for each announced day, never two days in one
    schedule=PartitionedAssetTimetable(
        assets=PAIRS_READY, default_partition_mapper=IdentityMapper()
    ),
    start_date=START,
    catchup=False,
    # the champion moves one day at a time
    max_active_runs=1,
    default_args=DEFAULTS,
    on_failure_callback=DEFAULTS["on_failure_callback"],
    params=day_param() | PINNED | SERVING,
    tags=["serving", "tier-1"],
    doc_md=__doc__,
) as dag:
    asked = "'towers/ds=' ~ params.towers_ds ~ '/step=star' if params.towers_ds else ''"
    pin = job("pin", towers=f"{{{{ {asked} }}}}")
    towers = Towers(pinned_by="pin")
    index = judge(towers)
    pin >> embed(towers, "embeddings") >> index
