"""Our side of ROOM=pairs: the jobs in one process, and what each took. Prints one JSON line."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.compute as pc

from jobs.datasets import click_counts, pairs, propensities, queries
from jobs.ingest import impressions, items
from jobs.lake.partitions import (
    CATALOGUE,
    CLICK_COUNTS,
    IMPRESSIONS,
    ITEMS,
    LATE_IMPRESSIONS,
    LOG,
    PAIRS,
    PROPENSITIES,
    QUERIES,
    QUERY_COUNTS,
)
from jobs.lake.read import pin, read_table
from jobs.platform.spark import spark_session
from jobs.quality import expect

COLUMNS = ("query_id", "item_id", "clicks", "carts", "purchases", "impressions", "weight")


def main(ds: str) -> None:
    """Run the chain, then the checks; count the lines."""
    os.environ["NIGHTSHELF_WARM_SPARK"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        defaults = f"spark.eventLog.enabled true\nspark.eventLog.dir file://{folder}\nspark.eventLog.compress false\n"
        (Path(folder) / "spark-defaults.conf").write_text(defaults, "utf-8")
        os.environ["SPARK_CONF_DIR"] = folder
        with spark_session("pairs") as spark:
            found = _chain(ds)
            spark.stop()
        found["straggler"] = straggler(Path(folder))
    sys.stdout.write(json.dumps(found) + "\n")


def _chain(ds: str) -> dict[str, Any]:
    log, shown, late, sums = LOG.at(ds=ds), IMPRESSIONS.at(ds=ds), LATE_IMPRESSIONS.at(ds=ds), CLICK_COUNTS.at(ds=ds)
    offers, asked, named = ITEMS.at(ds=ds), QUERY_COUNTS.at(ds=ds), QUERIES.at(ds=ds)
    law, out = PROPENSITIES.at(ds=ds), PAIRS.at(ds=ds)
    items.main(items.Args(CATALOGUE.at(ds=ds), offers))
    steps: dict[str, Callable[[], object]] = {
        "impressions": lambda: impressions.main(impressions.Args(log, shown)),
        "click_counts": lambda: click_counts.main(click_counts.Args(shown, late, offers, sums, asked)),
        "propensities": lambda: propensities.main(propensities.Args(sums, law)),
        "queries": lambda: queries.main(queries.Args(named, asked)),
        "pairs": lambda: pairs.main(pairs.Args(out, sums, offers, named, law)),
    }
    started, cpu = time.monotonic(), cpu_s()
    by_job = {name: timed(step) for name, step in steps.items()}
    seconds, cpu, peak = time.monotonic() - started, cpu_s() - cpu, peak_mib()
    # a job of its own by night: its peak is this process's alone, without the JVM that idles beside it here
    checked = timed(lambda: expect.main(expect.Args(f"{shown},{sums},{named},{out}")))
    lines = next(row for row in pin(shown).manifest.accounting if row.unit == "log lines")
    return {
        "seconds": round(seconds, 1),
        "cpu_s": round(cpu),
        "by_job": by_job,
        "lines": lines.rows_in,
        "peak_mib": peak,
        "gx_frac": round(checked / seconds, 3),
        "gx_peak_mib": _high_water(os.getpid()) >> 10,
        "digest": digest(read_table(pin(out), COLUMNS)),
    }


def timed(step: Callable[[], object]) -> float:
    """Wall seconds."""
    started = time.monotonic()
    step()
    return round(time.monotonic() - started, 1)


def digest(rows: pa.Table) -> str:
    """One digest of pairs in any order, weights to four digits."""
    weight = pc.round(pc.cast(rows["weight"], pa.float64()), 4)
    plain = rows.set_column(rows.column_names.index("weight"), "weight", weight)
    ordered = plain.sort_by([("query_id", "ascending"), ("item_id", "ascending")])
    found = hashlib.sha256()
    for name in ordered.column_names:
        found.update(f"{name}{ordered[name].to_pylist()}".encode())
    return found.hexdigest()


def peak_mib() -> int:
    """Highest resident memory of this process and of all that it started."""
    me = psutil.Process()
    return sum(_high_water(one.pid) for one in (me, *me.children(recursive=True))) >> 10


def _high_water(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text("utf-8")
    return int(text.partition("VmHWM:")[2].split()[0]) if "VmHWM:" in text else 0


def cpu_s() -> float:
    """CPU seconds of this process and of all that it started."""
    me = psutil.Process()
    times = [one.cpu_times() for one in (me, *me.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def straggler(folder: Path) -> dict[str, float]:
    """Longest task / median task of the worst stage, by rows and by seconds; the latter also without the first task of
    each core, in which the stage's code is compiled. Of stages of four tasks or more, of which one took two seconds,
    that read a shuffle: how files are split says nothing of skew."""
    stages: dict[tuple[str, int], list[tuple[int, float, int]]] = {}
    for path in folder.rglob("events_*"):
        for line in path.read_text("utf-8").splitlines():
            if '"SparkListenerTaskEnd"' not in line:
                continue
            event = json.loads(line)
            rows = event["Task Metrics"]["Shuffle Read Metrics"]["Total Records Read"]
            if rows:
                launched, ended = (event["Task Info"][f"{word} Time"] for word in ("Launch", "Finish"))
                task = launched, (ended - launched) / 1000, rows
                stages.setdefault((path.name, event["Stage ID"]), []).append(task)
    many = [sorted(tasks) for tasks in stages.values() if len(tasks) >= 4]
    many = [tasks for tasks in many if max(took for _, took, _ in tasks) > 2]
    return {
        "stages": len(many),
        "rows": _worst([[rows for _, _, rows in tasks] for tasks in many]),
        "seconds": _worst([[took for _, took, _ in tasks] for tasks in many]),
        "seconds_later": _worst([[took for _, took, _ in tasks[os.cpu_count() :]] for tasks in many]),
    }


def _worst(stages: list[list[float]]) -> float:
    return round(max((max(tasks) / median(tasks) for tasks in stages if tasks), default=1.0), 2)


if __name__ == "__main__":
    main(sys.argv[1])
