"""E-mail addresses, also as people hide or hurry them: `jan (at) wp.pl`, `jan kropka nowak malpa wp pl`, `jan@wp,pl`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from models.privacy.context import Span

TOPS = "pl|com|eu|net|org|info|biz|de|uk|ua|cz|sk|fr|it|es|nl|at|ch|lt|se|no|dk|be|io|me|edu|gov"
# where half of Poland has its mail: known even when the end is left out
_PROVIDERS = (
    "gmail|wp|onet|o2|interia|poczta|tlen|op|vp|hotmail|outlook|yahoo|icloud|proton|protonmail|buziaczek|autograf"
    "|gazeta|neostrada|gmx"
)
_DOT = r"(?: ?[(\[{] ?(?:dot|kropka|\.) ?[)\]}] ?| (?:dot|kropka) )"
_LOCAL = rf"(?<![\w.+%-])[\w.+%'-]+(?:{_DOT}[\w.+%-]+){{0,6}}"
_END = r"(?![\w-])"
_SLOPPY = rf"[\w-]+(?:[.,][\w-]+)*(?:{_DOT}| ?[.,] ?| )(?:{TOPS})(?:\.(?:pl|uk))?"
_DOMAIN = rf"(?:[\w-]+(?:(?:\.|{_DOT})[\w-]+){{0,6}}(?:\.|{_DOT})[^\W\d_]{{2,24}}|{_SLOPPY}|{_PROVIDERS}){_END}"
_HIDDEN = r"(?: ?[(\[{<] ?(?:at|malpa|@) ?[)\]}>] ?)"
_SPOKEN = rf"(?:[\w-]+(?:(?:\.|{_DOT})[\w-]+){{0,6}}(?:\.|{_DOT})(?:{TOPS})|(?:{_PROVIDERS})[ .,](?:{TOPS})){_END}"

_A = r" ?[(\[{<] ?a ?[)\]}>] ?"  # also the mark of a variant, so only with a known end

_MAIL = re.compile(rf"{_LOCAL}(?:(?:@|{_HIDDEN}){_DOMAIN}|(?: (?:at|malpa) | ?@ ?|{_A}){_SPOKEN})")


def mails(text: str) -> Iterator[Span]:
    """E-mail addresses in a text."""
    for match in _MAIL.finditer(text):
        yield *match.span(), "email"
