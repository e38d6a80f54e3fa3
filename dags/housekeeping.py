"""Weekly: delete old rows of Airflow's own database and old logs of tasks, which Airflow would keep for ever.

**Reads** the ages of Airflow's runs and of the files in its folder of logs.

**Writes** nothing. Deletes runs with their tasks, results and events, without a copy, and logs. The last scheduled run of each DAG
stays. The lake is not touched.

**If red** nothing serves worse; Airflow grows.

- `housekeeping`: "not set": set NIGHTSHELF_AIRFLOW_DB on the workers. "database is locked": SQLite was busy for a minute; clear
  it. Anything else is Airflow's own message; its version and the tables' differ after an upgrade until `airflow db migrate`.

It runs on the Airflow worker under every runner: a pod has neither the database nor the logs.
"""

from __future__ import annotations

from airflow.sdk import DAG, CronTriggerTimetable

from dags.day import EVERY_DAG
from dags.forms import form, templates
from dags.operators import JobOperator
from dags.runner import argv

DAYS = form("housekeeping", "Days", "database_days log_days")

with DAG(
    "housekeeping",
    # Sunday noon, when neither the night nor the weekly training runs
    schedule=CronTriggerTimetable("0 12 * * 0", timezone="UTC"),
    max_active_runs=1,
    **EVERY_DAG,
    params=DAYS,
    tags=["etl", "tier-3"],
    doc_md=__doc__,
) as dag:
    JobOperator(argv=argv("housekeeping", dict(templates(DAYS))), task_id="housekeeping")
