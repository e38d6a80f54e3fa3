"""The manifest of a published version: `_manifest.json`, written before the pointer and never changed."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from jobs.lake.partitions import FORMER_TABLES, spelled_today

MANIFEST = "_manifest.json"
POINTER = "_current.json"
VERDICT = "_verdict.json"
# lies beside a manifest whose quarantine jobs.privacy.retention has deleted
EXPIRED = "_expired.json"
# folders whose files are not rows of the table: rejected rows; ids of items removed since the previous day; lists of each
# arm beside the lists that are served
QUARANTINE, ARM_LISTS = "quarantine", "arms"
ASIDE = (QUARANTINE, "tombstones", ARM_LISTS)


@dataclass(frozen=True)
class FileEntry:
    """One file of a partition. role: data, or the folder of ASIDE that holds it.

    content_sha256: of a Parquet file, a digest of its schema and its data pages. Spark's Java writes a footer that lists
    encodings in an order drawn anew by every JVM, so two files with the same rows may differ in their sha256.
    """

    name: str
    bytes: int
    sha256: str
    rows: int | None
    role: str
    content_sha256: str = ""


@dataclass(frozen=True)
class Source:
    """An input partition, pinned to the version that was read."""

    partition: str
    attempt: str
    manifest_sha256: str
    content_sha256: str


@dataclass(frozen=True)
class Accounting:
    """Rows in = rows out + rows dropped for each reason. unit: log lines, searches, ..."""

    unit: str
    rows_in: int
    rows_out: int
    dropped: dict[str, int]

    def __post_init__(self) -> None:
        lost = self.rows_in - self.rows_out - sum(self.dropped.values())
        if lost:
            raise RuntimeError(
                f"row accounting of {self.unit}: {self.rows_in:,} in, {self.rows_out:,} out, "
                f"dropped {self.dropped}: {lost:,} rows have no reason; this is a defect of the job"
            )


@dataclass(frozen=True)
class Manifest:
    """Everything needed to trust, trace and repeat a partition."""

    partition: str
    table_version: int
    attempt: str
    created_at: str
    job: str
    args: dict[str, Any]
    inputs: list[Source]
    files: list[FileEntry]
    rows: int
    accounting: list[Accounting]
    facts: dict[str, Any]
    simulated: bool
    code_version: str
    mlflow_run_id: str
    seconds: float
    content_sha256: str = field(default="")

    def size(self) -> str:
        """Rows, or files and megabytes where the files have no rows to count."""
        if self.rows:
            return f"{self.rows:,} rows"
        megabytes = sum(entry.bytes for entry in self.files) / 1e6
        return f"{len(self.files)} files, {megabytes:.1f} MB"

    def to_json(self) -> bytes:
        """Canonical bytes, of which `manifest_sha256` is the digest."""
        return json.dumps(asdict(self), indent=1, sort_keys=True, ensure_ascii=False).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Manifest:
        """Read a manifest, with today's names of tables and keys."""
        values = json.loads(data)
        values["partition"] = spelled_today(values["partition"])
        values["args"] = {FORMER_TABLES.get(name, name): value for name, value in values["args"].items()}
        sources = [{**source, "partition": spelled_today(source["partition"])} for source in values["inputs"]]
        values["inputs"] = [Source(**source) for source in sources]
        values["files"] = [FileEntry(**entry) for entry in values["files"]]
        values["accounting"] = [Accounting(**row) for row in values["accounting"]]
        return cls(**values)


def content_sha256(files: list[FileEntry]) -> str:
    """One digest over names and contents: equal for two runs that made the same partition."""
    lines = sorted(f"{entry.name} {entry.content_sha256 or entry.sha256}" for entry in files)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@cache
def code_version() -> str:
    """Commit of the running code, `+dirty` when files differ from it; NIGHTSHELF_CODE_VERSION in an image."""
    if stated := os.environ.get("NIGHTSHELF_CODE_VERSION"):
        return stated
    here = Path(__file__).resolve().parents[2]
    try:
        commit = _git(here, "rev-parse", "--short=12", "HEAD")
        return f"{commit}+dirty" if _git(here, "status", "--porcelain", "-uno") else commit
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
