"""By hand: an experiment. What do batch size, r_min, a loss or an encoder change, and by how much?

**Reads** `pairs`, `queries`, `items`, `qrels` of the day; `prodbert` where `fixed` names one.

**Writes** `sweep` of the day under the study's name: a page with curves and intervals, the measures of every trial.
Towers and negatives of the trials lie below NIGHTSHELF_TRIALS: the nightly lake and its champion are not touched.

**If red**

- `wait`: `pairs_daily` has not finished that day, or stopped it. Look there first.
- `plan`: the form has a flag or a value that the commands refuse, or the study was begun with other settings. The last
  line says which; correct it and trigger again.
- `trials`, a few: these settings failed, the study continues without them. Clear one to try it again.
- `trials`, all: the last lines name the command that failed and its log.
- `sweep`: every trial failed.

**By hand** `space` in the form names flags of `towers` and `negatives`: `batch_size=256,1024;r_min=0,10,100`. A study that
was stopped continues under the same name and settings.
On Kubernetes NIGHTSHELF_HOME and NIGHTSHELF_TRIALS must lie on a volume that all pods share.
"""

from __future__ import annotations

from airflow.sdk import DAG, Param, TriggerRule

from dags.day import DAY, EVERY_DAG, day_param
from dags.forms import form, templates
from dags.operators import ListOperator
from dags.runner import Value, job, job_each, wait_for
from jobs.lake.partitions import ITEMS, PAIRS, QRELS, QUERIES, SWEEP

STUDY = {
    "study": Param(
        "by_hand",
        type="string",
        pattern="^[a-z0-9][a-z0-9_]{0,62}$",
        section="Study",
        description="Name of the study: small letters, digits and _",
    )
}
STUDY_FORM = form("sweep", "Study", "space fixed stages seeds sampler trials")
JUDGED = form("sweep", "Judgements", "objective splits min_relevance")
LIMITS = form("sweep", "Limits", "limit_s keep")
PLAN_FLAGS = STUDY_FORM | JUDGED | LIMITS

inputs = (PAIRS.at(ds=DAY), QUERIES.at(ds=DAY), ITEMS.at(ds=DAY), QRELS.at(ds=DAY))
flags: dict[str, Value] = {
    **{partition.name: partition for partition in inputs},
    "sweep": SWEEP.at(ds=DAY, study="{{ params.study }}"),
    **templates(PLAN_FLAGS),
}

with DAG(
    "sweep",
    schedule=None,
    max_active_runs=3,
    **EVERY_DAG,
    params=day_param() | STUDY | PLAN_FLAGS,
    tags=["training", "tier-3"],
    doc_md=__doc__,
) as dag:
    wait = wait_for(*inputs, hours=1, gated=True)
    plan = job("sweep", "plan", **flags, only="plan")
    # the plan prints the arguments of a command for each trial; --point holds its setting
    points = ListOperator(task_id="points", printed_by="plan", name="points")
    trials = job_each("sweep", "trials", points.output, label_flag="point")
    published = job("sweep", "sweep", **flags, only="publish")
    # a trial that failed is part of the result
    published.trigger_rule = TriggerRule.ALL_DONE
    wait >> plan >> points >> trials >> published
