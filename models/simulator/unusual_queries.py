"""Queries that hardly anybody types: personal data, and queries with a word of their own."""

from dataclasses import dataclass, replace

import numpy as np

from models.simulator.arrays import Flags, Ints, Words
from models.simulator.fake_personal_data import distinct, fake_personal_data
from models.simulator.traffic import Traffic, is_bot

RARE_CLIENTS = 4  # who type the same rare query, at most
_BARE_FRAC = 0.5  # of the personal texts; the others stand behind a query
_SYLLABLES = np.array([c + v for c in "bdfgklmnprstwzhj" for v in "aeiou"], dtype=object)


@dataclass(frozen=True)
class UnusualShares:
    """Shares of people's searches with personal data in their text, and with a text that hardly anybody types."""

    personal_frac: float = 0.0
    rare_frac: float = 0.0

    def __post_init__(self) -> None:
        least, both = min(self.personal_frac, self.rare_frac), self.personal_frac + self.rare_frac
        if not 0 <= least <= both <= 1:
            raise ValueError(f"{self}: expected shares of 0 or more, 1 at most together")


@dataclass(frozen=True)
class UnusualQueries:
    """P searches that were typed otherwise than the query they stand for.

    rows [P]: the searches, ascending; tails [P]: what was typed behind the query, or, where bare [P], instead of it,
    safe inside JSON strings; personal [P]: index of fake_personal_data.KINDS, -1 for rare ones; clients [P]: how many clients
    type the same rare text, 0 for personal ones.
    """

    rows: Ints
    tails: Words
    bare: Flags
    personal: Ints
    clients: Ints

    def among(self, numbers: Ints) -> tuple[Ints, Ints]:
        """Return which of consecutive searches are among the P: their places in numbers, and in rows."""
        mine = np.arange(*np.searchsorted(self.rows, (numbers[0], numbers[-1] + 1)))
        return self.rows[mine] - numbers[0], mine

    def texts(self, numbers: Ints, queries: Words) -> Words:
        """Return what was typed in consecutive searches, from the texts [n] of the queries they stand for."""
        texts, (places, mine) = queries.copy(), self.among(numbers)
        behind = texts[places] + " " + self.tails[mine]
        texts[places] = np.where(self.bare[mine], self.tails[mine], behind)
        return texts


def unusual_queries(
    traffic: Traffic, shares: UnusualShares, rng: np.random.Generator
) -> tuple[Traffic, UnusualQueries]:
    """Draw which of people's searches have a text of their own, and what it is; who share a rare text share the
    query in whose place it is typed."""
    people = np.flatnonzero(~is_bot(traffic.kinds))
    private, rare = (round(frac * len(people)) for frac in (shares.personal_frac, shares.rare_frac))
    rows = people[:0]  # shuffling all of them is dear
    if private + rare:
        rows = rng.choice(people, min(private + rare, len(people)), replace=False)
    kinds, texts = fake_personal_data(private, rng)
    groups, words = _rare(len(rows) - private, rng)
    shared, first = rows[private:], np.flatnonzero(np.diff(groups, prepend=-1))
    queries = traffic.queries.copy()
    queries[shared] = queries[shared[first]][groups]
    pairs = np.unique(np.column_stack([groups, traffic.clients[shared]]), axis=0)
    clients = np.bincount(pairs[:, 0], minlength=len(first))[groups]
    order = np.argsort(rows)
    of_rare = np.zeros(len(groups), dtype=np.int64)
    return replace(traffic, queries=queries), UnusualQueries(
        rows=rows[order],
        tails=np.concatenate([texts, words[groups]])[order],
        bare=np.concatenate([rng.random(private) < _BARE_FRAC, of_rare > 0])[order],
        personal=np.concatenate([kinds, of_rare - 1])[order],
        clients=np.concatenate([np.zeros(private, dtype=np.int64), clients])[order],
    )


def _rare(searches: int, rng: np.random.Generator) -> tuple[Ints, Words]:
    """Deal searches to rare texts, 1 to RARE_CLIENTS each: a text [S] for each, ascending, and the words made up."""
    sizes = rng.integers(1, RARE_CLIENTS + 1, searches)
    groups = np.repeat(np.arange(searches), sizes)[:searches]
    count = int(groups.max(initial=-1)) + 1
    # four syllables that no other word of the day has, and two by chance, which tell the days apart
    number = distinct(count, len(_SYLLABLES) ** 4, rng)
    number = number * len(_SYLLABLES) ** 2 + rng.integers(0, len(_SYLLABLES) ** 2, count)
    words = np.full(count, "", dtype=object)
    for place in range(6):
        words = words + _SYLLABLES[number // len(_SYLLABLES) ** place % len(_SYLLABLES)]
    return groups, words
