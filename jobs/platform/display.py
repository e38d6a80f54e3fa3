"""Text that strangers typed, made safe to look at: no control codes, no hidden direction marks."""

from __future__ import annotations

import unicodedata

# control, format (bidi overrides, zero width), surrogates, private use, unassigned
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn")


def printable(text: str, limit: int = 160) -> str:
    """Drop what a terminal or a browser would obey instead of show; cut at `limit` characters."""
    spaced = text.replace("\t", " ").replace("\n", " ")
    seen = "".join(mark for mark in spaced if unicodedata.category(mark) not in _HIDDEN)
    return seen if len(seen) <= limit else seen[: limit - 1] + "…"
