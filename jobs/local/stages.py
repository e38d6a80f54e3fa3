"""The record of the demo's stages: one whose command, code and outputs have not changed is not run again."""

from __future__ import annotations

import hashlib
import json
import logging
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from jobs.lake import storage as store
from jobs.lake.manifest import code_version
from jobs.lake.partitions import Partition
from jobs.lake.read import pin

log = logging.getLogger(__name__)
# modules whose lines go to the screen too
MARKS = ("jobs.lake.publish: ", "jobs.platform.progress: ", "jobs.towers.training_loop: ", "jobs.local.demo: ")


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
