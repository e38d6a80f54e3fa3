"""A full disk, by the system's limit of file size: whoever writes, the message names path and bytes, and the old stays."""

from __future__ import annotations

import contextlib
import resource
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from jobs.bundle.files import write_index
from jobs.lake import storage as store
from jobs.lake.arrays import mapped_array, save_array, write_all
from jobs.lake.disk import DiskFullError
from jobs.lake.partitions import LABELS, Partition, lake_root
from jobs.lake.publish import publish
from jobs.lake.read import pin
from jobs.platform import cli
from jobs.platform.arguments import CommandArgs

DAY = LABELS.at(ds="2026-01-31")
LIMIT = 100_000
VALUES = np.random.default_rng(0).random(25_000, np.float32)  # 100,000 bytes, and a header


@dataclass(frozen=True)
class Args:
    """labels  output"""

    labels: Partition = DAY


class Nothing(CommandArgs):
    """Nothing to set."""


@contextlib.contextmanager
def full(limit: int = LIMIT) -> Iterator[None]:
    """No file of this process may grow beyond."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def unbuffered(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        file.write(b"begin")
        write_all(file, VALUES)


def flat() -> faiss.Index:
    index = faiss.IndexFlatIP(100)
    index.add(VALUES.reshape(-1, 100))
    return index


WRITERS: dict[str, Callable[[Path], object]] = {
    "text": lambda path: path.write_text("x" * 200_000),
    "bytes": lambda path: store.write_bytes(str(path), bytes(200_000)),
    "copy": lambda path: store.copy(f"{lake_root()}/source", str(path)),
    "arrow": lambda path: pq.write_table(pa.table({"x": np.tile(VALUES, 2)}), path, compression="none"),
    "faiss": lambda path: write_index(flat(), path),
    "safetensors": lambda path: save_file({"x": torch.from_numpy(VALUES)}, path),
    "numpy": lambda path: save_array(path, VALUES),
    "memory map": lambda path: mapped_array(path, (30_000,), np.float32),
    "unbuffered": unbuffered,
}


@pytest.mark.parametrize("writer", WRITERS)
def test_every_writers_message_names_path_and_bytes_and_the_old_version_stays(lake: Path, writer: str) -> None:
    with publish(DAY, Args()) as out:
        (out.folder / "file").write_text("old")
    before = pin(DAY)
    (lake / "source").write_bytes(bytes(200_000))
    with pytest.raises(DiskFullError) as refused, full(), publish(DAY, Args()) as out:
        (out.folder / "first").write_bytes(bytes(1_000))
        (out.folder / "deeper").mkdir()
        WRITERS[writer](out.folder / "deeper" / "file")
    text = str(refused.value)
    assert text.startswith(f"disk full: {out.folder} (") and "bytes written, " in text and "bytes free" in text
    assert pin(DAY) == before and not out.folder.exists()


def test_an_index_that_lacks_its_last_block_is_a_full_disk(lake: Path) -> None:
    """FAISS's own writer reports success when the last block does not fit."""
    whole = lake / "whole"
    whole.parent.mkdir()
    write_index(flat(), whole)
    with pytest.raises(DiskFullError), full(whole.stat().st_size - 10), publish(DAY, Args()) as out:
        write_index(flat(), out.folder / "index")


def test_what_a_job_writes_beside_its_partition_is_named_too(
    lake: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = lake.parent / "var"

    def main(_: Nothing) -> None:
        (home / "checkpoint").write_bytes(bytes(200_000))

    monkeypatch.setattr(sys, "argv", ["towers"])
    with pytest.raises(SystemExit), full():
        cli.run(Nothing, main)
    last = capsys.readouterr().err.strip().splitlines()[-1]  # what an alert quotes
    assert f"DiskFullError: disk full: {home} (" in last and "File too large; make room and clear the task" in last


def test_the_disks_of_the_jvm_are_known_by_their_words(lake: Path) -> None:
    java = (
        "An error occurred while calling o42.parquet.\n: java.io.IOException: No space left on device\n\tat java.base"
    )
    with pytest.raises(DiskFullError, match="bytes free.*: No space left; make room"), publish(DAY, Args()):
        raise RuntimeError(java)
    with pytest.raises(KeyError), publish(DAY, Args()):
        raise KeyError("another")
