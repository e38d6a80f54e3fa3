"""Ten days through Airflow, of which four go wrong: what happened must be readable from the dashboard alone.

    NIGHTSHELF_LAKE=ten/lake NIGHTSHELF_HOME=ten/var .venv/bin/python -m tests.dags.ten_days

Makes a shop and its logs, starts what `make up` starts, lets Airflow's scheduler backfill `pairs_daily` day after day,
and prints how each run ended and where the page is. `make down` with the same two settings ends the services.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

from jobs.ingest import land
from jobs.lake.partitions import CATALOGUE, LABELS, LOG, SIMULATED_TRUTH, Partition
from jobs.lake.read import pin
from jobs.local import up
from jobs.local.airflow_env import airflow, airflow_env, url
from jobs.simulator import marketplace, simulate

FIRST = date(2026, 1, 22)
DAYS = [(FIRST + timedelta(days=number)).isoformat() for number in range(10)]
SEARCHES = 4_000
# half of what people do arrives in the logs of the next three days
LATE = "2026-01-25"
EMPTY = "2026-01-27"
TRIPLED = "2026-01-28"
# one of twenty files was cut off on its way
CORRUPT = "2026-01-30"
FILES, CUT_OFF = 20, 7


def main() -> None:
    """Make the days, run them, say how they ended."""
    for number, ds in enumerate(DAYS):
        _deliver(number, ds)
    up.main(up.Args("start"))
    env = airflow_env()
    words = ("--dag-id", "pairs_daily", "--from-date", DAYS[0], "--to-date", DAYS[-1], "--max-active-runs", "1")
    subprocess.run(airflow("backfill", "create", *words), env=env, check=True)
    while (left := len(DAYS) - len(ended := _ended(env))) > 0:
        sys.stderr.write(f"{left} runs to go\n")
        time.sleep(60)
    for day, state in sorted(ended.items()):
        sys.stdout.write(f"{day} {state}\n")
    sys.stdout.write(f"{url('site')}/data_docs/index.html\n")


def _deliver(number: int, ds: str) -> None:
    catalogue, labels = CATALOGUE.at(ds=ds), LABELS.at(ds=ds)
    marketplace.main(marketplace.Args(catalogue, labels, items=3_000, queries=600))
    before = ",".join(str(SIMULATED_TRUTH.at(ds=one)) for one in DAYS[max(0, number - 3) : number])
    simulate.main(
        simulate.Args(
            labels,
            catalogue,
            LOG.at(ds=ds),
            SIMULATED_TRUTH.at(ds=ds),
            before=before,
            seed=number,
            searches=SEARCHES * (3 if ds == TRIPLED else 1),
            delayed_frac=0.5 if ds == LATE else 0.01,
            redelivered_frac=0.005,
            skew_frac=0.02,
            personal_frac=0.01,
            rare_frac=0.02,
        )
    )
    with tempfile.TemporaryDirectory() as folder:
        if ds == EMPTY:
            (Path(folder) / "shop-web.ndjson").touch()
            land.main(land.Args(folder, LOG.at(ds=ds)))
        if ds == CORRUPT:
            _cut_off(LOG.at(ds=ds), Path(folder))
            land.main(land.Args(folder, LOG.at(ds=ds)))


def _cut_off(log: Partition, folder: Path) -> None:
    """The day's lines in files, packed, of which one ends in its middle."""
    lines = [
        line
        for entry in pin(log).entries()
        for line in gzip.decompress(pin(log).path(entry.name).read_bytes()).splitlines(True)
    ]
    for number in range(FILES):
        packed = gzip.compress(b"".join(lines[number::FILES]))
        kept = packed[: len(packed) // 2] if number == CUT_OFF else packed
        (folder / f"shop-{number:02d}.ndjson.gz").write_bytes(kept)


def _ended(env: dict[str, str]) -> dict[str, str]:
    words = airflow("dags", "list-runs", "pairs_daily", "--output", "json")
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
    # warnings stand before it
    runs = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("[{")))
    return {
        run["run_id"]: run["state"]
        for run in runs
        if run["run_id"].startswith("backfill") and run["state"] in ("success", "failed")
    }


if __name__ == "__main__":
    main()
