"""Made-up queries are words of their item, in order."""

import numpy as np

from models.training.examples import synthetic_queries

TEXTS = ["Zestaw 12/512 żółta łąka", "", "  dwa   słowa ", "a", "x " * 40, "nul\x00in\u00a0it"]


def test_words_of_the_text_in_their_order() -> None:
    for seed in range(50):
        made = synthetic_queries(TEXTS, np.random.default_rng(seed))
        assert len(made) == len(TEXTS)
        for text, query in zip(TEXTS, made, strict=True):
            words = text.replace("\x00", " ").lower().split()
            taken = query.split()
            assert len(taken) == min(len(taken), 4)
            rest = iter(words)
            assert all(word in rest for word in taken), (text, query)
            assert bool(taken) is bool(words)


def test_every_number_of_words_and_every_word_comes() -> None:
    made = synthetic_queries(["one two three four five"] * 2000, np.random.default_rng(0))
    lengths = np.bincount([len(query.split()) for query in made], minlength=5)
    assert lengths[0] == 0
    assert lengths[1:].min() > 400
    words = np.unique([word for query in made for word in query.split()], return_counts=True)[1]
    assert words.min() > 0.8 * words.max()


def test_seeded() -> None:
    first = synthetic_queries(TEXTS * 5, np.random.default_rng(3))
    assert first == synthetic_queries(TEXTS * 5, np.random.default_rng(3))
    assert first != synthetic_queries(TEXTS * 5, np.random.default_rng(4))
    assert synthetic_queries([], np.random.default_rng(0)) == []
