"""Files that a shop delivers: find them by path, folder or pattern, and copy them unchanged."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence

from pyarrow import fs

from jobs.lake import storage as store

LINES = (".ndjson", ".ndjson.gz", ".json", ".json.gz", ".jsonl", ".jsonl.gz")
LOG_ENDINGS = (*LINES, ".parquet")
# what desktops, archives and Spark leave beside the data
_LEFT_BY_TOOLS = re.compile(
    r"(?:^|/)(?:__MACOSX/.+|\._[^/]*|\.DS_Store|\.[^/]+\.crc|_SUCCESS|_(?:committed|started)_[^/]*|Thumbs\.db|desktop\.ini)$"
)


def find(pattern: str) -> list[str]:
    """Files that a path, folder or pattern names, sorted, without what tools leave beside them (`.DS_Store`, `_SUCCESS`).

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: what it names, or a folder on the way from its first star, is a symbolic link.
    """
    system, path = store.filesystem(pattern)
    wild = re.search(r"[*?\[]", pattern)
    if not wild:
        store.refuse_links([pattern.rstrip("/")])
    kind = fs.FileType.NotFound if wild else system.get_file_info(path).type
    if kind == fs.FileType.File:
        return [pattern]
    folder = pattern[: wild.start()].rpartition("/")[0] if wild else pattern.rstrip("/")
    if wild and not folder:
        folder = "/" if pattern.startswith("/") else "."
    wanted = pattern[len(folder) :].lstrip("/") if wild and folder != "." else "*"
    wanted = pattern.removeprefix("./") if folder == "." else wanted
    steps = wanted.split("/")  # as in a shell, a star does not match a slash
    named = [
        name
        for name in sorted(file.name for file in store.walk(folder))
        if len(parts := name.split("/")) <= len(steps)
        and all(map(fnmatch.fnmatchcase, parts, steps))
        and not _LEFT_BY_TOOLS.search(name)
    ]
    # a file stands at the last step; a link may stand for a folder at any step
    store.refuse_links([folder, *(f"{folder}/{name}" for name in named)])
    files = [f"{folder}/{name}" for name in named if name.count("/") == len(steps) - 1]
    if not files:
        raise FileNotFoundError(f"{pattern}: found no file; expected a file, a folder or a pattern")
    return files


def refuse_others(sources: Sequence[str], endings: tuple[str, ...], table: str, pattern: str) -> None:
    """Refuse files of a kind that the table does not take.

    Raises:
        ValueError: a file has another ending.
    """
    if odd := [source for source in sources if not source.lower().endswith(endings)]:
        names = ", ".join(name.rsplit("/", 1)[-1] for name in odd[:5])
        raise ValueError(
            f"{pattern}: found {len(odd)} files of another kind ({names}), expected for {table} "
            f"{' '.join(endings)}; narrow the pattern or convert them"
        )


def plain_name(source: str) -> str:
    """File name of a path; every character that an engine might escape becomes an underscore."""
    return re.sub(r"[^\w.-]", "_", source.rsplit("/", 1)[-1], flags=re.ASCII)


def copy_checked(source: str, target: str) -> str:
    """Copy a file, compare checksums and return the sha256.

    Raises:
        RuntimeError: the source changed during the copy.
        ValueError: it is a symbolic link by now.
    """
    store.refuse_links([source])
    store.copy(source, target)
    copied = store.sha256(target)
    if store.sha256(source) != copied:
        raise RuntimeError(f"{source}: changed while it was copied; run again when it is complete")
    return copied
