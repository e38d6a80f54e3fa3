"""Odd logs, catalogues and judgements of strangers, read by the ETL: what came of each.

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

from jobs.evaluation import evaluate_trec
from jobs.ingest import impressions, items, land
from jobs.lake.partitions import CATALOGUE, IMPRESSIONS, ITEMS, LABELS, LOG
from jobs.lake.read import pin, read_table
from jobs.platform.spark import spark_session
from jobs.simulator import import_dataset
from tests.real_data import DATA

DS = "2026-01-31"
LABELLED = (
    *("stray-quote", "header-in-windows-1252", "wands-one-id-two-texts", "junk-grades", "positives-only", "beir"),
)
TREC = tuple(f"gzipped-qrels-{size}" for size in (5, 10, 15, 25))
MORE: dict[str, dict[str, Any]] = {
    "impressions-called-view+actions": {"actions": "view=impression"},
    "names-of-ga4+actions": {"actions": "view_item_list=impression,select_item=click"},
}
ZONES = {"times-without-a-zone": "Europe/Warsaw"}


def main() -> None:
    """Read every case, or those named."""
    if not (DATA / "odd").is_dir():
        sys.stdout.write(
            json.dumps({"skipped": f"no {DATA / 'odd'}; NIGHTSHELF_DATA names the folder that holds it"}) + "\n"
        )
        return
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as scratch:
        cases = Path(scratch) / "cases"
        subprocess.run([sys.executable, str((DATA / "odd") / "make.py"), str(cases)], check=True, capture_output=True)
        catalogue = set(map(str, read_items()))
        os.environ["NIGHTSHELF_WARM_SPARK"] = "1"
        logs = sorted(path.parent.name for path in cases.glob("*/log.*"))
        wanted = sys.argv[1:] or [*logs, *MORE, "catalogue", *LABELLED, *TREC]
        with spark_session("odd"):
            for case in wanted:
                found = attempt(cases, case, Path(scratch), catalogue)
                sys.stdout.write(json.dumps({"case": case, **found}, ensure_ascii=False) + "\n")
                sys.stdout.flush()


def read_items() -> list[Any]:
    """Ids of the catalogue that belongs to the logs."""
    import pyarrow.parquet as pq

    ids: list[Any] = pq.read_table((DATA / "odd") / "items.parquet")["item_id"].to_pylist()
    return ids


def attempt(cases: Path, case: str, scratch: Path, catalogue: set[str]) -> dict[str, Any]:
    """Figures of one case, or how it was refused."""
    name, _, _ = case.partition("+")
    os.environ["NIGHTSHELF_LAKE"], os.environ["NIGHTSHELF_HOME"] = str(scratch / case / "lake"), str(scratch / case)
    os.environ["NIGHTSHELF_TIME_ZONE"] = ZONES.get(name, "UTC")
    try:
        if case == "catalogue":
            return read_catalogue(cases / name)
        if case in LABELLED:
            return read_labelled(cases / name)
        if case in TREC:
            args = evaluate_trec.Args(str(cases / name / "run.trec"), str(cases / name / "qrels.gz"))
            return {"queries": evaluate_trec.main(args)["queries"]}
        return read_log(cases / name, catalogue, MORE.get(case, {}))
    except (ValueError, RuntimeError, LookupError, OSError) as error:
        return {"refused": f"{type(error).__name__}: {error}"[:300]}
    except PySparkException as error:  # a crash is a result too
        return {"crashed": f"{type(error).__name__}: {error}"[:300]}


def read_catalogue(folder: Path) -> dict[str, Any]:
    """Rows of the odd items, and how many rows were rejected."""
    land.main(land.Args(str(folder), catalogue=CATALOGUE.at(ds=DS)))
    items.main(items.Args(CATALOGUE.at(ds=DS), ITEMS.at(ds=DS)))
    rows = [row for row in read_table(pin(ITEMS.at(ds=DS))).to_pylist() if not row["item_id"].startswith("z")]
    shown = {
        row["item_id"]: [row[name] for name in ("title", "category", "price", "attributes", "text")] for row in rows
    }
    return {"items": shown, "dropped": pin(ITEMS.at(ds=DS)).manifest.accounting[0].dropped}


def read_labelled(folder: Path) -> dict[str, Any]:
    """Items and judgements, the grades that gain nothing and that count, and what was rejected."""
    import_dataset.main(import_dataset.Args(str(folder), CATALOGUE.at(ds=DS), LABELS.at(ds=DS)))
    labels = pin(LABELS.at(ds=DS))
    rows = read_table(labels).to_pylist()
    return {
        "items": pin(CATALOGUE.at(ds=DS)).manifest.rows,
        "judgements": [[row["query"], row["item_id"], row["relevance"], row["split"]] for row in rows],
        "facts": {name: labels.facts.get(name) for name in ("min_relevance", "zero_gain")},
        "dropped": labels.manifest.accounting[0].dropped,
    }


def read_log(folder: Path, catalogue: set[str], settings: dict[str, Any]) -> dict[str, Any]:
    """Figures of a log's impressions."""
    log, out = LOG.at(ds=DS), IMPRESSIONS.at(ds=DS)
    land.main(land.Args(str(folder), log))
    told = impressions.main(impressions.Args(log, out, min_searchers=1, **settings))
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
