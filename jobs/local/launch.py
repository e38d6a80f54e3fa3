"""A job where only a file or a container's command can be named: spark-submit's application, a pod's entry.

    spark-submit --master spark://host:7077 jobs/launch.py pairs --acts acts/ds=2026-01-31 ...
    python -m jobs.launch pairs --acts acts/ds=2026-01-31 ...

Everything after the job's name is the job's. Where a folder /airflow/xcom waits for a pod's result, the job's JSON line
goes there too.
"""

from __future__ import annotations

import contextlib
import io
import re
import runpy
import sys
from pathlib import Path

XCOM = Path("/airflow/xcom/return.json")


def main(argv: list[str]) -> None:
    """Run `python -m jobs.<name> ...` in this process; exits with 2 when the name is none."""
    if not argv or not re.fullmatch("[a-z][a-z_]*", argv[0], re.ASCII):
        sys.stderr.write(f"{argv[:1]}: expected the name of a job, such as pairs\n")
        raise SystemExit(2)
    name = f"jobs.{argv[0]}"
    sys.argv = [name, *argv[1:]]
    if not XCOM.parent.is_dir():
        runpy.run_module(name, run_name="__main__", alter_sys=True)
        return
    with contextlib.redirect_stdout(io.StringIO()) as said:
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    sys.stdout.write(said.getvalue())
    XCOM.write_text(said.getvalue().strip().rpartition("\n")[2] or "{}", encoding="utf-8")


if __name__ == "__main__":
    if not __package__:
        # started as a file: python put this folder first, where modules such as `tables` would hide libraries
        sys.path[0] = str(Path(__file__).resolve().parent.parent)
    main(sys.argv[1:])
