"""Near-duplicate titles against a comparison of all with all."""

from __future__ import annotations

import numpy as np
import pytest

from models.mining.near_duplicate_titles import near_duplicates, overlap
from models.text.ragged import ragged
from models.text.trigrams import trigram_ids


def jaccard(first: str, second: str) -> float:
    ids, offsets = trigram_ids([first, second], 1 << 20)
    one, other = set(ids[: offsets[1]].tolist()), set(ids[offsets[1] :].tolist())
    return len(one & other) / max(1, len(one | other))


def test_all_pairs_above_the_threshold() -> None:
    rng = np.random.default_rng(0)
    words = ["buty", "lampa", "czarny", "xl", "rower", "nike", "pro", "2szt", "model", "żarówka", "m"]
    titles = sorted({" ".join(rng.choice(words, 6)) for _ in range(150)})
    found = near_duplicates(titles, 0.8)
    expected = [
        [b for b in range(len(titles)) if a != b and jaccard(titles[a], titles[b]) >= 0.8] for a in range(len(titles))
    ]
    missed = sum(len(set(expected[a]) - set(found.take(np.array([a])).values.tolist())) for a in range(len(titles)))
    # nothing that is not; and of what is, all but one in a hundred
    for a in range(len(titles)):
        assert set(found.take(np.array([a])).values.tolist()) <= set(expected[a])
    assert missed <= sum(map(len, expected)) / 100
    assert sum(map(len, expected)) > 100


def test_overlap_by_hand() -> None:
    sets = ragged([[1, 2, 3], [2, 3, 4, 5], [], [9]])
    pairs = np.array([[0, 1], [0, 3], [2, 2], [1, 1]])
    assert overlap(sets, pairs).tolist() == [2 / 5, 0, 0, 1]


def test_titles_without_words_are_like_nothing() -> None:
    found = near_duplicates(["", "!!!", "lampa led 10w", "lampa led 20w"], 0.5)
    assert found.lengths.tolist() == [0, 0, 1, 1]
    assert near_duplicates([], 0.5).lengths.tolist() == []
    with pytest.raises(ValueError, match="expected above 0"):
        near_duplicates(["a"], 0.0)
