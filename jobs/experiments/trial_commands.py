"""The commands of a trial, each in a lake of its own: made once, shared by trials that ask for the same.

A command's folder is named after its flags, its inputs and the commands before it. What stands there, published, is not
made again: trials that differ in step 3 alone share step 1, and a killed sweep goes on from what it had.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.experiments.apart import bring, last_line, within
from jobs.experiments.flags import Value
from jobs.lake.fault import fault_point
from jobs.lake.partitions import NEGATIVES, TOWER_METRICS, TOWERS, Partition
from jobs.lake.read import exists, pin

log = logging.getLogger(__name__)
Flags = Mapping[str, Value]


class CommandFailed(RuntimeError):
    """A command of a trial ended badly; its log's last line says why."""


@dataclass(frozen=True)
class Made:
    """A partition in a lake of its own. seconds: what it took to make, whenever that was."""

    root: Path
    partition: Partition
    facts: Mapping[str, Any]
    seconds: float

    @property
    def space(self) -> str:
        """Space id of the towers that it is, or was made with."""
        return str(self.facts.get("space_id", ""))


@dataclass
class Bench:
    """Runs commands for trials. inputs: pairs, queries, items, qrels in the lake; contents: their digests."""

    folder: Path
    inputs: Mapping[str, Partition]
    contents: Sequence[str]
    splits: str
    min_relevance: float = 0.0
    limit_s: float = 0.0
    made: list[Made] = field(default_factory=list)

    def towers(self, step: str, flags: Flags, start: Made | None = None, mined: Made | None = None) -> Made:
        """Train: step in_batch from nothing, step star from towers and what they mined."""
        ds = self.inputs["items"].ds
        given = {"start": start, "negatives": mined}
        needs = {name: one for name, one in given.items() if one is not None}
        return self._make("towers", TOWERS.at(ds=ds, step=step), flags, needs)

    def negatives(self, flags: Flags, towers: Made) -> Made:
        """Mine with towers."""
        at = NEGATIVES.at(ds=self.inputs["items"].ds, space=towers.space)
        return self._make("negatives", at, flags, {"towers": towers})

    def measures(self, towers: Made) -> Made:
        """Judge towers by exact search."""
        at = TOWER_METRICS.at(ds=self.inputs["items"].ds, space=towers.space)
        flags: Flags = {"split": self.splits, "min_relevance": self.min_relevance}
        return self._make("tower_metrics", at, flags, {"towers": towers})

    def _make(self, job: str, output: Partition, flags: Flags, needs: Mapping[str, Made]) -> Made:
        said = [job, dict(flags), {name: one.root.name for name, one in needs.items()}, self.contents]
        key = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]
        root = self.folder / f"{job}-{key}"
        root.mkdir(parents=True, exist_ok=True)
        with _held(root / "lock") as lock, within(root):
            if not exists(output):
                for one in needs.values():
                    bring(one.partition, str(one.root), root)
                if isinstance(bert := flags.get("prodbert"), str):
                    bring(Partition.parse(bert), "", root)
                tables = ("items", "queries", "qrels" if job == "tower_metrics" else "pairs")
                words = {
                    **{name: self.inputs[name] for name in tables},
                    **{name: one.partition for name, one in needs.items()},
                    output.name: output,
                    **flags,
                }
                argv = [word for name, value in words.items() for word in (f"--{name}", str(value))]
                self._run(job, argv, root, lock)
                fault_point("sweep.command")
            found = pin(output, even_stopped=True)
        self.made.append(Made(root, output, found.facts, found.manifest.seconds))
        return self.made[-1]

    def shares(self) -> dict[str, float]:
        """Over seeds: the mined negatives that are random fill, or false by estimate; the trainings
        of step 3 that found nothing better on dev and kept step 1's towers."""
        facts = [one.facts for one in self.made if one.partition.name == "negatives"]
        star = [one.facts for one in self.made if one.partition.values.get("step") == "star"]
        found: dict[str, list[float | None]] = {
            "unmoved_frac": [float(one["best_epoch"] == 0) for one in star if "best_epoch" in one],
            "filled_frac": [one.get("filled_frac") for one in facts],
            "false_frac": [
                row["estimate"] for one in facts for row in one.get("false_negatives", []) if row["ranks"] == "all"
            ],
        }
        known = {name: [value for value in values if value is not None] for name, values in found.items()}
        return {name: sum(values) / len(values) for name, values in known.items() if values}

    def _run(self, job: str, argv: Sequence[str], root: Path, lock: int) -> None:
        """Run one command in the trial's lake.

        Raises:
            CommandFailed: it ended badly, or took longer than the limit.
        """
        command = [sys.executable, "-m", "jobs", job, *argv]
        path = root / "command.log"
        log.info("%s: %s", root.name, " ".join(argv))
        # the child holds the lock too: outliving us, it keeps others from doing the same beside it
        with (
            path.open("w", encoding="utf-8") as file,
            subprocess.Popen(
                command,
                env={**os.environ, "NIGHTSHELF_TRIALS": str(root)},
                pass_fds=(lock,),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            try:
                code = process.wait(self.limit_s or None)
            except subprocess.TimeoutExpired:
                _end(process)
                raise CommandFailed(f"{job}: stopped after {self.limit_s:.0f} s, the limit") from None
            except BaseException:
                _end(process)
                raise
        if code:
            raise CommandFailed(f"{job}: exit code {code}: {last_line(path)} (log: {path})")


@contextlib.contextmanager
def _held(path: Path) -> Iterator[int]:
    """Hold a lock, waiting for whoever has it."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("%s: another process makes this; waiting for it", path.parent.name)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end, then make it."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    process.kill()
