"""Ragged rows against plain lists."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.text.ragged import Ragged, concatenate, empty, ragged

ROWS = st.lists(st.lists(st.integers(0, 99), max_size=6), min_size=1, max_size=8)


def lists(found: Ragged) -> list[list[int]]:
    return [part.tolist() for part in np.split(found.values, found.offsets[1:-1])]


@given(ROWS, st.data())
def test_take_keep_pad_concatenate(rows: list[list[int]], data: st.DataObject) -> None:
    stored = ragged(rows)
    assert len(stored) == len(rows)
    assert stored.lengths.tolist() == [len(row) for row in rows]
    wanted = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=10))
    assert lists(stored.take(np.array(wanted))) == [rows[row] for row in wanted]
    kept = stored.values % 2 == 0
    assert lists(stored.keep(kept)) == [[v for v in row if v % 2 == 0] for row in rows]
    padded, filled = stored.pad(-1)
    assert [line[mask].tolist() for line, mask in zip(padded, filled, strict=True)] == rows
    assert (padded[~filled] == -1).all()
    assert lists(concatenate([stored, empty(2), stored])) == [*rows, [], [], *rows]
