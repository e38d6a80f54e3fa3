"""Weekly: train the two towers, mine hard negatives, continue training with them, judge the result.

**Reads** `pairs`, `queries`, `items` of the day on which the judged days begin; `qrels`, `queries`, `items` of the
run's day, the newest `item_features`; the `prodbert` that the form names. All must have passed their data-quality gate.

**Writes** `towers` (step `in_batch`, then `star`), `negatives`, `embeddings`, `trained_index`, `codes`, `index`, `rankings`, `report`; moves
`champion` when the report's gate lets it pass.

**If red**

- `check`: a setting that a later task would refuse. Trigger a new run with another.
- `wait`: `pairs_daily` has not finished that day, or stopped it. Look there first.
- `towers_in_batch`, `towers_star`: clear the task; training continues from its last checkpoint.
- `promote` green but nothing moved: the gate stopped it. The report gives the reasons; the old index stays in service.
- `approve` waits: the form asked for a person's approval. Answer under Required Actions; after 12 hours it is refused.
- anything else: read its last line, clear it. A job replaces its partition whole: nothing to undo.

**By hand** the form takes another day, size or seed; towers of the same day are replaced, the champion's stay.
"""

from __future__ import annotations

from airflow.sdk import DAG, CronPartitionTimetable, TaskGroup

from dags.day import DAY, EVERY_DAG, KEY_FORMAT, day_param, days_before, labels_param
from dags.forms import form, templates
from dags.runner import check_settings, job, wait_for
from dags.settings import BERT, BERT_DS, DEV_LABELS, HARD, LOSS, MINING, MODEL, TRAINING
from dags.steps import SERVING, PinnedTowers, embed, judge
from jobs.lake.partitions import ITEMS, NEGATIVES, PAIRS, QRELS, QUERIES, TOWERS

JUDGED = labels_param() | form("qrels", "Judgements", "judge_days")

# train on pairs that end before the judged days begin; where human labels judge, on all
TRAINED_DAY = days_before("0 if params.labels_ds else params.judge_days")
pairs, queries, items = PAIRS.at(ds=TRAINED_DAY), QUERIES.at(ds=TRAINED_DAY), ITEMS.at(ds=TRAINED_DAY)
first, second = TOWERS.at(ds=DAY, step="in_batch"), TOWERS.at(ds=DAY, step="star")
in_batch, star = PinnedTowers(pinned_by="pin_in_batch"), PinnedTowers(pinned_by="pin_star")
negatives = NEGATIVES.at(ds=DAY, space=in_batch.space)
FLAGS = {"qrels": DEV_LABELS} | templates(MODEL | TRAINING | LOSS)

with DAG(
    "towers_weekly",
    # opens when the Sunday ends that is its key, and waits for that Sunday's pairs
    schedule=CronPartitionTimetable("59 23 * * 0", timezone="UTC", key_format=KEY_FORMAT),
    # a run that waits must not block one started by hand; the pool shares the GPU
    max_active_runs=2,
    **EVERY_DAG,
    params=day_param() | MODEL | BERT_DS | TRAINING | LOSS | MINING | HARD | JUDGED | SERVING,
    tags=["training", "tier-2"],
    doc_md=__doc__,
) as dag:
    wait = wait_for(pairs, queries, items, QUERIES.at(ds=DAY), ITEMS.at(ds=DAY), QRELS.at(ds=DAY), hours=36, gated=True)
    dataset = {"pairs": pairs, "queries": queries, "items": items}

    with TaskGroup("training", prefix_group_id=False, tooltip="In-batch negatives, then STAR") as training:
        (
            job("towers", "towers_in_batch", **dataset, towers=first, prodbert=BERT, **FLAGS)
            >> job("pin", "pin_in_batch", towers=first)
            >> job(
                "negatives", towers=first, **dataset, negatives=negatives, **templates(MINING | {"seed": MODEL["seed"]})
            )
            >> job("expect", "expect_negatives", partitions=str(negatives))
            >> job(
                "towers",
                "towers_star",
                **dataset,
                start=first,
                negatives=negatives,
                towers=second,
                prodbert=BERT,
                **FLAGS,
                **templates(HARD),
            )
            >> job("pin", "pin_star", towers=second, features_ds=DAY)
        )

    index = judge(star, baseline=in_batch)
    # step in_batch is embedded too: the report shows what the hard negatives add. One after the other: where step
    # star is no better, both are the same towers and would write the same partitions
    training >> embed(in_batch, "baseline") >> embed(star, "embeddings") >> index
    check_settings(dag) >> wait >> training
