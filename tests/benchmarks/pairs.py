"""ROOM=pairs: a day's log to pairs, the jobs on Spark against the same SQL texts on DuckDB, two cores each.

    python -m tests.benchmarks.pairs --events 1000000,10000000

The log is simulated, in Parquet, with robots, late and doubled events, a head query that everybody types and a storm of
searches for it. Each side is a process of its own and starts from the log's files; it ends with impressions, click_counts, queries
and pairs in files. Their digests must be equal. One JSON line a size: log lines a second of both, their peak memory, the share
that Great Expectations adds to ours and what memory it needs, the longest task against the median of its stage (time, rows); at the end the slope.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from jobs.lake.partitions import CATALOGUE, LABELS, LOG, SIMULATED_TRUTH
from jobs.lake.read import pin
from jobs.simulator import marketplace, simulate
from tests.benchmarks._compare import tell

DS = "2026-01-31"
LINES_A_SEARCH = 21.4


def main() -> None:
    """Make the days, run both sides, print the lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", default="1000000,10000000")
    parser.add_argument("--memory", default="2g", help="heap of Spark's driver; DuckDB has twice that")
    parser.add_argument("--folder", default="", help="where the lakes are kept; else they are deleted")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        sizes = [int(word) for word in args.events.split(",")]
        sides = [_size(Path(args.folder or scratch), size, args.memory) for size in sizes]
    for (few, many), (a, b) in zip(pairwise(sizes), pairwise(sides), strict=True):
        for name, one, other in (("ours", a[0], b[0]), ("DuckDB", a[1], b[1])):
            slope = math.log(other["seconds"] / one["seconds"]) / math.log(many / few)
            sys.stdout.write(
                json.dumps({"name": f"slope of {name}, {few:,} to {many:,}", "slope": round(slope, 2)}) + "\n"
            )


def _size(folder: Path, events: int, memory: str) -> tuple[dict[str, Any], dict[str, Any]]:
    home = folder / str(events)
    env = {
        **os.environ,
        "NIGHTSHELF_LAKE": str(home / "lake"),
        "NIGHTSHELF_HOME": str(home / "var"),
        "NIGHTSHELF_SPARK_MEMORY": memory,
        "NIGHTSHELF_SALT": "bench",
    }
    os.environ.update({name: env[name] for name in env if name.startswith("NIGHTSHELF_")})
    log = _day(events)
    ours = _side("spark", env)
    peer = _side("duckdb", env)
    if ours["digest"] != peer["digest"]:
        raise RuntimeError(f"{events:,} events: other pairs on Spark than on DuckDB: {ours}, {peer}")
    lines = ours["lines"]
    mine, theirs = lines / ours["seconds"], lines / peer["seconds"]
    tell(
        f"log to pairs, {lines:,} lines",
        mine,
        theirs,
        "DuckDB, the same SQL",
        mine / theirs,
        "lines/s",
        "two cores, wall",
    )
    found = {
        name: ours[name] for name in ("seconds", "peak_mib", "cpu_s", "by_job", "gx_frac", "gx_peak_mib", "straggler")
    }
    line = {
        "name": f"of that, {lines:,} lines",
        **found,
        "peer_seconds": peer["seconds"],
        "peer_peak_mib": peer["peak_mib"],
        "peer_cpu_s": peer["cpu_s"],
        "log_mib": round(sum(entry.bytes for entry in log.entries()) / 2**20),
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
    return ours, peer


def _day(events: int) -> Any:
    catalogue, labels, log, truth = (t.at(ds=DS) for t in (CATALOGUE, LABELS, LOG, SIMULATED_TRUTH))
    try:
        return pin(log)
    except LookupError:
        pass
    searches = round(events / LINES_A_SEARCH)
    marketplace.main(marketplace.Args(catalogue, labels, items=50_000, queries=20_000))
    simulate.main(
        simulate.Args(
            labels,
            catalogue,
            log,
            truth,
            searches=searches - searches // 50,
            layout="parquet",
            delayed_frac=0.01,
            redelivered_frac=0.005,
            skew_frac=0.02,
            personal_frac=0.001,
            rare_frac=0.02,
            storm_searches=searches // 50,
        )
    )
    return pin(log)


def _side(name: str, env: dict[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-m", f"tests.benchmarks._pairs_{name}", DS]
    done = subprocess.run(command, env=env, text=True, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name}: exit code {done.returncode}\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
