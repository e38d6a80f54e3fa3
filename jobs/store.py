"""Bytes in and out of the lake: a folder, or any URI that pyarrow.fs reads (s3://, gs://, hdfs://)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from pyarrow import fs

from jobs.fault import fault_point

CHUNK_BYTES = 4 << 20


def is_local(uri: str) -> bool:
    """Whether the URI is a path of this machine, where fsync, rename and locks hold."""
    return "://" not in uri or uri.startswith("file://")


def local_path(uri: str) -> Path:
    """The path of a local URI."""
    return Path(uri.removeprefix("file://")).absolute()


def absolute(uri: str) -> str:
    """The same place for a process that works in another folder."""
    return str(local_path(uri)) if is_local(uri) else uri


def filesystem(uri: str) -> tuple[fs.FileSystem, str]:
    """The file system of a URI and the path inside it."""
    if is_local(uri):
        return fs.LocalFileSystem(), str(local_path(uri))
    return fs.FileSystem.from_uri(uri)


def spark_uri(uri: str) -> str:
    """The same place as Spark spells it: a local path needs a scheme, or the cluster's default is taken."""
    # not Path.as_uri(): it writes `ds%3D2026-01-31`, and Hadoop takes a path as it stands
    return f"file://{local_path(uri)}" if is_local(uri) else uri


def fsync(path: Path) -> None:
    """Force a file or a folder's entries to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_bytes(uri: str) -> bytes:
    """The whole object; FileNotFoundError when there is none."""
    system, path = filesystem(uri)
    with system.open_input_stream(path) as stream:
        return bytes(stream.read())


def write_bytes(uri: str, data: bytes) -> None:
    """Replace one object atomically: readers see the old bytes or the new, never a part."""
    if not is_local(uri):
        system, path = filesystem(uri)
        with system.open_output_stream(
            path
        ) as stream:  # object stores show an object when it is closed
            stream.write(data)
        return
    target = local_path(uri)
    target.parent.mkdir(parents=True, exist_ok=True)
    attempt = target.with_name(f".{target.name}.{os.getpid()}")
    with attempt.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fault_point("store.before_rename")
    attempt.replace(target)
    fsync(target.parent)


def list_files(uri: str) -> Iterator[tuple[str, int]]:
    """(name relative to the folder, bytes) of every file below a folder, sorted; nothing when it is absent."""
    system, root = filesystem(uri)
    found = system.get_file_info(fs.FileSelector(root, allow_not_found=True, recursive=True))
    for info in sorted(found, key=lambda info: info.path):
        if info.type == fs.FileType.File:
            yield info.path[len(root) :].lstrip("/"), info.size


def sha256(uri: str) -> str:
    """SHA-256 of an object, read in chunks."""
    system, path = filesystem(uri)
    digest = hashlib.sha256()
    with system.open_input_stream(path) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def delete_folder(uri: str) -> None:
    """Remove a folder and all in it; no error when it is absent."""
    system, path = filesystem(uri)
    if system.get_file_info(path).type == fs.FileType.Directory:
        system.delete_dir(path)


def copy(source: str, target: str) -> None:
    """Copy one object between places, in chunks."""
    reading, source_path = filesystem(source)
    writing, target_path = filesystem(target)
    if is_local(target):
        Path(target_path).parent.mkdir(parents=True, exist_ok=True)
    fs.copy_files(
        source_path, target_path, source_filesystem=reading, destination_filesystem=writing
    )
