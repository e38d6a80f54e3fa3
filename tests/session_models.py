"""Plain models of sessions, and the detector of leaks: with sessions shuffled each of them falls to popularity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import scipy.sparse as sp

K = 25
Sessions = Sequence[Sequence[str]]
Ranker = Callable[[str], Sequence[str]]


def popularity(train: Sessions) -> Ranker:
    """The items of most sessions, whatever was given."""
    most = [item for item, _ in Counter(item for session in train for item in set(session)).most_common(K + 1)]
    return lambda given: most


def co_session_knn(train: Sessions) -> Ranker:
    """Cosine of the sessions that two items are in."""
    items = sorted({item for session in train for item in session})
    number = {item: place for place, item in enumerate(items)}
    pairs = [(number[item], row) for row, session in enumerate(train) for item in set(session)]
    rows, columns = np.array(pairs).T
    seen = sp.csr_matrix((np.ones(len(pairs)), (rows, columns)), shape=(len(items), len(train)))
    together = (seen @ seen.T).tocsr()
    counts = together.diagonal()

    def rank(given: str) -> Sequence[str]:
        if given not in number:
            return []
        row = together.getrow(number[given])
        scores = row.data / np.sqrt(counts[row.indices])
        return [items[row.indices[place]] for place in np.argsort(-scores, kind="stable")[: K + 1]]

    return rank


def rr_at_25(rank: Ranker, pairs: Sequence[tuple[str, str]]) -> float:
    """Mean reciprocal rank of the target among the first 25, the given item left out."""
    total = 0.0
    for given, target in pairs:
        ranked = [item for item in rank(given) if item != given][:K]
        total += 1 / (ranked.index(target) + 1) if target in ranked else 0.0
    return total / len(pairs)


def last_pairs(sessions: Sessions) -> list[tuple[str, str]]:
    """The last item of each session after the one before it; sessions that end with one item twice are left out."""
    return [(session[-2], session[-1]) for session in sessions if len(session) > 1 and session[-2] != session[-1]]


def shuffled(sessions: Mapping[str, Sequence[str]], seed: int = 0) -> dict[str, list[str]]:
    """The same lengths and the same number of each item, dealt to the sessions at random."""
    items = np.array([item for session in sessions.values() for item in session], dtype=object)
    np.random.default_rng(seed).shuffle(items)
    ends = np.cumsum([len(session) for session in sessions.values()])
    return {name: list(part) for name, part in zip(sessions, np.split(items, ends[:-1]), strict=True)}
