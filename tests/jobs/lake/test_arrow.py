"""Columns as arrays: more than 32-bit offsets hold, and look-ups between both kinds of strings."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from jobs.lake.arrow import find, large, pick


def test_more_than_two_gib_of_ids_stand_in_one_array() -> None:
    part = pa.array(["x" * 1_000_000] * 600)
    whole = [part] * 4  # the same 600 MB four times: only the sum is made
    with pytest.raises(pa.ArrowInvalid, match="overflow"):
        pa.concat_arrays(whole)
    found = large(whole)
    assert len(found) == 2400 and found.nbytes > 1 << 31
    assert pc.min_max(pc.binary_length(found)).as_py() == {"min": 1_000_000, "max": 1_000_000}
    assert found[2399].as_py() == part[0].as_py()


def test_no_part_is_an_empty_array() -> None:
    assert large([]).equals(pa.array([], pa.large_string()))


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_strings_are_found_among_either_kind(kind: pa.DataType) -> None:
    known = pa.array(["a", "ł", "c"], kind)
    assert find(["c", "x", "ł"], known).tolist() == [2, -1, 1]
    assert pick(known, find(["c"], known)).to_pylist() == ["c"]
