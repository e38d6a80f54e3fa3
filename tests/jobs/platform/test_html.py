from __future__ import annotations

import pytest

from jobs.platform.html import printable


@pytest.mark.parametrize(
    ("typed", "seen"),
    [
        ("tenisówki pikachu", "tenisówki pikachu"),
        ("a\x1b[31mb\x1b]0;t\x07c", "a[31mb]0;tc"),  # no escape, no bell: nothing left to obey
        ("\u202egnp.exe", "gnp.exe"),  # right-to-left override
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("two\nlines\tand a tab", "two lines and a tab"),
        ("\x9b31m", "31m"),  # the one-byte control sequence introducer
        ("\x00", ""),
    ],
)
def test_what_a_terminal_would_obey_is_dropped(typed: str, seen: str) -> None:
    assert printable(typed) == seen


def test_long_text_is_cut() -> None:
    assert printable("x" * 500, 10) == "x" * 9 + "…"
