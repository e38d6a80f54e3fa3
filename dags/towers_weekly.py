"""Weekly: train the two towers, mine hard negatives, go on training with them, judge the result.

**Reads** `pairs`, `queries`, `items` of the day on which the judged days begin; `qrels`, `queries`, `items` of the
run's day; the `bert` that the form names. All must have passed their data-quality gate.

**Writes** `towers` (step `in_batch`, then `star`), `negatives`, `embeddings`, `trained_index`, `codes`, `index`, `rankings`, `report`; moves
`champion` when the report's gate lets it pass.

**If red**

- `wait`: `pairs_daily` has not finished that day, or stopped it. Look there first.
- `towers_in_batch`, `towers_star`: clear the task; training goes on from its last checkpoint.
- `promote` green but nothing moved: the gate said no. The report gives the reasons; the old index stays in service.
- `approve` waits: somebody asked for a person's yes in the form. Answer under Required Actions; after 12 hours it is no.
- anything else: read its last line, clear it. A job replaces its partition whole: nothing to undo.

**By hand** the form takes another day, size or seed; towers of the same day are replaced, the champion's stay.
"""

from __future__ import annotations

from airflow.sdk import DAG, CronPartitionTimetable, TaskGroup

from dags.day import DAY, DEFAULTS, KEY_FORMAT, START, day_param, days_before, labels_param
from dags.forms import form, templates
from dags.recipe import BERT, BERT_DS, HARD, LOSS, MINING, MODEL, TRAINING
from dags.runner import job, wait_for
from dags.steps import SERVING, Towers, embed, judge
from jobs.lake.partitions import ITEMS, NEGATIVES, PAIRS, QRELS, QUERIES, TOWERS

JUDGED = labels_param() | form("qrels", "Judgements", "judge_days")

# Towers learn from pairs that end before the judged days begin; where people's labels judge, from all.
LEARNT = days_before("0 if params.labels_ds else params.judge_days")
pairs, queries, items = PAIRS.at(ds=LEARNT), QUERIES.at(ds=LEARNT), ITEMS.at(ds=LEARNT)
first, second = TOWERS.at(ds=DAY, step="in_batch"), TOWERS.at(ds=DAY, step="star")
in_batch, star = Towers(pinned_by="pin_in_batch"), Towers(pinned_by="pin_star")
negatives = NEGATIVES.at(ds=DAY, space=in_batch.space)
FLAGS = templates(MODEL | TRAINING | LOSS)

with DAG(
    "towers_weekly",
    # opens when the Sunday ends that is its key, and waits for that Sunday's pairs
    schedule=CronPartitionTimetable("59 23 * * 0", timezone="UTC", key_format=KEY_FORMAT),
    start_date=START,
    catchup=False,
    # one that waits must not hold up one started by hand; the GPU is shared by its pool
    max_active_runs=2,
    default_args=DEFAULTS,
    on_failure_callback=DEFAULTS["on_failure_callback"],
    params=day_param() | MODEL | BERT_DS | TRAINING | LOSS | MINING | HARD | JUDGED | SERVING,
    tags=["training", "tier-2"],
    doc_md=__doc__,
) as dag:
    wait = wait_for(pairs, queries, items, QUERIES.at(ds=DAY), ITEMS.at(ds=DAY), QRELS.at(ds=DAY), hours=36, gated=True)
    learning = {"pairs": pairs, "queries": queries, "items": items}

    with TaskGroup("training", prefix_group_id=False, tooltip="In-batch negatives, then STAR") as training:
        (
            job("towers", "towers_in_batch", **learning, towers=first, prodbert=BERT, **FLAGS)
            >> job("pin", "pin_in_batch", towers=first)
            >> job(
                "negatives",
                towers=first,
                **learning,
                negatives=negatives,
                **templates(MINING | {"seed": MODEL["seed"]}),
            )
            >> job("expect", "expect_negatives", partitions=str(negatives))
            >> job(
                "towers",
                "towers_star",
                **learning,
                start=first,
                negatives=negatives,
                towers=second,
                prodbert=BERT,
                **FLAGS,
                **templates(HARD),
            )
            >> job("pin", "pin_star", towers=second)
        )

    index = judge(star, baseline=in_batch)
    # step 1 is embedded too: the report shows what the hard negatives added. One after the other: where step 2
    # found nothing better, both are the same towers and would write the same partitions
    wait >> training >> embed(in_batch, "baseline") >> embed(star, "embeddings") >> index
