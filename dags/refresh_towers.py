"""By hand: retrain the query tower behind `champion` with its item vectors kept, judge the result, promote it.

**Reads** `pairs`, `queries`, `items` of the day on which the judged days begin; `qrels`, `queries`, `items`, the newest `item_features` and the
champion's `embeddings`, `trained_index` and `codes` of the run's day, which `index_nightly` made.

**Writes** `towers` (step `adore`), and in their space `index`, `rankings`, `report`; moves `champion` when the report's
gate lets it pass. Nothing is embedded: a refresh keeps the item vectors.

**If red** the index in service stays in service.

- `check`: a setting that a later task would refuse. Trigger a new run with another.
- `wait`: `pairs_daily` has not finished that day, or stopped it. Look there first.
- `refresh`: "have no vector" or "not published": run `index_nightly` for that day first. Otherwise clear the task.
- all after `refresh` skipped: dev recall did not rise significantly, so there is nothing to judge.
- `promote` green but nothing moved: the gate stopped it. The report gives the reasons.

A refresh takes an hour instead of a whole training. Use it when queries change faster than the catalogue.
"""

from __future__ import annotations

from airflow.sdk import DAG

from dags.day import DAY, EVERY_DAG, day_param, days_before, labels_param
from dags.forms import form, templates
from dags.runner import check_settings, job, take_turn, wait_for
from dags.settings import DEV_LABELS
from dags.steps import SERVING, PinnedTowers, judge
from jobs.lake.partitions import ITEMS, PAIRS, QRELS, QUERIES, TOWERS

REFRESH = form("refresh", "Refresh", "epochs batch_size depth lr trigram_lr temperature seed")
JUDGED = labels_param() | form("qrels", "Judgements", "judge_days")
TRAINED_DAY = days_before("0 if params.labels_ds else params.judge_days")
pairs, queries, items = PAIRS.at(ds=TRAINED_DAY), QUERIES.at(ds=TRAINED_DAY), ITEMS.at(ds=DAY)
before, after = PinnedTowers(pinned_by="pin"), PinnedTowers(pinned_by="pin_adore")
made = TOWERS.at(ds=DAY, step="adore")

with DAG(
    "refresh_towers",
    schedule=None,
    # a run that waits for its day must not block another; `turn` moves the champion one day at a time
    max_active_runs=16,
    **EVERY_DAG,
    params=day_param() | REFRESH | JUDGED | SERVING,
    tags=["training", "tier-3"],
    doc_md=__doc__,
) as dag:
    wait = wait_for(pairs, queries, items, QUERIES.at(ds=DAY), QRELS.at(ds=DAY), hours=1, gated=True)
    refreshed = job(
        "refresh",
        pairs=pairs,
        queries=queries,
        items=items,
        start=before.partition,
        towers=made,
        embeddings=before.embeddings(),
        qrels=DEV_LABELS,
        on_worse="skip",
        **templates(REFRESH),
    )
    # judged before it is promoted, as any other towers
    pin = job("pin")
    pin >> refreshed >> job("pin", "pin_adore", towers=made, features_ds=DAY) >> judge(after, coded=True)
    check_settings(dag) >> wait >> take_turn(last="promote") >> pin
