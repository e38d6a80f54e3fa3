"""Weekly, and the night after new towers: train rankers on listings, judge them on the judged queries, promote the better order.

**Reads** the towers behind `search/champion`, resolved once, by `pin`, and their `index` of the day before the window of
listings; `click_counts` of the window; `propensities`, `queries`, `qrels` of the run's day.

**Writes** `listings`, `ranker` (kinds `trees` and `neural`), `rankings` and `report` in the space of the ranker that `kind`
names; moves `reranking/champion` to it when the report's gate lets it pass.

**When** it runs every night and is skipped unless it is Saturday, or the ranker in service is of other towers than the index. So
after Sunday's towers a search goes without a ranker for one day: Monday's run learns from the one day of clicks that the
new towers have not seen, Saturday's from six. A run by hand with a day in its form always trains.

**If red** the ranker in service stays in service, and with other towers than its own a search goes on without one.

- `check`: a setting that a later task would refuse. Trigger a new run with another.
- `wait`: `pairs_daily` has not finished that day, or stopped it. Look there first.
- all skipped after `pin`: there is nothing to do: nothing was promoted yet, the ranker fits, or the towers are of the day itself.
- `listings`: "not published": the index of the day before the window was not built; run it with a shorter window.
  "have seen clicks": the same, for the days that trained them.
- `ranker_neural`: clear the task; training continues from its last checkpoint.
- `promote` green but nothing moved: the gate stopped it. The report gives the reasons.
- `approve` waits: the form asked for a person's approval. Answer under Required Actions; after 12 hours it is refused.
- anything else: read its last line, clear it. A job replaces its partition whole: nothing to undo.
"""

from __future__ import annotations

from airflow.sdk import DAG, CronPartitionTimetable, Param

from dags.approval import Approval, approve_param
from dags.day import DAY, EVERY_DAG, KEY_FORMAT, day_param, result
from dags.forms import form, templates
from dags.runner import check_settings, job, wait_for
from dags.steps import GATE_FORM, MEASURES_FORM, PROMOTION_FORM, PinnedTowers
from jobs.lake.partitions import (
    CLICK_COUNTS,
    INDEX,
    ITEMS,
    LISTINGS,
    PROPENSITIES,
    QRELS,
    QUERIES,
    RANKER,
    RANKINGS,
    REPORT,
)

KIND = {
    "kind": Param(
        "trees",
        type="string",
        enum=["trees", "neural"],
        section="Ranker",
        description="Ranker that is judged and promoted",
    )
}
LISTED = form("listings", "Listings", "window_days unseen_weight sample_frac")
TRAINED = form("ranker", "Ranker", "rounds leaves tree_lr unbiased loss hidden blocks epochs")
OTHER = "{{ 'neural' if params.kind == 'trees' else 'trees' }}"

# the bundle of the day before the window: neither its towers nor its numbers have seen the window's clicks
BUNDLE_DAY, WINDOW_DAYS = result("pin", "bundle_ds"), result("pin", "window_days")
# scheduled runs of other days than Saturday mend alone: a ranker that fits stays
MENDED = (
    "{{ '' if params.ds or not dag_run.partition_key or macros.ds_format(dag_run.partition_key, '%Y-%m-%d', '%w') == '6'"
    " else 'reranking/champion' }}"
)
towers = PinnedTowers(pinned_by="pin", alias="reranking/champion")
index, items = INDEX.at(ds=BUNDLE_DAY, space=towers.space), ITEMS.at(ds=BUNDLE_DAY)
listings = LISTINGS.at(ds=DAY, space=towers.space)
judged, beside = RANKER.at(ds=DAY, kind="{{ params.kind }}"), RANKER.at(ds=DAY, kind=OTHER)
space = "{{ ti.xcom_pull(task_ids='ranker_' ~ params.kind)['ranker_id'] }}"
rankings, report = RANKINGS.at(ds=DAY, space=space), REPORT.at(ds=DAY, space=space)
given = {"index": index, "queries": QUERIES.at(ds=DAY), "qrels": QRELS.at(ds=DAY), "items": items}

with DAG(
    "ranker_weekly",
    schedule=CronPartitionTimetable("59 23 * * *", timezone="UTC", key_format=KEY_FORMAT),
    # a run that waits must not block one started by hand
    max_active_runs=2,
    **EVERY_DAG,
    params=day_param() | KIND | LISTED | TRAINED | MEASURES_FORM | GATE_FORM | PROMOTION_FORM | approve_param(),
    tags=["training", "tier-2"],
    doc_md=__doc__,
) as dag:
    tables = (CLICK_COUNTS, PROPENSITIES, QUERIES, QRELS)
    wait = wait_for(*(table.at(ds=DAY) for table in tables), hours=36, gated=True)
    made = job(
        "listings",
        index=index,
        queries=QUERIES.at(ds=DAY),
        click_counts=CLICK_COUNTS.at(ds=DAY),
        propensities=PROPENSITIES.at(ds=DAY),
        listings=listings,
        **templates(LISTED) | {"window_days": WINDOW_DAYS},
    )
    rankers = [
        job("ranker", f"ranker_{kind}", listings=listings, ranker=RANKER.at(ds=DAY, kind=kind), **templates(TRAINED))
        for kind in ("trees", "neural")
    ]
    ranked = job("reranked", ranker=judged, beside=beside, **given, rankings=rankings, alias=towers.alias)
    checked = job("expect", "expect_rankings", partitions=str(rankings))
    reported = job("report", rankings=rankings, **given, report=report, **templates(MEASURES_FORM | GATE_FORM))
    promoted = job("promote", report=report, alias=towers.alias, **templates(PROMOTION_FORM))
    # a list is not learnt from before its verdict is written
    listed_well = job("expect", "expect_listings", partitions=str(listings))
    pinned = job("pin", "pin", listed_ds=DAY, window_days="{{ params.window_days }}", unless_ranked=MENDED)
    check_settings(dag) >> wait >> pinned >> made >> listed_well >> rankers
    # promote depends on the report alone: a ranker that was not judged must not be served
    rankers >> ranked >> checked >> reported >> Approval(task_id="approve") >> promoted
