"""Query normalisation: the cases that real logs hold, and the laws that the rooms rely on."""

import collections
import sys
import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.ingest import search_log
from jobs.platform.spark_udfs import FUNCTIONS
from models.text.normalise import QUERY_CHARS, normalise_query, normalise_text, query_id, split_of


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("Tenisówki  PIKACHU ", "tenisówki pikachu"),  # case, white space
        ("Żółta Łaska", "żółta łaska"),  # Polish letters stay
        ("z\u0307o\u0301łty", "żółty"),  # decomposed marks compose
        ("5\u00a0szt\t60×120\n", "5 szt 60×120"),  # no-break space, tab, line break
        ("ﬁltr ½ Ⅳ ｗｉｄｅ", "filtr 1⁄2 iv wide"),  # ligature, fraction, roman, full width
        ("zero\u200bwidth\u00adhyphen", "zerowidthhyphen"),  # format characters vanish
        ("nul\x00 bell\x07", "nul bell"),  # control characters vanish
        ("e\u200d\u0301", "é"),  # what a dropped character kept apart composes
        ("\ud800x", "x"),  # a lone surrogate from broken JSON
        ("İstanbul", "i\u0307stanbul"),
        (" \u2003 ", ""),
    ],
)
def test_cases(typed: str, expected: str) -> None:
    assert normalise_query(typed) == expected


@pytest.mark.parametrize(
    "typed", ["x" * 100_000, "ab " * 1_000, "ẛ̣" * 900, "é" * 700, "ﬃ" * 400, "Σ" * 600, "1½ " * 400, "👟" * 501]
)
def test_a_text_is_cut_at_the_length_at_which_the_log_sets_its_search_aside(typed: str) -> None:
    once = normalise_query(typed)
    assert QUERY_CHARS == 500
    assert QUERY_CHARS - 1 <= len(once) <= QUERY_CHARS
    assert normalise_text(typed).startswith(once)
    assert normalise_query(once) == normalise_text(once) == once
    in_sql = FUNCTIONS["normalise_query"](pa.array([typed, once]))
    assert in_sql.to_pylist() == [once, once]
    # the log reads the whole text, or its rule could not see that it is too long
    assert FUNCTIONS["clean_query"](pa.array([typed])).to_pylist() == [normalise_text(typed)]
    assert search_log.QUERY_CHARS == QUERY_CHARS


@given(st.text(st.characters(exclude_categories=[])))
def test_idempotent_and_clean(text: str) -> None:
    once = normalise_query(text)
    assert normalise_query(once) == once
    assert once == once.strip()
    assert "  " not in once
    assert not any(unicodedata.category(c) in {"Cc", "Cf", "Cs"} for c in once)


def test_idempotent_on_every_character() -> None:
    for code in range(sys.maxunicode + 1):
        once = normalise_query("a" + chr(code) + "\u0301E")
        if not once.isascii():
            assert normalise_query(once) == once, hex(code)


def test_query_id_is_the_sha1_of_the_utf8_text() -> None:
    assert query_id("abc") == "a9993e364706816aba3e25717850c26c9cd0d89d"  # FIPS 180 example


def test_split_depends_on_the_id_alone_and_holds_its_shares() -> None:
    ids = [query_id(str(i)) for i in range(20_000)]
    shares = collections.Counter(map(split_of, ids))
    assert shares["train"] / 20_000 == pytest.approx(0.80, abs=0.01)
    assert shares["dev"] / 20_000 == pytest.approx(0.05, abs=0.01)
    assert shares["test"] / 20_000 == pytest.approx(0.15, abs=0.01)
    assert split_of(ids[0]) == split_of(ids[0][:8] + "0" * 32)
