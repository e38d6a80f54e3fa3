from __future__ import annotations

import pytest

from jobs.index.build import guard_size
from jobs.lake.partitions import INDEX

HERE = INDEX.at(ds="2026-01-31", space="7f3a7f3a7f3a7f3a")


@pytest.mark.parametrize(
    ("now", "before", "limit", "shrunk"),
    [
        (900, 1000, 0.1, 0.1),  # at the limit, not beyond it
        (1200, 1000, 0.1, -0.2),  # growth is no matter
        (5, 0, 0.0, 0.0),  # the first index
        (0, 1000, 1.0, 1.0),  # switched off
        (1000, 1000, 0.0, 0.0),
    ],
)
def test_what_is_let_pass(now: int, before: int, limit: float, shrunk: float) -> None:
    assert guard_size(now, before, limit, HERE) == pytest.approx(shrunk)


def test_fewer_items_than_before_by_more_than_the_limit_stop() -> None:
    said = r"index/ds=2026-01-31/space=7f3a7f3a7f3a7f3a: 899 items, 10\.1% fewer than the 1,000 .*10\.0% fewer"
    with pytest.raises(RuntimeError, match=said):
        guard_size(899, 1000, 0.1, HERE)
    with pytest.raises(RuntimeError, match="catalogue complete"):
        guard_size(0, 140_000_000, 0.5, HERE)


@pytest.mark.parametrize("limit", [-0.1, 1.1, float("nan")])
def test_a_limit_that_is_no_share_is_refused(limit: float) -> None:
    with pytest.raises(ValueError, match="max_shrink_frac"):
        guard_size(1, 1, limit, HERE)
