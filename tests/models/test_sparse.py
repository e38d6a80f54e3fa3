from __future__ import annotations

import math

import numpy as np
import pytest

from models.sparse import K1, B, build_sparse

TITLES = [
    "red running shoes",
    "red shoes",
    "blue trail shoes for running",
    "wh-1000xm4 headphones",
    "headphones",
]


def bm25(query: str, titles: list[str]) -> list[float]:
    """Lucene's BM25, written down again without a library."""
    docs = [title.split() for title in titles]
    mean = sum(map(len, docs)) / len(docs)
    scores = []
    for doc in docs:
        total = 0.0
        for word in query.split():
            holding = sum(word in other for other in docs)
            if not holding:
                continue
            idf = math.log(1 + (len(docs) - holding + 0.5) / (holding + 0.5))
            count = doc.count(word)
            total += idf * count / (count + K1 * (1 - B + B * len(doc) / mean))
        scores.append(total)
    return scores


@pytest.mark.parametrize("query", ["red shoes", "running shoes", "headphones", "trail unknownword"])
def test_scores_equal_bm25_by_hand(query: str) -> None:
    plain = [title.replace("wh-1000xm4 ", "") for title in TITLES]
    found = build_sparse(plain).search([query], 5)
    expected = bm25(query, plain)
    for item, score in zip(found.items[0], found.scores[0], strict=True):
        if item >= 0:
            assert score == pytest.approx(expected[item], rel=1e-5)
    assert (found.items[0] >= 0).sum() == sum(score > 0 for score in expected)


def test_lists_end_where_no_word_matches() -> None:
    found = build_sparse(TITLES).search(["headphones", "nothing like it", ""], 9)
    assert set(found.items[0, :2]) == {3, 4}
    assert (found.items[0, 2:] == -1).all()
    assert (found.items[1:] == -1).all()
    assert np.isneginf(found.scores[1:]).all()


def test_a_model_number_finds_its_item_in_another_spelling() -> None:
    assert build_sparse(TITLES, "en").search(["WH1000XM4"], 1).items[0, 0] == 3


def test_a_batch_and_a_single_query_agree() -> None:
    rng = np.random.default_rng(0)
    words = [f"w{number}" for number in range(60)]
    titles = [" ".join(rng.choice(words, 5)) for _ in range(300)]
    queries = [" ".join(rng.choice(words, 2, replace=False)) for _ in range(600)]
    index = build_sparse(titles)
    together = index.search(queries, 300)  # the compiled scorer
    for row in (0, 17, 599):
        alone = index.search([queries[row]], 300)  # the numpy one
        np.testing.assert_array_equal(alone.items[0], together.items[row])
        np.testing.assert_allclose(alone.scores[0], together.scores[row], rtol=1e-6)


def test_texts_without_a_word_are_refused() -> None:
    with pytest.raises(ValueError, match="2 item texts"):
        build_sparse(["", "!!"])
