"""Odd logs of strangers, read by the ETL: what came of each.

    python -m tests.benchmarks.odd [case ...]

Needs the folder of odd inputs (tests/real_data.py); its README has the right values. One JSON line a case.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from pyspark.errors import PySparkException

from jobs.ingest import impressions, land
from jobs.lake.partitions import IMPRESSIONS, LOG
from jobs.lake.read import pin, read_table
from jobs.platform.spark import spark_session
from tests.real_data import DATA

DS = "2026-01-31"
MORE: dict[str, dict[str, Any]] = {
    "impressions-called-view+actions": {"actions": "view=impression"},
    "names-of-ga4+actions": {"actions": "view_item_list=impression,select_item=click"},
}
ZONES = {"times-without-a-zone": "Europe/Warsaw"}


def main() -> None:
    """Read every case, or those named."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as scratch:
        cases = Path(scratch) / "cases"
        subprocess.run([sys.executable, str((DATA / "odd") / "make.py"), str(cases)], check=True, capture_output=True)
        catalogue = set(map(str, read_items()))
        os.environ["NIGHTSHELF_WARM_SPARK"] = "1"
        logs = sorted(path.parent.name for path in cases.glob("*/log.*"))
        wanted = sys.argv[1:] or [*logs, *MORE]
        with spark_session("odd"):
            for case in wanted:
                sys.stdout.write(json.dumps({"case": case, **read_case(cases, case, Path(scratch), catalogue)}) + "\n")


def read_items() -> list[Any]:
    """Ids of the catalogue that belongs to the logs."""
    import pyarrow.parquet as pq

    ids: list[Any] = pq.read_table((DATA / "odd") / "items.parquet")["item_id"].to_pylist()
    return ids


def read_case(cases: Path, case: str, scratch: Path, catalogue: set[str]) -> dict[str, Any]:
    """Figures of one log, or the refusal."""
    name, _, _ = case.partition("+")
    os.environ["NIGHTSHELF_LAKE"], os.environ["NIGHTSHELF_HOME"] = str(scratch / case / "lake"), str(scratch / case)
    os.environ["NIGHTSHELF_TIME_ZONE"] = ZONES.get(name, "UTC")
    log, out = LOG.at(ds=DS), IMPRESSIONS.at(ds=DS)
    try:
        land.main(land.Args(str(cases / name), log))
        told = impressions.main(impressions.Args(log, out, min_searchers=1, **MORE.get(case, {})))
    except (ValueError, RuntimeError, LookupError, OSError) as error:
        return {"refused": f"{type(error).__name__}: {error}"[:300]}
    except PySparkException as error:  # a crash is a result too
        return {"crashed": f"{type(error).__name__}: {error}"[:300]}
    rows = read_table(pin(out)).to_pandas()
    manifest = pin(out).manifest
    lines = next(one for one in manifest.accounting if one.unit == "log lines")
    return {
        "searches": rows["search_id"].nunique(),
        "queries": rows["query_id"].nunique(),
        "clients": rows["client_id"].nunique(),
        "rows": len(rows),
        "clicks": int(rows["is_click"].sum()),
        "carts": int(rows["is_cart"].sum()),
        "purchases": int(rows["is_purchase"].sum()),
        "places": f"{rows['position'].min()}..{rows['position'].max()}",
        "items_a_place": int(rows.groupby(["search_id", "position"]).size().max()),
        "not_in_catalogue": len(set(rows["item_id"]) - catalogue),
        "records": lines.rows_in,
        "dropped": lines.dropped,
        "alerts": told["alerts"],
    }


if __name__ == "__main__":
    main()
