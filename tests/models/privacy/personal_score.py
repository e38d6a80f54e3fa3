"""Masked cases of each family, counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from models.privacy import mask_personal
from tests.models.privacy.personal_cases import Case


@dataclass
class Share:
    """hits of n."""

    hits: int = 0
    n: int = 0

    @property
    def frac(self) -> float:
        return self.hits / self.n

    def add(self, hit: bool) -> None:
        self.hits, self.n = self.hits + hit, self.n + 1


def recall(cases: Iterable[Case]) -> dict[str, Share]:
    """Share of a family's cases whose data is masked to the last word, by family."""
    found: dict[str, Share] = {}
    for case in cases:
        if case.kind:
            share = found.setdefault(case.family, Share())
            share.add(not case.leaks(mask_personal(case.text)))
    return found


def false_frac(cases: Iterable[Case]) -> dict[str, Share]:
    """Share of a family's product queries of which something is masked."""
    found: dict[str, Share] = {}
    for case in cases:
        if not case.kind:
            found.setdefault(case.family, Share()).add(mask_personal(case.text) != case.text)
    return found
