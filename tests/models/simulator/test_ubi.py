"""Time stamps as text: put together from tables, the same as numpy writes them."""

import numpy as np
import pytest

from models.simulator.ubi import DIALECTS, iso, stamps


@pytest.mark.parametrize("first", ["1969-12-31T12:00", "2026-03-28T23:00", "2028-02-29T00:00"])
def test_stamps_are_those_of_numpy(first: str) -> None:
    start = int(np.datetime64(first, "ms").astype(np.int64))
    spread = np.random.default_rng(1).integers(0, 3 * 86_400_000, 5000)
    moments = np.concatenate([start + spread, start + np.arange(0, 86_400_000, 999_983)])
    expected = np.datetime_as_string(moments.astype("datetime64[ms]"), unit="ms", timezone="UTC")
    assert iso(moments).astype(str).tolist() == expected.tolist()
    web, app = DIALECTS
    assert stamps(web, moments)[0] == f'"{expected[0]}"'
    assert stamps(app, moments)[0] == str(moments[0])


def test_no_stamps_are_no_stamps() -> None:
    assert len(iso(np.zeros(0, dtype=np.int64))) == 0
