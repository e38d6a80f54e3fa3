"""Features of a list: by hand, against a plain loop over words, and for hostile text."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.reranking.features import FEATURES, Candidates, ItemArrays, item_arrays, list_features
from models.reranking.numbers import NUMBERS
from models.text.normalise import query_id

TITLES = ["Bosch GSR 120 drill", "Drill bits", "Makita DHP482 cordless drill", "Lamp", ""]
BRANDS = ["Bosch", "", "Makita", "", ""]


def shop(titles: list[str] = TITLES, brands: list[str] = BRANDS) -> ItemArrays:
    numbers = np.zeros((len(titles), len(NUMBERS)), np.float32)
    numbers[:, NUMBERS.index("price")] = [10 * (row + 1) for row in range(len(titles))]
    return item_arrays(titles, brands, numbers, "none")


def candidates(rows: list[int]) -> Candidates:
    n = len(rows)
    dense = np.arange(n, dtype=np.int32)  # the first is not in the dense list
    return Candidates(
        np.array(rows, np.int64),
        np.linspace(0.9, 0.1, n).astype(np.float32),
        dense,
        np.where(dense > 0, 1 - dense / 10, np.nan).astype(np.float32),
        np.zeros(n, np.int32),
        np.full(n, np.nan, np.float32),
    )


def columns(items: ItemArrays, query: str, rows: list[int]) -> dict[str, list[float]]:
    features = list_features(items, query, candidates(rows))
    assert features.shape == (len(rows), len(FEATURES))
    assert features.dtype == np.float32
    return {name: features[:, place].tolist() for place, name in enumerate(FEATURES)}


def test_features_by_hand() -> None:
    found = columns(shop(), "Bosch  GSR 120", [0, 1, 2, 4])
    assert found["query_terms"] == [3] * 4
    assert found["query_chars"] == [13] * 4  # of its normal form
    assert found["title_terms"] == [4, 2, 4, 0]
    assert found["terms_matched"] == [1, 0, 0, 0]
    assert found["terms_missed"] == [0, 3, 3, 3]
    assert found["is_phrase"] == [1, 0, 0, 0]
    assert found["is_exact"] == [0, 0, 0, 0]  # the title says more
    assert found["last_term"] == [1, 0, 0, 0]
    assert found["model_number"] == [1, 0, 0, 0]
    assert found["brand"][0] == 1
    assert math.isnan(found["brand"][1])
    assert found["brand"][2] == 0
    assert found["first_place"][0] == 0
    assert math.isnan(found["first_place"][1])
    assert found["hybrid_rank"] == [1, 2, 3, 4]
    assert math.isnan(found["dense_rank"][0])
    assert found["dense_rank"][1:] == [1, 2, 3]
    assert found["dense_below_best"][2] == pytest.approx(0.1)
    assert all(math.isnan(value) for value in found["sparse_score"])
    # prices 10, 20, 30, 50: a median of 25
    assert found["price_to_list"] == pytest.approx([0.4, 0.8, 1.2, 2.0])
    assert found["price_below_frac"] == [0, 0.25, 0.5, 0.75]


def test_the_phrase_must_be_whole_in_order_and_inside_one_title() -> None:
    items = shop(["red shoe", "shoe red", "big red", "shoe", "red shoe"], [""] * 5)
    found = columns(items, "red shoe", [0, 1, 2, 3, 4])
    assert found["is_phrase"] == [1, 0, 0, 0, 1]  # not over the edge of the third and the fourth
    assert found["is_exact"] == [1, 0, 0, 0, 1]
    assert found["terms_matched"] == [1, 1, 0.5, 0.5, 1]


def test_rare_words_weigh_more_as_a_plain_loop_counts_them() -> None:
    found = columns(shop(), "cordless drill gsr", [0, 1, 2, 3])
    sets = [set(title.lower().split()) for title in TITLES]

    def idf(word: str) -> float:
        holding = sum(word in words for words in sets)
        return math.log1p((len(TITLES) - holding + 0.5) / (holding + 0.5))

    words = ["cordless", "drill", "gsr"]
    whole = sum(map(idf, words))
    expected = [sum(idf(word) for word in words if word in sets[row]) / whole for row in range(4)]
    assert found["idf_matched"] == pytest.approx(expected, rel=1e-6)


def test_the_segment_is_that_of_the_known_query_and_tail_for_all_others() -> None:
    known = {"drill bits": "head", "lamp": "torso", "makita": "tail", "bosch": "unseen"}
    ids = [query_id(text) for text in known]
    items = item_arrays(TITLES, BRANDS, shop().numbers, "none", ids, list(known.values()))
    asked = {"Drill  BITS": 2.0, "lamp": 1.0, "makita": 0.0, "bosch": 0.0, "lamps": 0.0, "": 0.0}
    assert {text: columns(items, text, [0, 1])["query_segment"] for text in asked} == {
        text: [place] * 2 for text, place in asked.items()
    }
    assert len(items.queries) == 2, "the tail is not kept"
    assert math.isnan(columns(shop(), "lamp", [0])["query_segment"][0]), "without queries nothing is known"
    older = {name: array for name, array in items.arrays().items() if name not in ("queries", "segments")}
    assert math.isnan(columns(ItemArrays.of(older, "none"), "lamp", [0])["query_segment"][0])


def test_the_model_number_and_the_last_term_stand_anywhere_in_the_title() -> None:
    found = columns(shop(), "120 482 drill", [0, 1, 2])
    assert found["model_number"] == [0.5, 0, 0]  # 120 alone; DHP482 is another word
    assert found["last_term"] == [1, 1, 1]
    assert found["title_terms"] == [4, 2, 4]
    assert all(math.isnan(value) for value in columns(shop(), "drill", [0, 1])["model_number"])


def test_a_typo_is_seen_by_trigrams_alone() -> None:
    found = columns(shop(), "makta dhp482", [2, 1, 0])
    assert found["terms_matched"] == [0.5, 0, 0]
    assert found["trigrams_matched"][0] > found["trigrams_matched"][1]
    assert found["trigrams_alike"][0] > found["trigrams_alike"][2]


@pytest.mark.parametrize("query", ["", "\x00 \x1b[31m", "👟", "a" * 5_000, "<script>alert(1)</script>", "\ud800"])
def test_hostile_queries_and_empty_lists_have_features(query: str) -> None:
    found = list_features(shop(), query, candidates([0, 4]))
    assert not np.isinf(found).any()
    assert list_features(shop(), query, candidates([])).shape == (0, len(FEATURES))


def test_arrays_written_and_read_are_the_same_items() -> None:
    items = item_arrays(TITLES, BRANDS, shop().numbers, "none", [query_id("drill 120")], ["head"])
    again = ItemArrays.of({name: array.copy() for name, array in items.arrays().items()}, "none")
    same(list_features(items, "drill 120", candidates([2, 0])), list_features(again, "drill 120", candidates([2, 0])))


def same(one: NDArray[Any], other: NDArray[Any]) -> None:
    np.testing.assert_array_equal(one, other)


def test_an_item_has_the_same_features_wherever_it_lies_in_the_catalogue() -> None:
    back = item_arrays(TITLES[::-1], BRANDS[::-1], shop().numbers[::-1], "none")
    rows = [0, 2, 1, 3]
    same(
        list_features(shop(), "bosch drill", candidates(rows)),
        list_features(back, "bosch drill", candidates([4 - row for row in rows])),
    )
