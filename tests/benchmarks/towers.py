"""ROOM=towers: hashing titles into trigrams against scikit-learn's HashingVectorizer."""

from __future__ import annotations

import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer

from models.trigrams import trigram_ids
from tests.benchmarks._compare import compare

TITLES = 50_000
BUCKETS = 1 << 16


def titles(n: int, seed: int = 0) -> list[str]:
    """Made-up titles of 4 to 10 words from a vocabulary of 5,000."""
    rng = np.random.default_rng(seed)
    letters = np.array(list("aąbcćdeęfghijklłmnńoóprsśtuwyzźż0123456789"))
    words = ["".join(rng.choice(letters, rng.integers(2, 12))) for _ in range(5_000)]
    return [" ".join(rng.choice(words, count)) for count in rng.integers(4, 11, n)]


def main() -> None:
    """Compare on one core."""
    texts = titles(TITLES)
    peer = HashingVectorizer(analyzer="char_wb", ngram_range=(3, 3), n_features=BUCKETS)
    compare("trigram hashing", lambda: trigram_ids(texts, BUCKETS), lambda: peer.transform(texts),
            "scikit-learn char_wb", TITLES, "titles", "nothing")  # fmt: skip


if __name__ == "__main__":
    main()
