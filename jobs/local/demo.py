"""Run the whole corridor on this machine, to a new champion.

A synthetic Polish marketplace, or real queries and products from a labelled folder (--data). A stage that did not change is not run again.
People of the marketplace have a taste, so that sessions say what goes together: it gets recommendations too.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge
from rich.console import Console
from rich.table import Table

from jobs.bundle.recommendations import open_recommendations
from jobs.evaluation.room import RECOMMENDATIONS as LISTED
from jobs.evaluation.room import SEARCH, ReportRoom
from jobs.lake import storage as store
from jobs.lake.alias import CHAMPION, pin_alias
from jobs.lake.ancestry import ancestry, each
from jobs.lake.arrow import strings, where
from jobs.lake.manifest import code_version
from jobs.lake.partitions import CLICK_COUNTS, LABELS, LOG, PAIRS, QRELS, RECOMMENDATIONS, REPORT, Partition
from jobs.lake.read import Pinned, exists, pin, read_table
from jobs.local.airflow_env import airflow, airflow_env, prepare
from jobs.platform.arguments import CommandArgs, Fraction, OneOf
from jobs.platform.html import printable
from jobs.platform.tracking import home, tracking_uri

SETTINGS = ("NIGHTSHELF_LAKE", "NIGHTSHELF_HOME")
LISTS = Path(__file__).with_name("lists.txt")
# modules whose lines go to the screen too
MARKS = ("jobs.lake.publish: ", "jobs.platform.progress: ", "jobs.towers.training_loop: ", "jobs.local.demo: ")


class Args(CommandArgs):
    """data      labelled folder, as the command labelled reads it (CSV pair, ESCI, WANDS, BEIR); empty: the synthetic marketplace
    preset    size of the towers: tiny, small, minilm or base
    learn     pairs to train on: clicks, labels or both; empty: both where --data has labels of split train
    ds        last day of the log
    days      days of log
    items     items of the marketplace
    queries   queries of the marketplace
    searches  searches a day
    taste     share of the marketplace's behaviour that follows people's taste; 0: nothing goes together, and no
              recommendations are made. A labelled folder has none
    """

    data: str = ""
    preset: str = "tiny"
    learn: Annotated[str, OneOf("", "clicks", "labels", "both")] = ""
    ds: str = "2026-01-31"
    days: Annotated[int, Ge(2)] = 5
    items: int = 20_000
    queries: int = 4_000
    searches: int = 12_000
    taste: Fraction = 0.7

    @property
    def recommends(self) -> bool:
        """Whether sessions say something."""
        return not self.data and self.taste > 0

    def __post_init__(self) -> None:
        if self.data and not Path(self.data).is_dir():
            raise ValueError(f"data={self.data}: no such folder; expected one with items and relevance")
        if self.learn in ("labels", "both") and not self.data:
            raise ValueError(
                f"learn={self.learn}: the labels of the synthetic marketplace are the truth that judges it; give --data"
            )


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
    weekly = conf | {
        "preset": args.preset,
        "hard_negatives": 1,
        "learn": args.learn or ("auto" if args.data else "clicks"),
    }
    if weekly["learn"] != "clicks":
        weekly["judged_negatives"] = 1
    past = [
        "items --catalogue catalogue/ds={1} --items items/ds={0}",
        "impressions --log log/ds={0} --impressions impressions/ds={0}",
        "click_counts --impressions impressions/ds={0} --late_impressions late_impressions/ds={0} --items items/ds={0}"
        + " --click_counts click_counts/ds={0} --query_counts query_counts/ds={0}",
    ]
    if args.recommends:
        past.append("session_events --item_events item_events/ds={0} --session_events session_events/ds={0}")
    lists = _batch("lists", LISTS.read_text("utf-8").splitlines(), [RECOMMENDATIONS.at(ds=args.ds)], args.ds)
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
        *([lists] if args.recommends else []),
    ]


def _shop(args: Args, ds: str) -> list[str]:
    """The day's catalogue, labels and log. A labelled folder is one catalogue for all days."""
    source = _source(args, ds)
    made = f"--catalogue catalogue/ds={source} --labels labels/ds={source}"
    lines = []
    if not args.data:
        lines = [f"marketplace {made} --items {args.items} --queries {args.queries}"]
    elif ds == _days(args)[0]:
        lines = [f"labelled --folder {shlex.quote(args.data)} --splits auto {made}"]
    return [
        *lines,
        f"simulate {made} --log log/ds={ds} --simulated_truth simulated_truth/ds={ds} --searches {args.searches}"
        + (f" --taste {args.taste}" if args.recommends else ""),
    ]


def _source(args: Args, ds: str) -> str:
    """The day whose catalogue a day has."""
    return args.ds if args.data else ds


def _days(args: Args) -> list[str]:
    last = date.fromisoformat(args.ds)
    return [(last - timedelta(days=back)).isoformat() for back in reversed(range(args.days))]


def _batch(name: str, lines: list[str], outputs: list[Partition], ds: str = "") -> Stage:
    command = (sys.executable, "-m", "jobs", "batch", "--commands", "-", "--ds", ds)
    return Stage(name, command, lambda: outputs, "\n".join(lines))


def _dag(name: str, conf: dict[str, str | int], outputs: Callable[[], list[Partition]]) -> Stage:
    return Stage(name, tuple(airflow("dags", "test", name, "--conf", json.dumps(conf))), outputs)


@dataclass(frozen=True)
class Stage:
    """One command line of the demo. outputs: called after it ran, the partitions that it must have published."""

    name: str
    command: tuple[str, ...]
    outputs: Callable[[], Sequence[Partition]]
    stdin: str = ""

    @property
    def key(self) -> str:
        """Changes when the command, its input lines or the code do."""
        recipe = json.dumps([self.command, self.stdin, code_version()])
        return hashlib.sha256(recipe.encode()).hexdigest()


class StageRecord:
    """The stages that ran, their seconds, and the versions that they published, in one JSON file."""

    def __init__(self, path: Path, env: Mapping[str, str], console: Console) -> None:
        self.path = path
        self.env = dict(env)
        self.console = console
        self.entries: dict[str, dict[str, object]] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
        self.changed = False

    def is_current(self, stage: Stage) -> bool:
        """Whether the stage ran with the same key and all it published is still what readers see."""
        entry = self.entries.get(stage.name, {})
        if self.changed or entry.get("key") != stage.key:
            return False
        outputs = entry.get("outputs")
        return isinstance(outputs, dict) and all(
            _version(partition) == version for partition, version in outputs.items()
        )

    def run(self, stage: Stage) -> None:
        """Run the stage unless it is current; its log goes to a file, news of what it publishes to the screen.

        Raises:
            RuntimeError: the command failed; names the log file and shows its last lines.
        """
        if self.is_current(stage):
            seconds = self.entries[stage.name]["seconds"]
            self.console.print(f"[dim]{stage.name:<14} unchanged (took {seconds:.0f} s when it ran)")
            return
        self.changed = True  # what follows reads what this stage writes
        self.console.print(f"[bold]{stage.name:<14}[/] running ...")
        started = time.monotonic()
        self._execute(stage)
        seconds = time.monotonic() - started
        versions = {str(partition): _version(str(partition)) for partition in stage.outputs()}
        self.entries[stage.name] = {"key": stage.key, "seconds": round(seconds, 1), "outputs": versions}
        store.write_bytes(str(self.path), json.dumps(self.entries, indent=1).encode())
        self.console.print(f"[bold]{stage.name:<14}[/] [green]done[/] in {seconds:.0f} s")

    def seconds(self) -> dict[str, float]:
        """Wall time of each stage when it last ran, in seconds."""
        return {name: float(str(entry["seconds"])) for name, entry in self.entries.items()}

    def _execute(self, stage: Stage) -> None:
        logs = self.path.parent / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        path = logs / f"{stage.name}.log"
        with (
            path.open("w", encoding="utf-8") as file,
            subprocess.Popen(
                stage.command,
                env=self.env,
                text=True,
                encoding="utf-8",
                errors="replace",
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(stage.stdin)
            process.stdin.close()
            for line in process.stdout:
                file.write(line)
                if text := news(line):
                    self.console.print(f"{'':<15}[dim]{text}", markup=True, highlight=False)
        if process.returncode:
            tail = "\n".join(path.read_text("utf-8").splitlines()[-15:])
            raise RuntimeError(
                f"{stage.name}: exit code {process.returncode}; its last lines:\n{tail}\nthe whole log: {path}"
            )


def news(line: str) -> str:
    """The text of a progress line of ours; empty for every other line of a log."""
    for mark in MARKS:
        _, is_ours, text = line.partition(mark)
        if is_ours:
            # Airflow's test run adds where it was logged
            return text.partition(" [airflow.")[0].strip().replace("[", r"\[")
    return ""


def _version(partition: str) -> str:
    try:
        return pin(Partition.parse(partition), even_stopped=True).manifest_sha256
    except (LookupError, RuntimeError, FileNotFoundError):
        return ""


def champion() -> tuple[Partition, Partition]:
    """The promoted index and the report that judged it."""
    index = pin_alias(CHAMPION).partition
    return index, REPORT.at(**index.values)


def write_summary(stage_seconds: Mapping[str, float]) -> dict[str, Any]:
    """Write NIGHTSHELF_HOME/summary.json from the champion's report and the manifests behind it."""
    report = pin(champion()[1])
    report_summary = json.loads(report.path("summary.json").read_text("utf-8"))
    rooms: dict[str, float] = {}
    for manifest in (ancestor.pinned.manifest for ancestor in each(ancestry(report)) if ancestor.pinned):
        room = manifest.job.removeprefix("jobs.")
        rooms[room] = rooms.get(room, 0.0) + manifest.seconds
    summary = {
        "measures": report_summary["measures"],
        "verdict": report_summary["verdict"],
        "example_query": _example_query(report),
        "simulated": report.manifest.simulated,
        "seconds": {name: round(value, 1) for name, value in stage_seconds.items()},
        "job_seconds": {name: round(value, 1) for name, value in sorted(rooms.items())},
        "paths": {
            "report": str(report.path("report.html")),
            "data_docs": str(home() / "data_docs" / "index.html"),
            "mlflow": tracking_uri(),
            "summary": str(home() / "summary.json"),
        },
    }
    summary |= _lists_summary(report.partition.ds)
    store.write_bytes(str(home() / "summary.json"), json.dumps(summary, indent=1).encode())
    return summary


def _lists_summary(ds: str) -> dict[str, Any]:
    """Measures of the day's recommendations, their verdict and report, and an item to look at; empty where there are none."""
    if not exists(at := RECOMMENDATIONS.at(ds=ds)):
        return {}
    bundle = pin(at)
    report = pin(REPORT.at(ds=ds, space=bundle.facts["lists_id"]), even_stopped=True)
    found = json.loads(report.path("summary.json").read_text("utf-8"))
    items = [hit.item_id for hit in open_recommendations(bundle).popular(1)]
    names = {
        "lists_measures": found["measures"],
        "lists_verdict": found["verdict"],
        "lists_report": str(report.path("report.html")),
    }
    return {**names, "example_item": items[0] if items else ""}


def _example_query(report: Pinned) -> str:
    """The shop's most searched test query, to be proposed at the end."""
    source = next(source for source in report.manifest.inputs if source.partition.startswith("queries/"))
    rows = read_table(pin(Partition.parse(source.partition), attempt=source.attempt), ["query", "searches", "split"])
    tested = where(rows, "split", "test").sort_by([("searches", "descending"), ("query", "ascending")])
    queries = strings(tested, "query")
    return printable(queries[0]) if queries else ""


def show(summary: Mapping[str, Any], console: Console) -> None:
    """Print measures, seconds and paths."""
    console.print(_measures("Held-out queries, whole catalogue", SEARCH, summary["measures"]))
    if "lists_measures" in summary:
        console.print(
            _measures("Recommendations: the last item of held-out sessions", LISTED, summary["lists_measures"])
        )
    console.print(_seconds(summary))
    if summary["simulated"]:
        console.print("[yellow]The search log is simulated; these figures say nothing of real users.")
    console.print(f"verdict    {summary['verdict']}")
    for name, path in summary["paths"].items():
        console.print(f"{name:<10} {path}", highlight=False, soft_wrap=True)
    given = "".join(f"{key}={os.environ[key]} " for key in SETTINGS if key in os.environ)
    commands = [f"search --query {shlex.quote(summary['example_query'])}"]
    if "lists_measures" in summary:
        console.print(
            f"{'lists':<10} {summary['lists_report']} ({summary['lists_verdict']})", highlight=False, soft_wrap=True
        )
        if summary["lists_verdict"] == "pass":  # else nothing may serve yet
            commands.append(f"recommend --item {shlex.quote(summary['example_item'])}")
    for command in commands:
        console.print(f"\nNext: {given}.venv/bin/python -m jobs {command}", highlight=False, soft_wrap=True)


def _measures(title: str, room: ReportRoom, arms: Mapping[str, Mapping[str, float]]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("arm")
    for name in room.shown:
        table.add_column(name, justify="right")
    for arm, measures in arms.items():
        table.add_row(arm, *(f"{measures[name]:.3f}" for name in room.shown))
    return table


def _seconds(summary: Mapping[str, Any]) -> Table:
    table = Table(title="Where the time went", title_justify="left")
    table.add_column("stage")
    table.add_column("seconds", justify="right")
    for name, seconds in summary["seconds"].items():
        table.add_row(name, f"{seconds:.0f}")
    table.add_section()
    for name, seconds in sorted(summary["job_seconds"].items(), key=lambda row: -row[1])[:8]:
        table.add_row(f"  {name}", f"{seconds:.0f}")
    return table
