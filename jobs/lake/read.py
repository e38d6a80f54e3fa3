"""Read a partition: resolve the pointer once, hold that version, check every listed file before use."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyarrow import fs

from jobs.lake import storage as store
from jobs.lake.commands import is_command
from jobs.lake.manifest import EXPIRED, MANIFEST, POINTER, QUARANTINE, VERDICT, FileEntry, Manifest, Source
from jobs.lake.partitions import FORMER_KEYS, FORMER_TABLES, KEYS, Partition, Table

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.dataset


@dataclass(frozen=True)
class Pinned:
    """One version of a partition, held for the length of a job."""

    partition: Partition
    manifest: Manifest
    manifest_sha256: str

    @property
    def uri(self) -> str:
        """The folder of this version."""
        return attempt_uri(self.partition, self.manifest.attempt)

    @property
    def facts(self) -> dict[str, Any]:
        """Figures that the job wrote beside the files."""
        return self.manifest.facts

    @property
    def bundle_id(self) -> str:
        """The first twelve digits of the manifest's sha256: the short name of this version."""
        return self.manifest_sha256[:12]

    @property
    def source(self) -> Source:
        """This version as the input of another one."""
        return Source(str(self.partition), self.manifest.attempt, self.manifest_sha256, self.manifest.content_sha256)

    def entries(self, role: str = "data") -> list[FileEntry]:
        """The listed files of a role."""
        return [entry for entry in self.manifest.files if entry.role == role]

    def has(self, name: str) -> bool:
        """Whether a file of this name is listed."""
        return any(entry.name == name for entry in self.manifest.files)

    def files(self, role: str = "data") -> list[str]:
        """URIs of the listed files of a role, each checked against its size and sha256.

        Raises:
            RuntimeError: a file is missing or differs from the manifest.
        """
        return [self.check(entry) for entry in self.entries(role)]

    def path(self, name: str) -> Path:
        """A checked local path of one file; fetched first when the lake is remote."""
        entry = next((entry for entry in self.manifest.files if entry.name == name), None)
        if entry is None:
            known = ", ".join(entry.name for entry in self.manifest.files)
            raise LookupError(f"{self.partition}: no file {name!r}; it has {known}")
        self.check(entry)
        if store.is_local(self.uri):
            return store.local_path(self.uri) / name
        target = Path(self._cache.name) / name
        store.copy(f"{self.uri}/{name}", str(target))
        return target

    @cached_property
    def _cache(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(prefix="nightshelf-")

    def check(self, entry: FileEntry) -> str:
        """The URI of a listed file, after a check against the manifest.

        Raises:
            RuntimeError: it is missing or differs.
            LookupError: it has expired.
        """
        try:
            digest = store.sha256(f"{self.uri}/{entry.name}")
        except FileNotFoundError:
            refuse_expired(str(self.partition), self.uri, entry)
            digest = "no such file"
        if digest != entry.sha256:
            raise RuntimeError(
                f"{self.partition}: {entry.name} has sha256 {digest}, its manifest says {entry.sha256}; "
                f"the file is damaged: run the job again that wrote it ({self.manifest.job})"
            )
        return f"{self.uri}/{entry.name}"


def attempt_uri(partition: Partition, attempt: str) -> str:
    """The folder of one version of a partition."""
    return f"{partition.uri}/attempts/{attempt}"


def pointer(uri: str) -> dict[str, str]:
    """The pointer in a partition's folder: attempt and manifest_sha256 of its version; empty before the first."""
    try:
        content: dict[str, str] = json.loads(store.read_bytes(f"{uri}/{POINTER}"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return content


def exists(partition: Partition) -> bool:
    """Whether the partition has been published; a pointer that is damaged counts, for `pin` to name."""
    try:
        store.read_bytes(f"{partition.uri}/{POINTER}")
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def pin(partition: Partition, attempt: str = "", even_stopped: bool = False) -> Pinned:
    """Resolve the pointer once and hold that version, or an older one that `attempt` names.

    Raises:
        LookupError: the partition was never published.
        RuntimeError: its manifest is damaged, or its data-quality verdict is `stop`.
    """
    current = {} if attempt else pointer(partition.uri)
    if not attempt and not current:
        maker = f"python -m jobs {partition.name} --help" if is_command(partition.name) else "python -m jobs"
        raise LookupError(
            f"{partition}: not published in the lake at {partition.root}; `{maker}` says how to make it"
            f"{_migration_hint(partition)}"
        )
    attempt = attempt or current["attempt"]
    data = store.read_bytes(f"{attempt_uri(partition, attempt)}/{MANIFEST}")
    digest = hashlib.sha256(data).hexdigest()
    if current and digest != current["manifest_sha256"]:
        raise RuntimeError(
            f"{partition}: manifest has sha256 {digest}, the pointer says {current['manifest_sha256']}; "
            f"the manifest was changed after publishing: run the job again"
        )
    pinned = Pinned(partition, Manifest.from_json(data), digest)
    if not even_stopped and (verdict := read_verdict(pinned)).get("verdict") == "stop":
        raise RuntimeError(
            f"{partition}: stopped by its data-quality verdict ({'; '.join(verdict['stops'])}); "
            f"repair the input and run {pinned.manifest.job} and jobs.quality.expect again"
        )
    return pinned


def _migration_hint(partition: Partition) -> str:
    """A hint for lakes of before, where folders have the former name of the table or of its key."""
    formers = tuple(f"{former}_v" for former, name in FORMER_TABLES.items() if name == partition.name)
    keys = tuple(f"{former}=" for former, key in FORMER_KEYS.items() if key in partition.table.keys)
    tables = store.folders(partition.root) if formers else []
    values = store.folders(f"{partition.table.uri}/ds={partition.ds}") if keys else []
    is_former = any(name.startswith(formers) for name in tables) or any(name.startswith(keys) for name in values)
    return "; this lake has former names: `python -m jobs migrate` renames them first" if is_former else ""


def read_verdict(pinned: Pinned) -> dict[str, Any]:
    """The verdict of `jobs.quality.expect` on this version; empty when it was not checked yet."""
    try:
        verdict: dict[str, Any] = json.loads(store.read_bytes(f"{pinned.uri}/{VERDICT}"))
    except FileNotFoundError:
        return {}
    return verdict


def read_table(pinned: Pinned, columns: Sequence[str] | None = None, where: pc.Expression | None = None) -> pa.Table:
    """The rows of a Parquet partition as an Arrow table. Only the listed files are opened."""
    return dataset(pinned).to_table(columns=None if columns is None else list(columns), filter=where)


def dataset(pinned: Pinned) -> pyarrow.dataset.Dataset:
    """The Parquet files of a partition as one Arrow dataset, for reading in batches."""
    import pyarrow.dataset  # it imports pandas, which no service and no rollback should wait for

    files = [uri for uri in pinned.files() if uri.endswith(".parquet")]
    if not files:
        raise LookupError(f"{pinned.partition}: it lists no Parquet file")
    system, _ = store.filesystem(files[0])
    paths = [store.filesystem(uri)[1] for uri in files]
    return pyarrow.dataset.dataset(paths, filesystem=system, format="parquet")


def published_days(table: Table, first: str, last: str) -> list[str]:
    """Days of a daily table that are published, first <= day <= last, in order."""
    return [day for day in _values(table.uri, "ds") if first <= day <= last and exists(table.at(ds=day))]


def newest_day(table: Table) -> str:
    """The newest published day of a daily table; empty where none is. Only as many pointers are read as it takes."""
    return next((day for day in reversed(_values(table.uri, "ds")) if exists(table.at(ds=day))), "")


def record_batches(pinned: Pinned, columns: Sequence[str], rows: int, role: str = "data") -> Iterator[pa.RecordBatch]:
    """Columns of a partition's Parquet files, at most `rows` rows at a time, in the order of the files.

    Each file is checked against the manifest when its turn comes. Local files are memory-mapped, so that the system
    can drop their pages when other processes need the memory.
    """
    import pyarrow.parquet as pq

    system, _ = store.filesystem(pinned.uri)
    if isinstance(system, fs.LocalFileSystem):
        system = fs.LocalFileSystem(use_mmap=True)
    for entry in pinned.entries(role):
        if not entry.name.endswith(".parquet"):
            continue
        _, path = store.filesystem(pinned.check(entry))
        with system.open_input_file(path) as source, pq.ParquetFile(source) as file:
            yield from file.iter_batches(rows, columns=list(columns))


def published_partitions(table: Table, first: str = "", before: str = "") -> list[Partition]:
    """Published partitions of a table with keys (ds, other), in order of both. first <= ds < before, where given."""
    day_key, key = table.keys
    partitions = [
        table.at(**{day_key: ds, key: value})
        for ds in _values(table.uri, day_key)
        if ds >= first and (not before or ds < before)
        for value in _values(f"{table.uri}/{day_key}={ds}", key)
    ]
    return [partition for partition in partitions if exists(partition)]


def _values(place: str, key: str) -> list[str]:
    """Valid values of a key among the folders of a place; other folders are ignored."""
    is_valid, _ = KEYS[key]
    names = (name for name in store.folders(place) if name.startswith(f"{key}="))
    return sorted(filter(is_valid, (name.removeprefix(f"{key}=") for name in names)))


def expired(uri: str, entry: FileEntry) -> bool:
    """Whether a listed file belongs to a quarantine that jobs.privacy.retention has deleted since."""
    return entry.role == QUARANTINE and store.is_file(f"{uri}/{EXPIRED}")


def refuse_expired(partition: str, uri: str, entry: FileEntry) -> None:
    """Refuse a missing file of an expired quarantine with an error that names the reason.

    Raises:
        LookupError: its quarantine has expired.
    """
    if expired(uri, entry):
        raise LookupError(
            f"{partition}: {entry.name} was deleted by jobs.privacy.retention, its days are over; deliver the day"
            " again to have its rejected rows back"
        )


@dataclass(frozen=True)
class PinnedCopy(Pinned):
    """A version in a plain folder outside the lake, such as on a serving machine. Its files are checked as in the lake."""

    folder: str

    @property
    def uri(self) -> str:
        """The folder of the copy."""
        return self.folder


def pin_copy(folder: str | Path, version: str = "") -> PinnedCopy:
    """Hold a copied version: a folder with a partition's files and its `_manifest.json`.

    version: first digits of its manifest's sha256 (for a bundle: its id), to refuse another one.

    Raises:
        LookupError: the folder has no manifest.
        RuntimeError: it is another version.
    """
    try:
        data = store.read_bytes(f"{folder}/{MANIFEST}")
    except FileNotFoundError:
        raise LookupError(
            f"{folder}: no {MANIFEST} in it; copy all files of one version, the manifest included"
        ) from None
    digest = hashlib.sha256(data).hexdigest()
    if not digest.startswith(version):
        raise RuntimeError(f"{folder}: holds version {digest[:12]}, expected {version}; copy it again")
    manifest = Manifest.from_json(data)
    return PinnedCopy(Partition.parse(manifest.partition), manifest, digest, str(folder))
