"""A trial's lake: reading and writing in it, and showing it what stands elsewhere."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobs.lake import storage as store
from jobs.lake.partitions import Partition, lake_root
from jobs.lake.read import pin
from jobs.platform.display import printable


def last_line(path: Path) -> str:
    """What a command said last, fit to be shown."""
    lines = path.read_text("utf-8", errors="replace").strip().splitlines()
    return printable(lines[-1].strip(), 400) if lines else "it said nothing"


@contextlib.contextmanager
def within(root: Path) -> Iterator[None]:
    """Read and write trained tables in a trial's lake, in this process."""
    before = os.environ.get("NIGHTSHELF_TRIALS")
    os.environ["NIGHTSHELF_TRIALS"] = str(root)
    try:
        yield
    finally:
        del os.environ["NIGHTSHELF_TRIALS"]
        if before is not None:
            os.environ["NIGHTSHELF_TRIALS"] = before


def facts_of(root: Path, partition: str) -> dict[str, Any]:
    """What a partition of a trial's lake says of itself."""
    with within(root):
        return pin(Partition.parse(partition), even_stopped=True).facts


def bring(partition: Partition, source: str, root: Path) -> None:
    """Show a partition of another trial's lake (or, with no source, of the lake) in this one: no copy."""
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
