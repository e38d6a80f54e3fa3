"""The imperfect engine: words lead, noise reorders, and now and then it is lucky without a word."""

import numpy as np
import pytest

from models.simulator.lexical import lexical
from models.simulator.shop_engine import LUCKY_FRAC, Pool, pool, result_lists
from models.sparse.bm25 import build_sparse

TITLES = ["trampki czarne nike", "trampki białe", "sandały czarne", "kubek pikachu", "kubek", "laptop"] * 5
EMPTY = np.zeros(0, np.int64)


def test_scores_are_those_of_the_sparse_arm() -> None:
    rng = np.random.default_rng(1)
    words = np.array([f"w{i}" for i in range(200)])
    titles = [" ".join(rng.choice(words, 6)) for _ in range(800)]
    queries = [" ".join(rng.choice(words, 3)) for _ in range(300)]
    index = build_sparse(titles)
    query, item, share = lexical(index, queries, 10)
    found = index.search(queries, 10)
    for number in range(len(queries)):
        mine = query == number
        best = found.scores[number, 0]
        assert found.scores[number][: mine.sum()] / best == pytest.approx(share[mine], rel=1e-5)
        assert len(set(item[mine])) == mine.sum()
        rest = found.scores[number][mine.sum() :]
        assert (rest[np.isfinite(rest)] / best < 0.3 + 1e-6).all()  # what is left out is far behind


def test_unknown_and_all_too_common_words_find_nothing() -> None:
    index = build_sparse(TITLES)
    query, _, _ = lexical(index, ["tenisówki", "trampki", ""], 10)  # a third of all titles say trampki
    assert not len(query)


def made_pool() -> Pool:
    """Query 0: words lead to item 0, item 3 is judged best and shares no word. Query 1: nothing at all."""
    found = np.array([0]), np.array([0]), np.array([1.0])
    judged = np.array([0, 0]), np.array([0, 3]), np.array([1.0, 3.0])
    return pool(2, 1000, found, judged, (0.0, 3.0), np.random.default_rng(5))


def test_a_pool_joins_words_labels_and_strangers() -> None:
    made = made_pool()
    row = {int(item): place for place, item in enumerate(made.items[0]) if item >= 0}
    assert made.lexical[0, row[0]]
    assert made.scores[0, row[0]] == 1.0
    assert made.gains[0, row[0]] == pytest.approx(1 / 7)
    assert not made.lexical[0, row[3]]
    assert made.gains[0, row[3]] == 1.0
    strangers = [place for item, place in row.items() if item not in (0, 3)]
    assert 5 <= len(strangers) <= 8
    assert made.gains[0, strangers].sum() == 0
    assert not made.lexical[1].any()


def test_an_item_without_a_shared_word_is_shown_now_and_then() -> None:
    items, gains = result_lists(made_pool(), np.zeros(4000, int), 20, np.random.default_rng(2))
    seen = (items == 3).any(axis=1).mean()
    assert seen == pytest.approx(LUCKY_FRAC, abs=0.03)
    assert (items == 0).any(axis=1).all()  # what words find always takes part
    assert (items[:, 0] == 0).mean() > 0.9
    assert gains[items == 3] == pytest.approx(1.0)
    assert (gains[items < 0] == 0).all()
    first_gap = np.argmax(items < 0, axis=1)
    assert (items[np.arange(4000), first_gap] < 0).all()
    assert all((row[n:] < 0).all() for row, n in zip(items[:200], first_gap[:200], strict=True))


def test_a_short_page_shows_the_best() -> None:
    items, _ = result_lists(made_pool(), np.zeros(100, int), 1, np.random.default_rng(2))
    assert items.shape == (100, 1)
    assert (items[:, 0] == 0).mean() > 0.8
