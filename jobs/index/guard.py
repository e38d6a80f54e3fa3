"""The size guard: an index of far fewer items than the one before it is a broken catalogue, not a smaller shop."""

from __future__ import annotations

from jobs.lake.partitions import Partition


def guard_size(now: int, before: int, max_shrink_frac: float, partition: Partition) -> float:
    """Stop when the items became fewer than before by more than this share; returns the share, below 0 for growth.

    before: items of the index before, 0 where there is none: then there is nothing to compare with.

    Raises:
        RuntimeError: it shrank too far.
        ValueError: max_shrink_frac is not in [0, 1].
    """
    if not 0 <= max_shrink_frac <= 1:
        raise ValueError(f"max_shrink_frac={max_shrink_frac}: expected 0 to 1")
    shrunk = 1 - now / before if before > 0 else 0.0
    if shrunk > max_shrink_frac:
        raise RuntimeError(
            f"{partition}: {now:,} items, {shrunk:.1%} fewer than the {before:,} of the index before, expected at"
            f" most {max_shrink_frac:.1%} fewer; is the day's catalogue complete? If so many items did end, build"
            " with a larger max_shrink_frac"
        )
    return shrunk
