"""Bytes in and out of the lake: a folder, or any URI that pyarrow.fs reads (s3://, gs://, hdfs://)."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pyarrow import fs

from jobs.lake.fault import fault_point

CHUNK_BYTES = 4 << 20
UMASK = 0o027  # files 0640, folders 0750


def is_local(uri: str) -> bool:
    """Whether the URI is a path of this machine, where fsync, rename and locks work."""
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
    """The URI as Spark wants it: a local path needs a scheme, or Spark takes the cluster's default file system."""
    # not Path.as_uri(): it writes `ds%3D2026-01-31`, and Hadoop does not decode a path
    return f"file://{local_path(uri)}" if is_local(uri) else uri


def fsync(path: Path) -> None:
    """Force a file or a folder's entries to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_bytes(uri: str) -> bytes:
    """The whole object.

    Raises:
        FileNotFoundError: there is no such object.
    """
    system, path = filesystem(uri)
    with system.open_input_stream(path, compression=None) as stream:
        return bytes(stream.read())


def is_file(uri: str) -> bool:
    """Whether the object exists."""
    system, path = filesystem(uri)
    return bool(system.get_file_info(path).type == fs.FileType.File)


def write_bytes(uri: str, data: bytes) -> None:
    """Replace one object atomically: readers see the old bytes or the new ones, never a part."""
    if not is_local(uri):
        system, path = filesystem(uri)
        with system.open_output_stream(path) as stream:  # object stores show an object when it is closed
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
    """(name relative to the folder, bytes) of every file below a folder, sorted; empty when the folder is absent."""
    system, root = filesystem(uri)
    infos = system.get_file_info(fs.FileSelector(root, allow_not_found=True, recursive=True))
    for info in sorted(infos, key=lambda info: info.path):
        if info.type == fs.FileType.File:
            yield info.path[len(root) :].lstrip("/"), info.size


def sha256(uri: str) -> str:
    """SHA-256 of an object's stored bytes, read in chunks."""
    return sha256_parts(uri, 0)[1]


def sha256_parts(uri: str, head_bytes: int) -> tuple[str, str]:
    """SHA-256 of an object's first bytes and of all of them, in one pass."""
    system, path = filesystem(uri)
    head, rest = hashlib.sha256(), head_bytes
    # uncompressed: pyarrow would unpack a .gz, and fail on one that is cut short
    with system.open_input_stream(path, compression=None) as stream:
        while rest and (chunk := stream.read(min(CHUNK_BYTES, rest))):
            head.update(chunk)
            rest -= len(chunk)
        whole = head.copy()
        while chunk := stream.read(CHUNK_BYTES):
            whole.update(chunk)
    return head.hexdigest(), whole.hexdigest()


def delete_folder(uri: str) -> None:
    """Delete a folder and all in it; no error when it is absent. Of a link only the link is deleted."""
    if is_local(uri):
        if local_path(uri).is_symlink():
            local_path(uri).unlink()
        elif local_path(uri).is_dir():
            shutil.rmtree(local_path(uri))
        return
    system, path = filesystem(uri)
    if system.get_file_info(path).type == fs.FileType.Directory:
        system.delete_dir(path)


def delete_file(uri: str) -> None:
    """Delete one object; no error when it is absent."""
    system, path = filesystem(uri)
    with contextlib.suppress(FileNotFoundError):
        system.delete_file(path)


def delete_empty(uri: str, root: str) -> None:
    """Delete an empty folder, and the empty folders above it up to the root, which stays.

    An object store has no folders of its own.
    """
    if not is_local(uri):
        return
    folder, last = local_path(uri), local_path(root)
    while folder != last and folder.is_relative_to(last):
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError:  # not empty
            return
        folder = folder.parent


def is_link(uri: str) -> bool:
    """Whether the URI is a symbolic link."""
    return is_local(uri) and local_path(uri).is_symlink()


def refuse_links(uris: Iterable[str]) -> None:
    """Refuse symbolic links among what somebody else put there: they may lead to any file that this user can read.

    Raises:
        ValueError: one of them is a link.
    """
    if links := [uri for uri in uris if is_link(uri)]:
        raise ValueError(
            f"{', '.join(links[:5])}: found {len(links)} symbolic links, expected files and folders alone;"
            " have the files themselves delivered, or name the place that the link leads to"
        )


def restrict_umask() -> None:
    """Set what others may not do with the files that this process makes: NIGHTSHELF_UMASK, in octal.

    Without that variable nobody but the owner and the group may read, and a stricter umask of the shell stays.

    Raises:
        ValueError: the variable holds no umask, or one that takes the owner's own files away.
    """
    text = os.environ.get("NIGHTSHELF_UMASK", "")
    if text and not re.fullmatch("0{0,2}[0-7]{2}", text, re.ASCII):
        raise ValueError(f"NIGHTSHELF_UMASK={text!r}: expected an octal number from 000 to 077, such as {UMASK:03o}")
    os.umask(int(text, 8) if text else umask() | UMASK)


def umask() -> int:
    """The umask of this process, which the system tells only to who sets it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def open_as_usual(path: Path) -> None:
    """Give a file the permissions of any other new one; safetensors lets only the owner read it."""
    path.chmod(0o666 & ~umask())


@dataclass(frozen=True)
class StoredFile:
    """A file. name: relative to the folder. changed_s: when it was last written, in seconds since 1970."""

    name: str
    bytes: int
    changed_s: float


def walk(uri: str) -> Iterator[StoredFile]:
    """Every file below a folder, in no order. A link counts as a file, and is not followed."""
    if is_local(uri):
        root = local_path(uri)
        for folder, folders, files in os.walk(root):
            links = [name for name in folders if (Path(folder) / name).is_symlink()]
            for name in (*files, *links):
                file = Path(folder) / name
                with contextlib.suppress(FileNotFoundError):
                    status = file.lstat()
                    yield StoredFile(str(file.relative_to(root)), status.st_size, status.st_mtime)
        return
    system, path = filesystem(uri)
    for info in system.get_file_info(fs.FileSelector(path, allow_not_found=True, recursive=True)):
        if info.type == fs.FileType.File:
            yield StoredFile(info.path[len(path) :].lstrip("/"), info.size, (info.mtime_ns or 0) / 1e9)


def folders(uri: str) -> list[str]:
    """Names of the folders in a folder, sorted, with links, even broken ones; empty where the folder is absent."""
    if is_local(uri):
        if not local_path(uri).is_dir():
            return []
        with os.scandir(local_path(uri)) as entries:
            return sorted(entry.name for entry in entries if entry.is_symlink() or entry.is_dir())
    system, path = filesystem(uri)
    infos = system.get_file_info(fs.FileSelector(path, allow_not_found=True))
    return sorted(info.base_name for info in infos if info.type == fs.FileType.Directory)


def copy(source: str, target: str) -> None:
    """Copy one object, in chunks, within a store or between stores."""
    reading, source_path = filesystem(source)
    writing, target_path = filesystem(target)
    if is_local(target):
        Path(target_path).parent.mkdir(parents=True, exist_ok=True)
    fs.copy_files(source_path, target_path, source_filesystem=reading, destination_filesystem=writing)
