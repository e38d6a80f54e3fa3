from __future__ import annotations

import math

import bm25s
import numpy as np
import pytest

from models.sparse.bm25 import K1, B, build_sparse, count_terms
from models.sparse.fit_bm25 import fit_bm25

TITLES = ["red running shoes", "red shoes", "blue trail shoes for running", "wh-1000xm4 headphones", "headphones"]


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


def test_a_batch_and_a_single_query_take_the_same_of_equal_items() -> None:
    """30 offers of each title: of those at the end of a list the larger rows, however many queries there are."""
    titles = [f"lamp kind{number % 10}" for number in range(300)]
    index = build_sparse(titles)
    queries = [f"lamp kind{number % 10}" for number in range(600)]
    together, alone = index.search(queries, 20), index.search(queries[:10], 20)
    np.testing.assert_array_equal(together.items[:10], alone.items)
    assert alone.items[3].tolist() == list(range(293, 93, -10))


def test_texts_without_a_word_are_refused() -> None:
    with pytest.raises(ValueError, match="2 item texts"):
        build_sparse(["", "!!"])


@pytest.mark.parametrize(("k1", "b"), [(K1, B), (0.3, 0.0), (2.0, 1.0)])
def test_scores_are_those_of_bm25s(k1: float, b: float) -> None:
    """bm25s makes an index of its own; ours is handed to its search."""
    rng = np.random.default_rng(1)
    texts = [" ".join(rng.choice([f"w{n}" for n in range(40)], rng.integers(1, 12))) for _ in range(200)]
    ours = count_terms([*texts, ""]).weighed(k1, b)
    peer = bm25s.BM25(k1=k1, b=b, method="lucene")
    peer.index([*(text.split() for text in texts), []], show_progress=False, create_empty_token=False)
    for word in ("w0", "w7", "w39"):
        theirs = peer.get_scores([word])
        column = slice(*ours.indptr[ours.terms.index(word) :][:2])
        mine = np.zeros(201, np.float32)
        mine[ours.indices[column]] = ours.data[column]
        np.testing.assert_allclose(mine, theirs, rtol=1e-5)


def test_k1_and_b_by_hand() -> None:
    # query "red": item 0 says it twice in a long title, item 1 once in a short one; only item 1 is right.
    # b = 0 forgives length and lets the repetition win; with b the short title comes first
    texts = ["red red shoes for the long road home again", "red socks", *["blue"] * 9]
    counts = count_terms(texts)
    assert counts.weighed(2.0, 0.0).search(["red"], 2).items.tolist() == [[0, 1]]
    assert counts.weighed(2.0, 0.75).search(["red"], 2).items.tolist() == [[1, 0]]
    found = fit_bm25(counts, ["nothing", "red"], np.array([11 + 1]))
    assert (found["k1"], found["b"], found["items"], found["queries"]) == (1.2, 0.75, 11, 1)
    worth = {(row["k1"], row["b"]): row["worth"] for row in found["tried"]}
    assert worth[1.2, 0.75] == 2.0 and worth[2.0, 0.0] == 1.5  # R@60 = 1, RR@60 = 1 or 1/2
    # where the long one is right, the usual pair loses; one query alone is no evidence
    long = fit_bm25(counts, ["red", "red"], np.array([0, 11]))
    assert long["b"] == 0.0 and sum(row["chosen"] for row in long["tried"]) == 1
    assert fit_bm25(counts, ["red"], np.array([0]))["b"] == 0.75
    # three queries gain, three lose as much: no more than chance
    mixed = fit_bm25(counts, ["red"] * 6, np.array([11 * row + row % 2 for row in range(6)]))
    assert (mixed["k1"], mixed["b"]) == (1.2, 0.75)
    assert fit_bm25(counts, ["red"], np.zeros(0, np.int64))["tried"] == []
