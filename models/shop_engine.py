"""An imperfect shop search, as logs come from: lexical, noisy, at times lucky beyond the words.

Per query a fixed pool is in the running: the best lexical matches, every judged item, and a few strangers. Each
search then ranks its pool by lexical score and noise; a judged item that no word leads to takes part only now and
then. So relevant items without a shared word do get shown, seldom, and that is where a dense model can learn them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.click_model import gain
from models.fusion import Ranked

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

LEXICAL_DEPTH = 40
STRANGERS = 8
LUCKY_FRAC = 0.35  # how often a judged item without lexical match takes part
_LUCKY_SCORE = 0.6  # its score at the highest relevance; the best lexical match has 1
_NOISE = 0.18  # standard deviation of a search's noise on the scores


@dataclass(frozen=True)
class Pool:
    """What can be shown for each of Q queries, at most C items each.

    items [Q, C]: rows of the catalogue, -1 past the end; scores [Q, C]; gains [Q, C] by the labels, 0 where an
    item was not judged; lexical [Q, C]: True where words led to it.
    """

    items: Ints
    scores: Floats
    gains: Floats
    lexical: NDArray[np.bool_]


def pool(
    found: Ranked, judged: tuple[Ints, Ints, Floats], n_items: int, scale: tuple[float, float],
    rng: np.random.Generator,
) -> Pool:  # fmt: skip
    """Join lexical matches [Q, depth] with the judged (query, item, relevance) and random items.

    scale: the lowest and highest relevance of the labels.
    """
    queries = len(found.items)
    best = np.maximum(
        np.where(np.isfinite(found.scores), found.scores, 0).max(axis=1, initial=0), 1e-9
    )
    row, column = np.nonzero(found.items >= 0)
    lexical = found.scores[row, column] / best[row]
    judged_query, judged_item, relevance = judged
    strange = rng.integers(0, n_items, (queries, STRANGERS)).ravel()
    keys = np.concatenate(
        [
            row * n_items + found.items[row, column],
            judged_query * n_items + judged_item,
            np.repeat(np.arange(queries), STRANGERS) * n_items + strange,
        ]
    )
    pairs, place = np.unique(keys, return_inverse=True)
    score, gains = np.zeros(len(pairs)), np.zeros(len(pairs))
    np.maximum.at(score, place[: len(row)], lexical)
    labelled = place[len(row) : len(row) + len(judged_query)]
    np.maximum.at(gains, labelled, gain(relevance, *scale))
    by_words = score > 0
    score = np.where(by_words, score, _LUCKY_SCORE * gains)
    return _matrix(pairs // n_items, pairs % n_items, queries, score, gains, by_words)


def _matrix(
    query: Ints, item: Ints, queries: int, score: Floats, gains: Floats, by_words: NDArray[np.bool_]
) -> Pool:
    counts = np.bincount(query, minlength=queries)
    column = np.arange(len(query)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = (queries, int(counts.max(initial=1)))
    made = Pool(
        np.full(shape, -1), np.zeros(shape), np.zeros(shape), np.zeros(shape, dtype=np.bool_)
    )
    made.items[query, column] = item
    made.scores[query, column] = score
    made.gains[query, column] = gains
    made.lexical[query, column] = by_words
    return made


def result_lists(
    made: Pool, queries: Ints, results: int, rng: np.random.Generator
) -> tuple[Ints, Floats]:
    """Return items and gains [S, results] shown for S searches; -1 and 0 where the list is shorter."""
    items, lexical = made.items[queries], made.lexical[queries]
    scores = made.scores[queries] + _NOISE * rng.standard_normal(items.shape)
    takes_part = (items >= 0) & (lexical | (rng.random(items.shape) < LUCKY_FRAC))
    scores = np.where(takes_part, scores, -np.inf)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :results]
    shown = np.isfinite(np.take_along_axis(scores, order, axis=1))
    top = np.where(shown, np.take_along_axis(items, order, axis=1), -1)
    return top, np.where(shown, np.take_along_axis(made.gains[queries], order, axis=1), 0.0)
