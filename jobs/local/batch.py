"""Run several commands in one warm process.

    printf 'impressions --log log/ds=2026-01-30 --impressions impressions/ds=2026-01-30\\n' | python -m jobs batch --commands -

For the demo, a backfill on a laptop and nightly.sh; a scheduler runs each command as a process of its own.
"""

from __future__ import annotations

import importlib
import json
import os
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from jobs.lake.commands import module_of
from jobs.platform.arguments import CommandArgs
from jobs.platform.cli import parse
from jobs.platform.progress import progress


class Args(CommandArgs):
    """commands  file with one command a line, `pairs --flag value ...`, or a comment after #; - reads standard input"""

    commands: str


def main(args: Args) -> dict[str, Any]:
    """Run the lines in order; the first that fails ends the batch."""
    os.environ["NIGHTSHELF_WARM_SPARK"] = "1"
    text = sys.stdin.read() if args.commands == "-" else Path(args.commands).read_text("utf-8")
    lines = [shlex.split(line) for line in map(str.strip, text.splitlines()) if line and line[0] != "#"]
    results = []
    with progress("batch", len(lines), "commands") as advance:
        for name, *argv in lines:
            results.append(_run_command(name, argv))
            advance(1, name)
    return {"jobs": results}


def _run_command(name: str, argv: list[str]) -> dict[str, Any]:
    module = importlib.import_module(module_of(name))
    started = time.monotonic()
    result = module.main(parse(module.Args, argv)) or {}
    line = {"job": name, **result, "seconds": round(time.monotonic() - started, 2)}
    sys.stderr.write(json.dumps(line, ensure_ascii=False) + "\n")
    return line
