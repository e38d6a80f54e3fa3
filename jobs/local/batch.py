"""Several jobs in one warm process: the same Args, the same main, one JVM start instead of many.

    printf 'impressions --log log/ds=2026-01-30 --impressions impressions/ds=2026-01-30\\n' | python -m jobs batch --commands -

For a laptop's backfill and the demo; a scheduler runs each job as a process of its own.
"""

from __future__ import annotations

import importlib
import json
import os
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.lake.commands import module_of
from jobs.platform.cli import parse
from jobs.platform.progress import progress


@dataclass(frozen=True)
class Args:
    """commands  file with one command a line, `<job> --flag value ...`; - reads standard input"""

    commands: str


def main(args: Args) -> dict[str, Any]:
    """Run the lines in order; the first that fails ends the batch."""
    os.environ["NIGHTSHELF_WARM_SPARK"] = "1"
    text = sys.stdin.read() if args.commands == "-" else Path(args.commands).read_text("utf-8")
    lines = [shlex.split(line) for line in text.splitlines() if line.strip()]
    results = []
    with progress("batch", len(lines), "jobs") as advance:
        for name, *argv in lines:
            results.append(_run_job(name, argv))
            advance(1, name)
    return {"jobs": results}


def _run_job(name: str, argv: list[str]) -> dict[str, Any]:
    module = importlib.import_module(module_of(name))
    started = time.monotonic()
    result = module.main(parse(module.Args, argv)) or {}
    line = {"job": name, **result, "seconds": round(time.monotonic() - started, 2)}
    sys.stderr.write(json.dumps(line, ensure_ascii=False) + "\n")
    return line
