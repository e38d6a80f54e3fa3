"""Pages from templates, in which every value is escaped, and texts of strangers made safe to show."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).resolve().parents[1]  # each room keeps its own
# control, format (bidi overrides, zero width), surrogates, private use, unassigned
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn")


def environment() -> Environment:
    """Templates in which every value is escaped, and a missing value is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # not for those who print to a terminal

    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["signed"] = lambda value: f"{value:+.3f}"
    return templates


def printable(text: str, limit: int = 160) -> str:
    """Drop what a terminal or a browser would obey instead of show; cut at `limit` characters."""
    spaced = text.replace("\t", " ").replace("\n", " ")
    shown = "".join(mark for mark in spaced if unicodedata.category(mark) not in _HIDDEN)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"
