"""Daily: delete personal data past its retention days, later what was made from it; then audit all files.

**Reads** the names and ages of all files in the lake, in the lakes of trials and in the stores under NIGHTSHELF_HOME.

**Writes** `retention` of the day: what was deleted, what aliases such as `search/champion` hold beyond its days, what
was looked through. Ages count from the run's day. The zone of each table in `jobs/lake/partitions.py` says what it holds
of people.

**If red** nothing is half-readable, and nothing was deleted whose days are not over.

- `retention`: "being written": a job holds an expired partition. It is tried again by itself; else clear it
  when that job has ended.
- `retention`: "files are left": its last lines name them. Files that Nightshelf did not put there are yours to move or
  delete; then clear the task.
- anything else: read its last line, clear it. It continues where it stopped.

It deletes for good, so it is paused until a person switches it on. **By hand** `dry_run` lists what would be deleted. On
Kubernetes NIGHTSHELF_HOME must lie on a volume that all pods share, or its stores are not cleared.
"""

from __future__ import annotations

from airflow.sdk import DAG, CronPartitionTimetable

from dags.day import DAY, EVERY_DAG, KEY_FORMAT, day_param
from dags.forms import form, templates
from dags.runner import job
from jobs.lake.partitions import RETENTION

LIMITS = form("retention", "Limits", "raw_days judged_days derived_days dry_run")

with DAG(
    "retention_daily",
    # in the morning, when the night's readers are done; the key is the day that has just ended
    schedule=CronPartitionTimetable("0 9 * * *", timezone="UTC", run_offset=-1, key_format=KEY_FORMAT),
    # two at a time would wait for each other's locks
    max_active_runs=1,
    # the lake of somebody who only looks around must not be emptied
    is_paused_upon_creation=True,
    **EVERY_DAG,
    params=day_param() | LIMITS,
    tags=["etl", "tier-2"],
    doc_md=__doc__,
) as dag:
    job("retention", retention=RETENTION.at(ds=DAY), **templates(LIMITS))
