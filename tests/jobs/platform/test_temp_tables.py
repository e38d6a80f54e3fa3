"""Vectors in files and unfinished work: read as written, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from jobs.lake.partitions import NEGATIVES, Partition
from jobs.towers import resume as scratch
from jobs.towers.resume import Scratch, VectorFile
from tests.jobs.towers.classroom import Args

AT = NEGATIVES.at(ds="2026-01-31", space="0" * 16)


@pytest.fixture
def vectors(monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    monkeypatch.setattr(scratch, "CHUNK", 7)
    return np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)


def filed(folder: Path, vectors: np.ndarray) -> VectorFile:
    file = VectorFile(folder / "a.f32", *vectors.shape)
    for start in range(0, len(vectors), 20):
        file.append(vectors[start : start + 20])
    return file


def test_slices_rows_and_another_order(tmp_path: Path, vectors: np.ndarray) -> None:
    file = filed(tmp_path, vectors)
    assert file.done == 50
    assert (file[10:33] == vectors[10:33]).all()
    assert (file[40:90] == vectors[40:]).all()
    rows = np.array([49, 3, 3, 0, 20])
    assert (file.take(rows) == vectors[rows]).all()
    order = np.random.default_rng(1).permutation(50)
    other = VectorFile(tmp_path / "b.f32", 50, 3)
    other.fill(file, order)
    assert (other[0:50] == vectors[order]).all()
    assert other.done == 50


def test_a_chunk_half_written_is_written_again(tmp_path: Path, vectors: np.ndarray) -> None:
    file = filed(tmp_path, vectors[:40])
    with file.path.open("ab") as torn:
        torn.write(b"half a chunk")
    again = VectorFile(file.path, 50, 3)
    assert again.done == 40
    again.append(vectors[40:])
    assert (again[0:50] == vectors).all()


def test_a_file_that_ends_early_is_refused(tmp_path: Path, vectors: np.ndarray) -> None:
    with pytest.raises(RuntimeError, match="ends before row 60"):
        _ = VectorFile(filed(tmp_path, vectors).path, 60, 3)[50:60]


def test_work_with_other_settings_is_thrown_away(lake: Path) -> None:
    def work(target: Partition) -> tuple[Scratch, list[int]]:
        calls: list[int] = []
        found = Scratch(AT, Args(target), [])
        found.arrays("block", lambda: calls.append(1) or {"x": np.arange(3)})  # type: ignore[func-returns-value]
        return found, calls

    assert work(AT)[1] == [1]
    assert work(AT)[1] == []  # the same work, gone on from
    found, calls = work(AT.having(space="1" * 16))
    assert calls == [1]
    found.remove()
    assert not found.folder.exists()
