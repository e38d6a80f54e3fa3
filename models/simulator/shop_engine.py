"""An imperfect shop search engine, the source of simulated logs: lexical scores plus noise.

Each query has a fixed pool: the best lexical matches, every judged item, and a few random items. Each
search then ranks its pool by lexical score and noise; a judged item that no word leads to takes part only now and
then. So relevant items without a shared word do get shown, seldom, and that is where a dense model can learn them.
"""

from dataclasses import dataclass

import numpy as np

from models.simulator.arrays import Flags, Floats, Ints
from models.simulator.click_model import gain

Triples = tuple[Ints, Ints, Floats]

LEXICAL_DEPTH = 40
STRANGERS = 8
LUCKY_FRAC = 0.35  # how often a judged item without lexical match takes part
_LUCKY_SCORE = 0.6  # its score at the highest relevance; the best lexical match has 1
_NOISE = 0.18  # standard deviation of a search's noise on the scores


@dataclass(frozen=True)
class Pool:
    """The candidates of each of Q queries, at most C items each.

    items [Q, C]: rows of the catalogue, -1 past the end; scores [Q, C]; gains [Q, C] by the labels, 0 where an
    item was not judged; lexical [Q, C]: True where words led to it.
    """

    items: Ints
    scores: Floats
    gains: Floats
    lexical: Flags


@dataclass(frozen=True)
class Aims:
    """Items that click farms can push, and queries that show them: items [A] ascending, queries [A] whose lists show them."""

    items: Ints
    queries: Ints


def aims(made: Pool, results: int) -> Aims:
    """Return what words lead to among the first `results` of each query; in a shop without any such, whatever is
    in a pool."""
    order = np.argsort(-np.where(made.lexical, made.scores, -1.0), axis=1, kind="stable")[:, :results]
    items = np.take_along_axis(made.items, order, axis=1)
    lexical = np.take_along_axis(made.lexical, order, axis=1)
    query, place = np.nonzero(lexical if lexical.any() else items >= 0)
    item = items[query, place]
    by_item = np.argsort(item, kind="stable")
    return Aims(item[by_item], query[by_item])


def pool(
    queries: int, n_items: int, matches: Triples, judged: Triples, scale: tuple[float, float], rng: np.random.Generator
) -> Pool:
    """Join what words find, (query, item, score 0 to 1), with the judged (query, item, relevance) and strangers.

    scale: the lowest and highest relevance of the labels.
    """
    strangers = (np.repeat(np.arange(queries), STRANGERS), rng.integers(0, n_items, queries * STRANGERS))
    keys = np.concatenate([part[0] * n_items + part[1] for part in (matches, judged, strangers)])
    pairs, place = np.unique(keys, return_inverse=True)
    score, gains = np.zeros(len(pairs)), np.zeros(len(pairs))
    by_words, labelled = place[: len(matches[0])], place[len(matches[0]) :][: len(judged[0])]
    np.maximum.at(score, by_words, matches[2])
    np.maximum.at(gains, labelled, gain(judged[2], *scale))
    lexical = score > 0
    score = np.where(lexical, score, _LUCKY_SCORE * gains)
    return _matrix(pairs // n_items, pairs % n_items, queries, score, gains, lexical)


def _matrix(query: Ints, item: Ints, queries: int, score: Floats, gains: Floats, by_words: Flags) -> Pool:
    counts = np.bincount(query, minlength=queries)
    column = np.arange(len(query)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = (queries, int(counts.max(initial=1)))
    made = Pool(np.full(shape, -1), np.zeros(shape), np.zeros(shape), np.zeros(shape, dtype=np.bool_))
    made.items[query, column] = item
    made.scores[query, column] = score
    made.gains[query, column] = gains
    made.lexical[query, column] = by_words
    return made


def result_lists(made: Pool, queries: Ints, results: int, rng: np.random.Generator) -> tuple[Ints, Floats]:
    """Return items and gains [S, results] shown for S searches; -1 and 0 where the list is shorter."""
    items, lexical = made.items[queries], made.lexical[queries]
    scores = made.scores[queries] + _NOISE * rng.standard_normal(items.shape, np.float32)
    takes_part = (items >= 0) & (lexical | (rng.random(items.shape) < LUCKY_FRAC))
    scores = np.where(takes_part, scores, -np.inf)
    order = np.argsort(-scores, axis=1)[:, :results]
    shown = np.isfinite(np.take_along_axis(scores, order, axis=1))
    top = np.where(shown, np.take_along_axis(items, order, axis=1), -1)
    return top, np.where(shown, np.take_along_axis(made.gains[queries], order, axis=1), 0.0)
