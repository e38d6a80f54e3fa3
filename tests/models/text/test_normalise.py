"""Query normalisation: the cases that real logs hold, and the laws that the rooms rely on."""

import collections
import sys
import unicodedata

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.ingest import search_log
from jobs.platform.spark_udfs import FUNCTIONS
from models.text.normalise import QUERY_CHARS, UNCLEAN, clean_text, normalise_query, normalise_text, query_id, split_of


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
        ("H&amp;M spodnie", "h&m spodnie"),
        ("kabel 1,5&quot; &#39;czarny&#39;", "kabel 1,5\" 'czarny'"),
        ("a &amp;amp;amp;lt; b &AMP; c", "a < b & c"),  # encoded several times
        ("＆amp; &ａmp;", "& &"),  # an entity only after NFKC
        ("h&m at&t; q&lt &foo; c++", "h&m at&t; q&lt &foo; c++"),  # typed by people
        ("d\u034fi\u115fs\ufe0fh\U000e0101\u2800brush", "dish brush"),  # blanks that are no format characters
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


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("%C5%BC%C3%B3%C5%82ty%20kubek", "żółty kubek"),
        ("%c5%bc%c3%b3%c5%82ty+kubek", "żółty kubek"),
        ("rower%20miejski", "rower miejski"),
        ("%25C5%25BC", "ż"),  # encoded twice
        ("c++", "c++"),
        ("100% cotton", "100% cotton"),
        ("50%20", "50"),
        ("rabat 20%30", "rabat 20%30"),  # nothing says that it was encoded
        ("%C5 %B3", "%c5 %b3"),  # no UTF-8
    ],
)
def test_percent_encoded_queries(typed: str, expected: str) -> None:
    assert normalise_query(typed) == expected
    assert normalise_query(expected) == expected


@pytest.mark.parametrize(
    ("delivered", "expected"),
    [
        ("Salt &amp; pepper mill &quot;Nora&quot;", 'Salt & pepper mill "Nora"'),
        ("Micro\u200bfibre  cloth\ufeff", "Microfibre cloth"),
        ("\u200b\u00a0", ""),
        ("2 m² ½ ™", "2 m² ½ ™"),  # a title keeps its letters
        ("a" + "&am#112;" * 3 + "&#38;" * 50_000 + "lt;", "a" + "&am#112;" * 3 + "&" * 50_000 + "lt;"),
    ],
)
def test_titles(delivered: str, expected: str) -> None:
    cleaned = clean_text(delivered)
    assert cleaned == expected or cleaned == expected.replace("&lt;", "<")
    assert clean_text(cleaned) == cleaned


def test_an_endless_entity_comes_to_an_end() -> None:
    hidden = "&a" + "&#1&#48;9;p;" * 20_000
    assert clean_text(clean_text(hidden)) == clean_text(hidden)
    assert normalise_query("＆#xFF06;" * 9 + "amp;") == normalise_query(normalise_query("＆#xFF06;" * 9 + "amp;"))


def test_the_pattern_finds_every_text_that_is_not_clean() -> None:
    letters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF]
    found = pc.match_substring_regex(pa.array([f"a{letter}b" for letter in letters]), UNCLEAN).to_pylist()
    missed = [
        hex(ord(letter))
        for letter, is_found in zip(letters, found, strict=True)
        if not is_found and clean_text(f"a{letter}b") != f"a{letter}b"
    ]
    assert not missed
    assert pc.match_substring_regex(pa.array([" a", "a ", "a  b", "a b"]), UNCLEAN).to_pylist() == [True] * 3 + [False]


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
