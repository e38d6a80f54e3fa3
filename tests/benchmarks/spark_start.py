"""ROOM=spark_start: a session and one small query in a new JVM, with the archive of Spark's classes and without it.

    python -m tests.benchmarks.spark_start

Wall-clock seconds, for most of the work is the JVM's; two turns of each, and the best counts.
"""

from __future__ import annotations

import subprocess
import sys
import time

from jobs.platform.spark import ARCHIVE
from tests.benchmarks._compare import tell

CHILD = """
import pathlib, sys
from jobs.platform import spark
spark.ARCHIVE = pathlib.Path(sys.argv[1])  # none at this place: the session does not ask for it
with spark.spark_session("start") as session:
    ids = session.range(1000).selectExpr("id", "id % 7 AS k")
    assert len(ids.groupBy("k").count().join(ids.groupBy("k").sum("id"), "k").orderBy("k").collect()) == 7
"""


def seconds(archive: str) -> float:
    """Seconds of a new process."""
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", CHILD, archive], check=True, capture_output=True)
    return time.monotonic() - started


def main() -> None:
    """Print the comparison.

    Raises:
        FileNotFoundError: there is no archive; `python -m jobs.platform.class_archive` makes it.
    """
    if not ARCHIVE.is_file():
        raise FileNotFoundError(f"{ARCHIVE}: `python -m jobs.platform.class_archive` makes it")
    turns = [(seconds(str(ARCHIVE)), seconds("none")) for _ in range(2)]
    ours, peer = (min(side) for side in zip(*turns, strict=True))
    tell("start of Spark", ours, peer, "without the archive", peer / ours, "s", "session and one query")


if __name__ == "__main__":
    main()
