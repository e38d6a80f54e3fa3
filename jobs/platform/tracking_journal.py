"""A journal of what MLflow is told: a file of JSON lines for each open mlflow_run, deleted when MLflow has it all.

A file that stays belongs to a process that was killed, or holds entries that MLflow did not take. `python -m jobs
replay_tracking` sends them. The files lie in NIGHTSHELF_HOME/mlflow_journal, named by time, so they are sent in order.
"""

from __future__ import annotations

import base64
import json
import os
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.lake.locks import file_lock

if TYPE_CHECKING:
    from mlflow import MlflowClient

Entry = dict[str, Any]
MODE, FOLDER_MODE = 0o640, 0o750  # a report holds queries
ENDED = ("FINISHED", "FAILED", "KILLED")
ALERTED = "alerted"  # the day of the last alert
_left: list[Path] = []


class Journal:
    """One open file; its lock tells a running job from a killed one."""

    def __init__(self, folder: Path, head: Entry) -> None:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        self.path = folder / f"{now():%Y-%m-%dT%H%M%S.%f}-{head['key'][:12]}.jsonl"
        self._file = file_lock(self.path)
        os.fchmod(self._file.fileno(), MODE)
        self.keeps = False
        self._write(head)

    def created(self, run_id: str) -> None:
        """Note the id that MLflow gave."""
        self._write({"run_id": run_id})

    def keep(self, entry: Entry) -> None:
        """Keep an entry that MLflow did not take."""
        self.keeps = True
        self._write(entry)

    def close(self) -> None:
        """Delete the file, or leave it to `replay_tracking`."""
        if self.keeps:
            _left.append(self.path)
        else:
            self.path.unlink()
        self._file.close()

    def _write(self, entry: Entry) -> None:
        self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        self._file.flush()


def journals(folder: Path) -> list[Path]:
    """The files, the oldest first."""
    return sorted(folder.glob("*.jsonl"))


def alert_once() -> list[str]:
    """The alert of a command that left journals: once a day, not once for each of a night's tasks."""
    if not _left:
        return []
    folder, today = _left[0].parent, f"{now():%Y-%m-%d}"
    mark = folder / ALERTED
    if mark.is_file() and mark.read_text("utf-8") == today:
        return []
    mark.write_text(today, "utf-8")
    return [f"MLflow is down or refuses: {folder} keeps what it missed; `python -m jobs replay_tracking` sends it"]


def read(path: Path) -> list[Entry]:
    """The entries of a file; a last line that was cut off by a kill is no entry."""
    entries: list[Entry] = []
    with suppress(ValueError):
        for line in path.read_text("utf-8").splitlines():
            entries.append(json.loads(line))
    return entries


def now() -> datetime:
    """The time, UTC."""
    return datetime.now(UTC)


def now_ms() -> int:
    """The time in milliseconds since 1970, as MLflow counts."""
    return int(now().timestamp() * 1000)


def file_entry(name: str, data: bytes, folder: str = "") -> Entry:
    """An artefact."""
    return {"file": name, "folder": folder, "base64": base64.b64encode(data).decode()}


def send(api: MlflowClient, run_id: str, entry: Entry) -> None:
    """Tell MLflow. An entry may be sent twice: times, steps and names are its own."""
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

    match entry:
        case {"metrics": values, "at": at, "step": step}:
            metrics = [Metric(name, value, at, step) for name, value in values.items()]
            api.log_batch(run_id, metrics=metrics)
        case {"params": values}:
            api.log_batch(run_id, params=[Param(name, value) for name, value in values.items()])
        case {"tags": values}:
            api.log_batch(run_id, tags=[RunTag(name, value) for name, value in values.items()])
        case {"inputs": rows}:
            datasets = [
                DatasetInput(
                    Dataset(row["partition"], row["digest"], "local", json.dumps({"uri": row["uri"]})),
                    [InputTag("mlflow.data.context", row["table"])],
                )
                for row in rows
            ]
            api.log_inputs(run_id, datasets)
        case {"file": name, "folder": folder, "base64": data}:
            with tempfile.TemporaryDirectory() as place:
                path = Path(place) / name
                path.write_bytes(base64.b64decode(data))
                api.log_artifact(run_id, str(path), folder or None)
        case {"status": status, "at": at} if status in ENDED:
            api.set_terminated(run_id, status, at)
        case {"status": status}:
            api.update_run(run_id, status=status)
        case _:
            raise ValueError(f"not an entry: {list(entry)}")
