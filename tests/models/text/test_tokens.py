"""The tokenizer and its store."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordPiece

from models.text.tokens import SPECIAL, pad_id, token_store, train_tokenizer
from tests.models.shop import ITEMS, QUERIES

TEXTS = ITEMS + QUERIES


@pytest.mark.parametrize("vocabulary", [90, 300])
def test_the_same_texts_give_the_same_tokenizer(vocabulary: int) -> None:
    """The library's own trainer does not: it breaks ties in the order of a hash table."""
    found = {train_tokenizer(TEXTS, vocabulary).to_str() for _ in range(5)}
    assert len(found) == 1


def test_pieces_are_words_of_the_shop_and_diacritics_stay() -> None:
    tokenizer = train_tokenizer(TEXTS, 300)
    assert tokenizer.get_vocab_size() <= 300
    assert tokenizer.encode("Żarówka biały").tokens == ["[CLS]", "żarówka", "biały", "[SEP]"]
    assert [tokenizer.token_to_id(name) for name in SPECIAL] == [0, 1, 2, 3, 4]
    assert Tokenizer.from_str(tokenizer.to_str()).encode("lampa 3").ids == tokenizer.encode("lampa 3").ids


def test_what_people_type_never_becomes_a_special_piece_by_its_inner_letters() -> None:
    """Inner letters were special only while training."""
    tokenizer = train_tokenizer(TEXTS, 300)
    assert "##a" not in tokenizer.encode("##a").tokens


def test_store_is_the_tokenizer_text_by_text() -> None:
    tokenizer = train_tokenizer(TEXTS, 300)
    stored = token_store(tokenizer, [*TEXTS, "", "lampa " * 50], 8)
    tokenizer.enable_truncation(8)
    for row, text in enumerate([*TEXTS, "", "lampa " * 50]):
        ids = stored.values[stored.offsets[row] : stored.offsets[row + 1]].tolist()
        assert ids == tokenizer.encode(text).ids
    assert stored.lengths.max() == 8
    assert stored.lengths[-2] == 2  # an empty text: [CLS] [SEP]


def test_a_tokenizer_without_padding_is_refused() -> None:
    assert pad_id(train_tokenizer(TEXTS, 300)) == 0
    with pytest.raises(ValueError, match="no padding piece"):
        pad_id(Tokenizer(WordPiece({"a": 0}, unk_token="a")))
