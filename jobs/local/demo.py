"""Run the whole corridor on this machine, to a promoted index.

A synthetic Polish marketplace, or real queries and products from a labelled folder (--data). A stage that did not change is not run again.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

from annotated_types import Ge
from rich.console import Console

from jobs.lake.partitions import CLICK_COUNTS, LABELS, LOG, PAIRS, QRELS, Partition
from jobs.local.airflow_env import airflow, airflow_env, prepare
from jobs.local.stages import Stage, StageRecord
from jobs.local.summary import champion, show, write_summary
from jobs.platform.arguments import CommandArgs
from jobs.platform.tracking import home


class Args(CommandArgs):
    """data      labelled folder (items and relevance files); empty: the synthetic marketplace
    preset    size of the towers: tiny, small, minilm or base
    ds        last day of the log
    days      days of log
    items     items of the marketplace
    queries   queries of the marketplace
    searches  searches a day
    """

    data: str = ""
    preset: str = "tiny"
    ds: str = "2026-01-31"
    days: Annotated[int, Ge(2)] = 5
    items: int = 20_000
    queries: int = 4_000
    searches: int = 12_000

    def __post_init__(self) -> None:
        if self.data and not Path(self.data).is_dir():
            raise ValueError(f"data={self.data}: no such folder; expected one with items and relevance")


def main(args: Args) -> None:
    """Run the stages that changed, then print the measures, the seconds of each stage and the paths."""
    if args.data:  # another shop: a lake and a home of its own
        name = Path(args.data).resolve().name
        os.environ.setdefault("NIGHTSHELF_LAKE", f"lake-{name}")
        os.environ.setdefault("NIGHTSHELF_HOME", f"var-{name}")
    os.environ.setdefault("NIGHTSHELF_SHARDS", "1")
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 110)
    console.rule(f"Nightshelf demo: {args.data or 'synthetic marketplace'}")
    env = airflow_env() | {"COLUMNS": "400"}  # or Airflow's test run wraps its log lines
    prepare(env)
    record = StageRecord(home() / "demo.json", env, console)
    for stage in stages(args):
        record.run(stage)
    show(write_summary(record.seconds()), Console())


def stages(args: Args) -> list[Stage]:
    """The demo's commands in order: two batches that make a past, then the DAGs of the last day."""
    days = _days(args)
    conf: dict[str, str | int] = {"ds": args.ds, "labels_ds": args.ds}
    # one hard negative per query and step: a third of the time of the default, four
    weekly = conf | {"preset": args.preset, "hard_negatives": 1}
    past = [
        "items --catalogue catalogue/ds={1} --items items/ds={0}",
        "impressions --log log/ds={0} --impressions impressions/ds={0}",
        "click_counts --impressions impressions/ds={0} --late_impressions late_impressions/ds={0} --items items/ds={0}"
        + " --click_counts click_counts/ds={0} --query_counts query_counts/ds={0}",
    ]
    return [
        _batch(
            "shop",
            [line for ds in days for line in _shop(args, ds)],
            [LABELS.at(ds=args.ds), *(LOG.at(ds=ds) for ds in days)],
        ),
        _batch(
            "history",
            [line.format(ds, _source(args, ds)) for ds in days[:-1] for line in past],
            [CLICK_COUNTS.at(ds=ds) for ds in days[:-1]],
        ),
        _dag("pairs_daily", conf, lambda: [PAIRS.at(ds=args.ds), QRELS.at(ds=args.ds)]),
        _dag("towers_weekly", weekly, lambda: [*champion()]),
    ]


def _shop(args: Args, ds: str) -> list[str]:
    """The day's catalogue, labels and log. A labelled folder is one catalogue for all days."""
    source = _source(args, ds)
    made = f"--catalogue catalogue/ds={source} --labels labels/ds={source}"
    lines = []
    if not args.data:
        lines = [f"marketplace {made} --items {args.items} --queries {args.queries}"]
    elif ds == _days(args)[0]:
        lines = [f"labelled --folder {shlex.quote(args.data)} {made}"]
    return [
        *lines,
        f"simulate {made} --log log/ds={ds} --simulated_truth simulated_truth/ds={ds} --searches {args.searches}",
    ]


def _source(args: Args, ds: str) -> str:
    """The day whose catalogue a day has."""
    return args.ds if args.data else ds


def _days(args: Args) -> list[str]:
    last = date.fromisoformat(args.ds)
    return [(last - timedelta(days=back)).isoformat() for back in reversed(range(args.days))]


def _batch(name: str, lines: list[str], outputs: list[Partition]) -> Stage:
    command = (sys.executable, "-m", "jobs", "batch", "--commands", "-")
    return Stage(name, command, lambda: outputs, "\n".join(lines))


def _dag(name: str, conf: dict[str, str | int], outputs: Callable[[], list[Partition]]) -> Stage:
    return Stage(name, tuple(airflow("dags", "test", name, "--conf", json.dumps(conf))), outputs)
