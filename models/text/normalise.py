"""Normal form of a query's text: the key that joins logs, labels, training and search."""

import hashlib
import re
import unicodedata

NORMALISATION = "1"  # enters the space id: change it with the rules below
# of a normalised query: labels, training and search read the first ones of a longer text, the log sets its search aside.
# Over 100,000 letters of one word the sums of fp32 differ between torch and ONNX by more than a service may see
QUERY_CHARS = 500

_WHITE_SPACE = re.compile(r"\s+")
_CONTROL = frozenset({"Cc", "Cf", "Cs"})  # control, format (zero width, soft hyphen), surrogate
_DEV_FROM, _TEST_FROM = 80, 85


def normalise_query(text: str) -> str:
    """Query as typed -> its normal form, at most QUERY_CHARS code points of it. Idempotent."""
    # NFKC and lower case hold for the beginning of a text too
    return normalise_text(text)[:QUERY_CHARS].rstrip()


def normalise_text(text: str) -> str:
    """Text as typed -> NFKC, lower case, white space collapsed, control characters dropped.

    Diacritics stay: in Polish `łaska` and `laska` are different words. Idempotent, so a text
    that was normalised in one room can be normalised again in the next.
    """
    if not text.isprintable():
        # white space first: a tab or a line break is a control character, but it separates two words
        text = _WHITE_SPACE.sub(" ", text)
        text = "".join(c for c in text if unicodedata.category(c) not in _CONTROL)
    if text.isascii():
        return " ".join(text.lower().split())
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
