"""True relevance of every item to every query, from latent attributes; judged in chunks, kept by sample.

3  all that is asked for is there
2  the type, brand, theme and model asked for are there, one minor trait is not (a colour, a size), and
   at least two of the asked traits are
1  the same type or the same theme, nothing better
0  anything else
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.simulator.arrays import Columns, Ints
from models.simulator.marketplace.counter_rng import bits
from models.simulator.marketplace.products import COLUMNS, MAJOR, MINOR, Lives

RELEVANT = 2  # the grade from which an item answers the query
_TYPE, _THEME = COLUMNS.index("type"), COLUMNS.index("theme")
_CLASSES = ((RELEVANT, 3), (1, 1))  # sampled apart: what answers, and what only resembles
_NEVER = np.uint64(2**64 - 1)
_AT_ONCE = 128  # queries graded together: bounds the block of queries x items


@dataclass(frozen=True)
class SampledJudgements:
    """Judged pairs in order of (query, item), and the totals that the sample was drawn from.

    queries [n] index the asked; items [n] are `Lives.offer` numbers; grades [n].
    exact, relevant [Q]: true numbers of items of grade 3, and of grade >= 2, in the whole shop.
    """

    queries: Ints
    items: Ints
    grades: Ints
    exact: Ints
    relevant: Ints


def grade(wanted: Ints, latent: Ints) -> NDArray[np.int8]:
    """Return relevance 0..3 of items to queries; wanted [..., COLUMNS] and latent [..., COLUMNS] broadcast."""
    asked = wanted >= 0
    fits = wanted == latent
    lacks = asked & ~fits
    wrong = lacks[..., MAJOR].any(axis=-1)
    missing = lacks[..., MINOR].sum(axis=-1)
    matched = (asked & fits).sum(axis=-1)
    akin = (asked & fits)[..., _TYPE] | (asked & fits)[..., _THEME]
    near = ~wrong & (missing == 1) & (matched >= 2)
    return np.where(~wrong & (missing == 0), 3, np.where(near, 2, akin)).astype(np.int8)


def judge(
    seed: int, wanted: Ints, shop: Iterable[tuple[Lives, Ints]], relevant_cap: int, partial_cap: int
) -> SampledJudgements:
    """Grade every item of the shop's chunks against every query, and keep a seeded sample.

    Per query at most relevant_cap items of grade 2 or 3 and partial_cap of grade 1 are kept: those whose
    hash is lowest, hence the same whatever the chunks. Memory is that of a chunk and of the sample.
    """
    caps = (relevant_cap, partial_cap)
    totals = np.zeros((2, len(wanted)), dtype=np.int64)
    none = np.zeros(0, np.int64)
    kept = [_Drawn(none, none, none, none.astype(np.uint64))] * len(caps)
    lots = bits(seed, "judged query", np.arange(len(wanted)))
    for alive, latent in shop:
        tickets = bits(seed, "judged item", alive.offer)
        parts_of = [[drawn] for drawn in kept]
        for queries, items in _groups(wanted, latent):
            grades = grade(wanted[queries][:, None, :], latent[items][None, :, :])
            totals[0, queries] += (grades == 3).sum(axis=1)
            totals[1, queries] += (grades >= RELEVANT).sum(axis=1)
            ticket = lots[queries][:, None] ^ tickets[items][None, :]
            for parts, (low, high), cap in zip(parts_of, _CLASSES, caps, strict=True):
                drawn = np.where((grades >= low) & (grades <= high), ticket, _NEVER)
                at = _lowest(drawn, cap)
                pair = queries[at[0]], alive.offer[items[at[1]]], grades[at].astype(np.int64)
                parts.append(_Drawn(*pair, drawn[at]))
        kept = [_first(parts, cap) for parts, cap in zip(parts_of, caps, strict=True)]
    every = _Drawn.joined(kept)
    every = every.take(np.lexsort((every.item, every.query)))
    return SampledJudgements(every.query, every.item, every.grade, *totals)


@dataclass(frozen=True)
class _Drawn(Columns):
    """Judged pairs and the ticket of each: the lowest tickets stay."""

    query: Ints
    item: Ints
    grade: Ints
    ticket: NDArray[np.uint64]


def _groups(wanted: Ints, latent: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Yield (queries, items) that can have a grade above 0: of one type, or of one theme but no type asked."""
    no_type = wanted[:, _TYPE] < 0
    for column, use in ((_TYPE, ~no_type), (_THEME, no_type)):
        for value in np.unique(wanted[use, column]):
            queries = np.flatnonzero(use & (wanted[:, column] == value))
            items = np.flatnonzero(latent[:, column] == value)
            for start in range(0, len(queries) if len(items) else 0, _AT_ONCE):
                yield queries[start : start + _AT_ONCE], items
    with_theme = ~no_type & (wanted[:, _THEME] >= 0)
    for theme, kind in np.unique(wanted[with_theme][:, [_THEME, _TYPE]], axis=0):
        # the type's own items were met above
        items = np.flatnonzero((latent[:, _THEME] == theme) & (latent[:, _TYPE] != kind))
        queries = np.flatnonzero((wanted[:, _THEME] == theme) & (wanted[:, _TYPE] == kind))
        if len(items):
            yield queries, items


def _lowest(drawn: NDArray[np.uint64], cap: int) -> tuple[Ints, Ints]:
    """Return (rows, columns) of the `cap` lowest draws of each row, leaving out what was never drawn."""
    if cap < drawn.shape[1]:
        columns = np.argpartition(drawn, cap, axis=1)[:, :cap] if cap else np.zeros((len(drawn), 0), np.int64)
    else:
        columns = np.broadcast_to(np.arange(drawn.shape[1]), drawn.shape)
    rows = np.broadcast_to(np.arange(len(drawn))[:, None], columns.shape)
    real = np.take_along_axis(drawn, columns, axis=1) != _NEVER
    return rows[real], columns[real]


def _first(parts: Sequence[_Drawn], cap: int) -> _Drawn:
    """Keep per query the `cap` pairs of lowest ticket among all parts."""
    every = _Drawn.joined(parts)
    order = np.lexsort((every.ticket, every.query))
    query = every.query[order]
    return every.take(order[np.arange(len(query)) - np.searchsorted(query, query, side="left") < cap])
