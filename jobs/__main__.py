"""Run a command of any room, or list all of them.

    python -m jobs                            the commands, by room
    python -m jobs pairs --help               the settings of one
    python -m jobs pairs --click_counts click_counts/ds=2026-01-31 ...
    spark-submit jobs/__main__.py pairs ...   the same where only a file can be named

In a Kubernetes pod, where the folder /airflow/xcom waits for the task's result, the command's last line goes there too.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
from pathlib import Path

if not __package__:
    # Started as a file: Python put this folder first, where `platform` would hide the standard library's.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from jobs.lake.commands import module_of
from jobs.platform.cli import run, show_commands

XCOM = Path("/airflow/xcom/return.json")


def main(argv: list[str]) -> None:
    """Run `argv[0]` with the rest as its flags; exits with 2 when there is no such command."""
    if not argv or argv[0] in ("-h", "--help"):
        show_commands()
        return
    try:
        module = importlib.import_module(module_of(argv[0]))
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None
    sys.argv = [f"python -m jobs {argv[0]}", *argv[1:]]
    if not XCOM.parent.is_dir():
        run(module.Args, module.main)
        return
    with contextlib.redirect_stdout(io.StringIO()) as output:
        run(module.Args, module.main)
    sys.stdout.write(output.getvalue())
    XCOM.write_text(output.getvalue().strip().rpartition("\n")[2] or "{}", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
