"""The commands of a trial, each in a lake of its own: run once, shared by trials that ask for the same.

The folder of a command is named after its flags, its inputs and the commands before it. Where that folder has the
published output, the command is not run again: trials that differ in step 3 alone share step 1, and a killed sweep
continues with what it had.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from jobs.experiments.search_space import Setting
from jobs.lake import storage as store
from jobs.lake.fault import fault_point
from jobs.lake.locks import file_lock
from jobs.lake.partitions import ITEM2VEC, NEGATIVES, TOWER_METRICS, TOWERS, Partition, lake_root
from jobs.lake.read import Pinned, exists, pin
from jobs.platform.html import printable

TRAINED_ON = ("items", "queries", "pairs")
READS = {
    "towers": TRAINED_ON,
    "negatives": TRAINED_ON,
    "tower_metrics": ("items", "queries", "qrels"),
    "item2vec": ("items", "session_items", "holdout_sessions"),
}
log = logging.getLogger(__name__)


class CommandFailed(RuntimeError):
    """A command of a trial failed; the last line of its log says why."""


@dataclass(frozen=True)
class Output:
    """A partition that a command published in the lake below `root`."""

    root: Path
    pinned: Pinned

    @property
    def space(self) -> str:
        """Space id of the towers that it is, or was made with."""
        return str(self.pinned.facts.get("space_id", ""))


@dataclass
class TrialCommands:
    """Runs the commands of a trial. inputs: the study's tables in the lake; contents: their digests."""

    folder: Path
    inputs: Mapping[str, Partition]
    contents: Sequence[str]
    splits: str
    min_relevance: float = 0.0
    limit_s: float = 0.0
    outputs: list[Output] = field(default_factory=list)

    def towers(self, step: str, flags: Setting, start: Output | None = None, mined: Output | None = None) -> Output:
        """Train: step in_batch from random weights, step star from towers and their negatives."""
        needs = {name: output for name, output in (("start", start), ("negatives", mined)) if output}
        return self._make("towers", TOWERS.at(ds=self.inputs["items"].ds, step=step), flags, needs)

    def negatives(self, flags: Setting, towers: Output) -> Output:
        """Mine with towers."""
        output = NEGATIVES.at(ds=self.inputs["items"].ds, space=towers.space)
        return self._make("negatives", output, flags, {"towers": towers})

    def tower_metrics(self, towers: Output) -> Output:
        """Evaluate towers by exact search."""
        output = TOWER_METRICS.at(ds=self.inputs["items"].ds, space=towers.space)
        flags: Setting = {"split": self.splits, "min_relevance": self.min_relevance}
        return self._make("tower_metrics", output, flags, {"towers": towers})

    def item2vec(self, method: str, flags: Setting) -> Output:
        """Train vectors of items, which judge themselves by the sessions that were held out."""
        return self._make("item2vec", ITEM2VEC.at(ds=self.inputs["items"].ds, method=method), flags, {})

    def shares(self) -> dict[str, float]:
        """Means over seeds: mined negatives that are random fill (filled_frac) or false by estimate (false_frac), and
        trainings of step 3 that ended without a better epoch on dev, with the towers of step 1 (unmoved_frac)."""
        made = [(output.pinned.partition, output.pinned.facts) for output in self.outputs]
        stars = [facts for partition, facts in made if partition.values.get("step") == "star"]
        mined = [facts for partition, facts in made if partition.name == "negatives"]
        rows = [row for facts in mined for row in facts.get("false_negatives", []) if row["ranks"] == "all"]
        values = {
            "unmoved_frac": [facts["best_epoch"] == 0 for facts in stars if "best_epoch" in facts],
            "filled_frac": [facts.get("filled_frac") for facts in mined],
            "false_frac": [row["estimate"] for row in rows],
        }
        known = {name: [value for value in given if value is not None] for name, given in values.items()}
        return {name: fmean(given) for name, given in known.items() if given}

    def _make(self, command: str, output: Partition, flags: Setting, needs: Mapping[str, Output]) -> Output:
        recipe = [command, dict(flags), {name: need.root.name for name, need in needs.items()}, self.contents]
        key = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]
        root = self.folder / f"{command}-{key}"
        root.mkdir(parents=True, exist_ok=True)
        with held(root / "lock") as lock, variable("NIGHTSHELF_TRIALS", str(root)):
            if not exists(output):
                for need in needs.values():
                    link(need.pinned.partition, str(need.root), root)
                if isinstance(bert := flags.get("prodbert"), str):
                    link(Partition.parse(bert), "", root)
                given = {name: self.inputs[name] for name in READS[command]} | {output.name: output}
                given |= {name: need.pinned.partition for name, need in needs.items()}
                words = [word for flag, value in {**given, **flags}.items() for word in (f"--{flag}", str(value))]
                self._run(command, words, root, lock)
                fault_point("sweep.command")
            self.outputs.append(Output(root, pin(output, even_stopped=True)))
        return self.outputs[-1]

    def _run(self, command: str, argv: Sequence[str], root: Path, lock: int) -> None:
        """Run one command in the lake of the trial.

        Raises:
            CommandFailed: it failed, or took longer than the limit.
        """
        path = root / "command.log"
        log.info("%s: %s", root.name, " ".join(argv))
        # the child holds the lock too: where it outlives this process, no other starts the same beside it
        with (
            path.open("w", encoding="utf-8") as file,
            subprocess.Popen(
                [sys.executable, "-m", "jobs", command, *argv],
                env={**os.environ, "NIGHTSHELF_TRIALS": str(root)},
                pass_fds=(lock,),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            try:
                code = process.wait(self.limit_s or None)
            except BaseException as error:
                _end(process)
                if isinstance(error, subprocess.TimeoutExpired):
                    raise CommandFailed(f"{command}: stopped after {self.limit_s:.0f} s, the limit") from None
                raise
        if code:
            raise CommandFailed(f"{command}: exit code {code}: {_last_line(path)} (log: {path})")


def link(partition: Partition, source: str, root: Path) -> None:
    """Make a partition of another trial's lake (or, with no source, of the lake) readable below root, without a copy."""
    below = partition.uri.removeprefix(partition.root).lstrip("/")
    origin = f"{source or lake_root()}/{below}"
    target = root / below
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if store.is_local(origin):
        target.symlink_to(store.local_path(origin), target_is_directory=True)
        return
    for name, _ in store.list_files(origin):
        store.copy(f"{origin}/{name}", str(target / name))


@contextlib.contextmanager
def variable(name: str, value: str) -> Iterator[None]:
    """Set a variable of the environment, here and for commands started within."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


@contextlib.contextmanager
def held(path: Path) -> Iterator[int]:
    """Hold a lock, waiting for the process that has it."""
    with file_lock(path) as file:
        yield file.fileno()


def _last_line(path: Path) -> str:
    lines = path.read_text("utf-8", errors="replace").strip().splitlines()
    return printable(lines[-1].strip(), 400) if lines else "its log is empty"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end, then kill it."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    process.kill()
