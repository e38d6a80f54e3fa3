"""Clean text of titles and queries, and the normal form of a query: the key that joins logs, labels, training and search."""

import hashlib
import html
import re
import unicodedata
from collections.abc import Callable
from urllib.parse import unquote

NORMALISATION = "2"  # enters the space id: change it with the rules below
# 1 and 2 differ in texts that a web layer encoded and in invisible letters alone: towers of 1 search on
READABLE = ("1", NORMALISATION)
# begins a number that an item's text carries as a word (sql/items.sql): no letter, so that no word of a query has it
SLOT_MARK = "§"
# of a normalised query: labels, training and search read the first ones of a longer text, the log sets its search aside.
# Over 100,000 letters of one word the sums of fp32 differ between torch and ONNX by more than a service may see
QUERY_CHARS = 500

# characters that show nothing and are no format characters: fillers, joiners, variation selectors
_BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"
_SPACES = "\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u2800\u3000"
# RE2: texts that `clean_text` may change; it leaves all others as they are
UNCLEAN = rf"[&\p{{Cc}}\p{{Cf}}{_SPACES}{_BLANK}]|^ | $|  "
_INVISIBLE = re.compile(f"[{_BLANK}]+")
_WHITE_SPACE = re.compile(r"\s+")
# an ampersand that was encoded several times, then the entity; a semicolon must end it: "q&lt" is what somebody typed
_ENTITY = re.compile(r"&(?:(?:amp|#0*38|#[xX]0*26);)*(\w{2,31}|#\d{1,7}|#[xX][0-9a-fA-F]{1,6});", re.ASCII)
_CONTROL = frozenset({"Cc", "Cf", "Cs"})  # control, format (zero width, soft hyphen), surrogate
_ENCODED = re.compile("%(?:2[05]|[89a-fA-F][0-9a-fA-F])")
_MAX_ENCODED = 5  # times that a text was encoded; an ampersand or a percent sign that is left then is dropped
_DEV_FROM, _TEST_FROM = 80, 85


def clean_text(text: str) -> str:
    """Text as delivered -> as a person reads it: HTML entities resolved, white space collapsed, invisible characters dropped.

    Titles and queries both come through here, or nobody finds an item by its own title. Idempotent.
    """
    return _settled(text, _resolved) if "&" in text else _visible(text)


def normalise_query(text: str) -> str:
    """Query as typed -> its normal form, at most QUERY_CHARS code points of it. Idempotent."""
    # NFKC and lower case hold for the beginning of a text too
    return normalise_text(text)[:QUERY_CHARS].rstrip()


def normalise_text(text: str) -> str:
    """Text as typed -> cleaned, NFKC, lower case.

    Diacritics stay: in Polish `łaska` and `laska` are different words. Idempotent, so a text
    that was normalised in one room can be normalised again in the next.
    """
    folded = _folded(clean_text(text))
    return _settled(folded, _decoded) if "&" in folded or "%" in folded else folded


def _decoded(typed: str) -> str:
    return _folded(clean_text(_url_decoded(typed)))


def _url_decoded(text: str) -> str:
    """Undo the percent encoding of a web layer, once: of a text with an encoded space, percent sign or foreign letter."""
    if not _ENCODED.search(text):
        return text
    try:
        return unquote(text.replace("+", " "), errors="strict")
    except UnicodeDecodeError:
        return text


def _settled(text: str, rule: Callable[[str], str]) -> str:
    """Apply a rule until it changes nothing more: what it resolves may be an entity again."""
    for _ in range(_MAX_ENCODED):
        ruled = rule(text)
        if ruled == text:
            return ruled
        text = ruled
    return rule(text.replace("&", " ").replace("%", " "))


def _resolved(text: str) -> str:
    return _visible(_ENTITY.sub(lambda entity: html.unescape(f"&{entity[1]};"), text))


def _visible(text: str) -> str:
    if not text.isprintable():
        # white space first: a tab or a line break is a control character, but it separates two words
        text = _WHITE_SPACE.sub(" ", text)
        text = "".join(c for c in text if unicodedata.category(c) not in _CONTROL)
    if not text.isascii():
        text = _INVISIBLE.sub("", text).replace("\u2800", " ")
    return " ".join(text.split())


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    # lower() can leave a sequence that composes (capital I with a dot), hence NFKC on both sides
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower())
    return " ".join(text.split())


def query_id(normalised: str) -> str:
    """SHA-1 (40 hex) of a normalised query: a short key, not a secret."""
    return hashlib.sha1(normalised.encode("utf-8"), usedforsecurity=False).hexdigest()


def split_of(query_id: str) -> str:
    """Split of a query by its id alone: about 80% `train`, 5% `dev`, 15% `test`.

    Raises:
        ValueError: not a hex id.
    """
    bucket = int(query_id[:8], 16) % 100
    if bucket < _DEV_FROM:
        return "train"
    return "dev" if bucket < _TEST_FROM else "test"
