"""Nightly: embed the day's catalogue with the champion's towers, build its index, judge it, promote it.

**Reads** `items`, `queries`, `qrels` of the day, the newest `item_features`; the towers behind `champion`, resolved once, by `pin`.

**Embeds and codes** what is new or changed: `pin` names the newest of the 14 days before whose embeddings are whole, and
their vectors are reused for unchanged items; so are the codes, and the trained index while its figures hold.
`rebuild` in the form makes everything anew.

**Weighs** numbers of the items beside their vectors, where the form says `hydrate`: by what was bought after the towers' last day, with the
`item_features` of that day. From the third day after a training on; before that, and where the last day shows no gain, vectors stay plain.

**Writes** `embeddings`, `hydration`, `trained_index`, `codes`, `index`, `rankings`, `report` of the day in the space of those towers; moves `champion` when
the report's gate lets it pass.

**If red** the index in service stays in service.

- `check`: a setting that a later task would refuse. Trigger a new run with another.
- `wait`: `pairs_daily` has not finished that day, or stopped it. Look there first.
- `pin`: the champion's towers were trained anew. Run `towers_weekly`, whose report can promote the new ones.
- `embeddings_*`: "the file is damaged" names an earlier day's: start the day by hand with `rebuild`. Otherwise clear it;
  the other shards are kept.
- `hydration`: "no purchase": the log holds none; trigger a new run with `hydrate` off.
- `index`: "fewer items": the catalogue shrank beyond `max_shrink_frac`; look at `items` first.
- `approve` waits: the form asked for a person's approval. Answer under Required Actions; after 12 hours it is refused.
- anything else: read its last line, clear it. A job replaces its partition whole: nothing to undo.
- all skipped: nothing was promoted yet. `towers_weekly` trains and promotes the first.

Starts when `pairs_daily` announces a day, with that day as its partition key; several days run one after another.
"""

from __future__ import annotations

from airflow.sdk import DAG, IdentityMapper, PartitionedAssetTimetable

from dags.day import DAY, EVERY_DAG, PAIRS_READY, date_param, day_param
from dags.forms import form, templates
from dags.runner import check_settings, job, take_turn, wait_for
from dags.steps import HYDRATION_FORM, SERVING, SHARDS, PinnedTowers, embed, hydrate, judge
from jobs.lake.partitions import ITEMS, QRELS, QUERIES

PINNED = {"towers_ds": date_param("Towers", "Take the towers trained on this day, step star. Empty: the champion's")}
REBUILT = form("pin", "Embeddings", "rebuild")

with DAG(
    "index_nightly",
    # one run for each announced day, never two days in one
    schedule=PartitionedAssetTimetable(assets=PAIRS_READY, default_partition_mapper=IdentityMapper()),
    # a run by hand that waits for its day must not block the night; `turn` moves the champion one day at a time
    max_active_runs=16,
    **EVERY_DAG,
    params=day_param() | PINNED | REBUILT | HYDRATION_FORM | SERVING,
    tags=["serving", "tier-1"],
    doc_md=__doc__,
) as dag:
    address = "'towers/ds=' ~ params.towers_ds ~ '/step=star' if params.towers_ds else ''"
    pin = job("pin", towers=f"{{{{ {address} }}}}", ds=DAY, features_ds=DAY, shards=SHARDS, **templates(REBUILT))
    towers = PinnedTowers(pinned_by="pin")
    index = judge(towers, reuse=True, hydrated=True)
    # a day typed by hand may be one that pairs_daily has not finished
    wait = wait_for(ITEMS.at(ds=DAY), QUERIES.at(ds=DAY), QRELS.at(ds=DAY), hours=1, gated=True)
    pin >> embed(towers, "embeddings", reuse=True) >> hydrate(towers) >> index
    checked = check_settings(dag)
    checked >> wait >> take_turn(last="promote") >> pin
