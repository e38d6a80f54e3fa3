from __future__ import annotations

import numpy as np
import pytest

from models.text.analyser import Analyser, fold, guess_language


def terms(analyser: Analyser, texts: list[str]) -> list[list[str]]:
    """The plain reading of Terms, one list per text."""
    found = analyser.analyse(texts)
    spans = zip(found.offsets[:-1], found.offsets[1:], strict=True)
    return [[found.vocabulary[row] for row in found.ids[low:high]] for low, high in spans]


@pytest.mark.parametrize(
    ("word", "folded"), [("żółty", "zolty"), ("łóżko", "lozko"), ("Ångström", "Angstrom"), ("abc", "abc")]
)
def test_folding_strips_diacritics_also_where_unicode_has_no_decomposition(word: str, folded: str) -> None:
    assert fold(word) == folded


@pytest.mark.parametrize("typed", ["butów", "butow", "buty"])
def test_inflected_polish_meets_its_base_form_with_and_without_diacritics(typed: str) -> None:
    polish = Analyser("pl")
    assert set(polish.terms_of(typed)) & set(polish.terms_of("butów"))


@pytest.mark.parametrize("language", ["none", "en", "pl"])
@pytest.mark.parametrize("model", ["wh-1000xm4", "s10es", "90210", "3/4", "i7-9700k"])
def test_a_model_number_survives_whole(language: str, model: str) -> None:
    whole = "".join(mark for mark in model if mark.isalnum())
    assert whole in Analyser(language).terms_of(model)


def test_a_model_number_is_found_however_it_is_spelt() -> None:
    analyser = Analyser("en")
    assert set(analyser.terms_of("wh-1000xm4")) & set(analyser.terms_of("wh1000xm4"))


def test_texts_keep_their_own_terms() -> None:
    texts = ["Red shoes", "", "!!!", "shoes\nred", "RED"]
    assert terms(Analyser("none"), texts) == [["red", "shoes"], [], [], ["shoes", "red"], ["red"]]


def test_no_texts_and_a_single_empty_text() -> None:
    assert terms(Analyser(), []) == []
    assert terms(Analyser(), [""]) == [[]]


def test_analysis_equals_the_word_by_word_reading() -> None:
    texts = ["Buty do biegania Nike-Air 90", "tenisówki PIKACHU r.39", "\u0000 zażółć \u202e gęślą"]
    analyser = Analyser("pl")
    together = terms(analyser, texts)
    alone = [terms(analyser, [text])[0] for text in texts]
    assert together == alone
    assert analyser.analyse(texts).ids.dtype == np.int64


@pytest.mark.parametrize(
    ("texts", "language"),
    [
        (["Buty żółte do biegania", "Łóżko dziecięce"], "pl"),
        (["Cordless drill with battery", "Cover for the grill"], "en"),
        (["X100 42mm", "Schuhe rot"], "none"),
        ([], "none"),
    ],
)
def test_the_language_is_told_by_its_own_letters_and_words(texts: list[str], language: str) -> None:
    assert guess_language(texts) == language


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(ValueError, match="klingon"):
        Analyser("klingon")
