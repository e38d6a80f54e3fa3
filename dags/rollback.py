"""By hand: put an earlier index back into service, in seconds. Nothing is built, judged or deleted.

**Reads** the history of an alias (`search/champion`), and of the bundle that it goes back to the manifest and the sizes of its files.

**Writes** the alias, in one write; then tells MLflow's registry.

**If red** the alias still points where it pointed.

- `find`: "no promoted bundle begins so", "several": its last line lists the ids. Give one of them, or more digits.
  Its log shows the history.
- `rollback`: "was deleted", "is missing", "bytes": that bundle is gone or damaged. Take an older one. "somebody else
  moved it": look at the history before you go on.
- `verify`, after the switch: the bundle serves but is damaged on disk, or its vectors are not those that were
  trained. Its last line says what; trigger again with an older one.

**By hand** with nothing filled in it goes back to the bundle that served before; triggered twice, two bundles back.
`index_nightly` promotes the next index that passes its gate: pause it where the cause lies in the data.
"""

from __future__ import annotations

from airflow.sdk import DAG

from dags.day import EVERY_DAG, result
from dags.forms import form
from dags.runner import job

TO = form("promote", "Rollback", "to alias")
ALIAS = "{{ params.alias }}"

with DAG(
    "rollback", schedule=None, max_active_runs=1, **EVERY_DAG, params=TO, tags=["serving", "tier-1"], doc_md=__doc__
) as dag:
    # `previous` is resolved once: tried again, a task that did move it would go back one more
    find = job("promote", "find", list=1, to="{{ params.to or 'previous' }}", alias=ALIAS)
    # its pod may be gone a moment later, so it waits until the registry was told
    moved = job("promote", "rollback", to=result("find", "to"), registry="wait", alias=ALIAS)
    # behind the switch and not before it: reading gigabytes would hold it up
    find >> moved >> job("verify", alias=ALIAS)
