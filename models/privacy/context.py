"""The context of digits in a query: the words around them, as evidence for or against personal data."""

from __future__ import annotations

import re
from dataclasses import dataclass

from models.privacy import polish_words as words

Span = tuple[int, int, str]  # start, end, kind
SEPARATORS = r"[ \-./()‐–—−]"
NEAR = 200  # characters on either side that are read: a query seldom has more, and a hostile one costs no more
_WORD = re.compile(r"[^\W_](?:[\w/]*[^\W_])?")


@dataclass(frozen=True)
class Around:
    """The surroundings of digits: text of a whole query, start and end of the digits in it."""

    text: str
    start: int
    end: int

    @property
    def before(self) -> list[str]:
        """Up to four words before, the nearest first, ending at the first that means something."""
        nearest = []
        for word in reversed(_WORD.findall(self.text[max(0, self.start - 60) : self.start])[-4:]):
            nearest.append(word)
            if word not in words.FILLERS:
                break
        return nearest

    @property
    def rest(self) -> set[str]:
        """The other words, numbers left out."""
        left = self.text[max(0, self.start - NEAR) : self.start]
        others = _WORD.findall(f"{left} {self.text[self.end : self.end + NEAR]}")
        return {word for word in others if not word.isdigit()}

    @property
    def called(self) -> bool:
        """Whether the text calls these digits a phone number."""
        near = any(word in words.CALL or word.startswith(words.CALL_STEMS) for word in self.before)
        left = any(word in words.LEFT | words.NAMES or word.startswith(words.CALL_STEMS) for word in self.rest)
        return near or (left and not self.coded)

    @property
    def coded(self) -> bool:
        """Whether a word before calls them an article number, or they are joined to letters, as in ab-600."""
        glue = "-_/"
        left = self.text[max(0, self.start - 2) : self.start]
        right = self.text[self.end : self.end + 2]
        glued = (left[-1:] in glue and left[:1].isalnum()) if len(left) == 2 else False
        glued |= len(right) == 2 and right[0] in glue and right[1].isalnum()
        return glued or any(word in words.CODE for word in self.before)

    @property
    def alone(self) -> bool:
        """Whether the text has nothing else."""
        return not self.coded and self.rest <= words.FILLERS | words.CALL

    @property
    def measured(self) -> bool:
        """Whether a unit follows, or a word names a measurement."""
        after = _WORD.match(self.text, _skip(self.text, self.end))
        return (after is not None and after[0].partition("/")[0] in words.UNITS) or any(
            word.startswith(words.DIMENSIONS) for word in self.rest
        )

    @property
    def parts(self) -> bool:
        """Whether the text names goods whose article numbers look like phone numbers."""
        return any(word.startswith(words.PARTS) for word in self.rest)

    @property
    def sized(self) -> bool:
        """Whether the text names goods that are sold by sizes in millimetres."""
        return any(word.startswith(words.SIZED) for word in self.rest)

    @property
    def bracketed(self) -> bool:
        """Whether they begin with an area code in brackets."""
        return self.text[self.start : self.start + 1] == "(" and self.text[self.start + 3 : self.start + 4] == ")"

    def names(self, some: frozenset[str]) -> bool:
        """Whether the text has one of these words."""
        return not self.rest.isdisjoint(some)


def _skip(text: str, at: int) -> int:
    return at + (text[at : at + 1] in {" ", ")"})
