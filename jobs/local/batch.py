"""Run several commands in one warm process.

    printf 'impressions --log log/ds=2026-01-30 --impressions impressions/ds=2026-01-30\\n' | python -m jobs batch --commands -

For the demo, a backfill on a laptop and nightly.sh; a scheduler runs each command as a process of its own. A line may take
what an earlier one printed, by its name or its command:

    content: item2vec --items items/ds=2026-01-30 --item2vec item2vec/ds=2026-01-30/method=content
    item_embeddings ... --embeddings embeddings/ds=2026-01-30/space={content.space}/shard=0of1
"""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobs.lake.commands import module_of
from jobs.platform.arguments import CommandArgs
from jobs.platform.cli import parse
from jobs.platform.progress import progress


class Args(CommandArgs):
    """commands  file with one command a line, `pairs --flag value ...` or `name: pairs --flag value ...`, or a comment after #;
              a line that ends in a backslash goes on in the next; - reads standard input
    ds        day that stands for {day.ds}
    """

    commands: str
    ds: str = ""


def main(args: Args) -> dict[str, Any]:
    """Run the lines in order; the first that fails ends the batch."""
    os.environ["NIGHTSHELF_WARM_SPARK"] = "1"
    text = sys.stdin.read() if args.commands == "-" else Path(args.commands).read_text("utf-8")
    whole = text.replace("\\\n", " ").splitlines()
    lines = [shlex.split(line) for line in map(str.strip, whole) if line and line[0] != "#"]
    results: dict[str, dict[str, Any]] = {"day": {"ds": args.ds}} if args.ds else {}
    done = []
    with progress("batch", len(lines), "commands") as advance:
        for first, *rest in lines:
            label, name, argv = (first[:-1], rest[0], rest[1:]) if first.endswith(":") else (first, first, rest)
            results[label] = _run_command(name, [_filled(word, results) for word in argv])
            done.append(results[label])
            advance(1, label)
    return {"jobs": done}


def _filled(word: str, results: Mapping[str, Mapping[str, Any]]) -> str:
    """A word with what earlier lines printed in place of {name.field}.

    Raises:
        LookupError: no earlier line of that name printed that field.
    """

    def value(match: re.Match[str]) -> str:
        try:
            return str(results[match[1]][match[2]])
        except KeyError:
            known = ", ".join(f"{name}.{field}" for name, result in results.items() for field in result) or "none"
            raise LookupError(f"{word}: no earlier line printed {match[1]}.{match[2]}; there are {known}") from None

    return re.sub(r"\{(\w+)\.(\w+)\}", value, word)


def _run_command(name: str, argv: list[str]) -> dict[str, Any]:
    module = importlib.import_module(module_of(name))
    started = time.monotonic()
    result = module.main(parse(module.Args, argv)) or {}
    line = {"job": name, **result, "seconds": round(time.monotonic() - started, 2)}
    sys.stderr.write(json.dumps(line, ensure_ascii=False) + "\n")
    return line
