"""Whole-word masking: which pieces, together, how often, and the same again when asked again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import BPE, WordPiece

from models.pretraining.masking import MaskedBatch, Masker
from models.text.ragged import Ragged, ragged

PAD, UNK, CLS, SEP, MASK = range(5)
# words of one, two and three pieces: "a", "bc", "def"; x to z for chance's sake
NAMES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##c", "d", "##e", "##f", "[unused1]", "x", "y", "z"]
A, B, C, D, E, F, UNUSED, X = range(5, 13)
WORDS = [[A], [B, C], [D, E, F]]


def tokenizer() -> Tokenizer:
    found = Tokenizer(WordPiece({name: n for n, name in enumerate(NAMES)}, unk_token="[UNK]"))
    found.add_special_tokens(NAMES[:5])
    return found


def texts_of(rows: list[list[int]]) -> Ragged:
    """Each row a list of words by number."""
    return ragged([[CLS, *(piece for word in row for piece in WORDS[word]), SEP] for row in rows])


def answers(masked: MaskedBatch) -> np.ndarray:
    """The rectangle with what stood in the masked places; -1 elsewhere."""
    found = np.full(masked.ids.shape, -1)
    found.ravel()[masked.places] = masked.targets
    return found


def original(masked: MaskedBatch) -> np.ndarray:
    found = answers(masked)
    return np.where(found >= 0, found, masked.ids)


def by_hand(pieces: list[int]) -> list[list[int]]:
    """Places of each word of a text, piece by piece."""
    words: list[list[int]] = []
    before = False
    for place, piece in enumerate(pieces):
        name = NAMES[piece]
        special = name.startswith("[")
        if not special and name.startswith("##") and before:
            words[-1].append(place)
        elif not special:
            words.append([place])
        before = not special
    return words


def test_words_are_told_by_their_pieces() -> None:
    texts = ragged(
        [
            [CLS, A, B, C, SEP],
            [],
            [C, D, E, F, UNK, E, UNUSED, A],  # begins inside a word; what follows [UNK] is a word anew
        ]
    )
    word, of_word = Masker(tokenizer()).words(texts)
    assert of_word.tolist() == [0, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1, 0, 1]
    assert word[of_word].tolist() == [0, 1, 1, 2, 3, 3, 3, 4, 5]
    assert Masker(tokenizer()).has_words(texts).tolist() == [True, False, True]


def test_words_of_a_tokenizer_that_marks_their_ends() -> None:
    """As HerBERT's: every piece but a word's last goes on."""
    names = ["<pad>", "<s>", "</s>", "<mask>", "bu", "ty</w>", "lampa</w>"]
    found = Tokenizer(BPE({name: n for n, name in enumerate(names)}, [], end_of_word_suffix="</w>"))
    found.add_special_tokens(names[:4])
    masker = Masker(found)
    word, of_word = masker.words(ragged([[1, 4, 5, 6, 4, 4, 2], [4, 5], [5]]))
    assert word[of_word].tolist() == [0, 0, 1, 2, 2, 3, 3, 4]
    assert (masker.mask, masker.pad) == (3, 0)


rows_of_words = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=9), min_size=1, max_size=9)


@settings(max_examples=60, deadline=None)
@given(rows_of_words, st.integers(0, 2**32), st.sampled_from([0.01, 0.15, 0.5, 0.99]))
def test_words_fall_whole_specials_never_and_the_share_is_exact(rows: list[list[int]], seed: int, frac: float) -> None:
    texts = texts_of(rows)
    masked = Masker(tokenizer(), frac).mask_words(texts, np.random.default_rng(seed))
    asked, before = answers(masked), original(masked)
    given_rows = [texts.values[a:b].tolist() for a, b in zip(texts.offsets, texts.offsets[1:])]  # noqa: B905
    left = 0
    for row in range(len(before)):
        pieces = before[row][masked.filled[row]].tolist()
        assert (before[row][~masked.filled[row]] == PAD).all()
        # rows keep their order; those without a mask are left out
        left = given_rows.index(pieces, left) + 1
        asked_row = asked[row] >= 0
        words = by_hand(pieces)
        whole = [asked_row[places].all() for places in words]
        assert whole == [asked_row[places].any() for places in words]
        assert not asked_row[[p for p, piece in enumerate(pieces) if piece < 5]].any()
        assert np.floor(len(words) * frac) <= sum(whole) <= np.ceil(len(words) * frac)
        assert any(whole)
        for places, hit in zip(words, whole, strict=True):
            shown = masked.ids[row][places]
            if not hit:
                assert shown.tolist() == [pieces[p] for p in places]
            # one fate for all pieces of a word: masked, replaced by words' pieces, or left
            assert (shown == MASK).all() or (shown > MASK).all()
            assert UNUSED not in shown


def test_shares_are_those_of_the_paper() -> None:
    """40,000 words: 15% asked; of these 80% masked, 10% random, 10% as they were."""
    texts = texts_of([[row % 3] * (1 + row % 9) for row in range(8_000)])
    masked = Masker(tokenizer()).mask_words(texts, np.random.default_rng(3))
    asked, before = answers(masked), original(masked)
    first = np.isin(before, [A, B, D]) & (asked >= 0)  # one piece stands for its word
    assert first.sum() / 40_000 == pytest.approx(0.15, abs=0.004)
    shown = masked.ids[first]
    assert (shown == MASK).mean() == pytest.approx(0.8, abs=0.02)
    # one random piece in nine is the same by chance
    assert (shown == before[first]).mean() == pytest.approx(0.1 + 0.1 / 9, abs=0.015)
    # long and short texts alike
    for row_length in (3, 11):
        rows = masked.filled.sum(axis=1) == row_length
        of_length = sum(1 for row in range(8_000) if texts.lengths[row] == row_length)
        words = of_length * (row_length - 2)
        assert row_length == 3 or rows.any()
        if row_length == 3:  # only texts of one word of one piece have three pieces
            assert rows.sum() / words == pytest.approx(0.15, abs=0.03)


def test_the_same_draw_again_and_another() -> None:
    texts = texts_of([[0, 1, 2, 1, 0]] * 50)
    masker = Masker(tokenizer())
    one, same, other = (masker.mask_words(texts, np.random.default_rng(seed)) for seed in (7, 7, 8))
    assert np.array_equal(one.ids, same.ids)
    assert np.array_equal(one.places, same.places)
    assert not (one.ids.shape == other.ids.shape and np.array_equal(one.ids, other.ids))


def test_narrow_ids_do_as_well() -> None:
    """A catalogue's ids are held in two bytes each."""
    wide = texts_of([[0, 1, 2]] * 20)
    narrow = Ragged(wide.values.astype(np.uint16), wide.offsets)  # type: ignore[arg-type]
    found = [Masker(tokenizer()).mask_words(t, np.random.default_rng(1)) for t in (wide, narrow)]
    assert np.array_equal(found[0].ids, found[1].ids)
    assert found[1].targets.dtype == np.int64


def test_one_word_at_least_is_masked() -> None:
    masker = Masker(tokenizer(), 1e-9)
    assert len(masker.mask_words(texts_of([[0], [0]]), np.random.default_rng(0)).targets) == 1


def test_tokenizers_that_cannot_be_masked_are_refused() -> None:
    names = {"[PAD]": 0, "[UNK]": 1, "a": 2, "##b": 3}
    with pytest.raises(ValueError, match=r"none of \[MASK\]"):
        Masker(Tokenizer(WordPiece(names, unk_token="[UNK]")))
    words = {"[PAD]": 0, "[UNK]": 1, "[MASK]": 2, "a": 3}
    with pytest.raises(ValueError, match="no piece begins with ##"):
        Masker(Tokenizer(WordPiece(words, unk_token="[UNK]")))
    for wrong in (0.0, 1.0, float("nan")):
        with pytest.raises(ValueError, match="share of the words"):
            Masker(tokenizer(), wrong)
