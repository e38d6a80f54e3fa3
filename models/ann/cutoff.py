"""Where a neighbour list ends: at the knee of its scores, at a similarity threshold, after K items, or nowhere.

Which of them ships is decided on judged queries: of the rules that keep KEEP_FRAC of the relevant items that the whole
list has, the one that shows the fewest. Neither side of that counts an item without a judgement as wrong, as precision
does; where few items are judged the best F1 would end every list after the judged ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

KINDS = ("none", "threshold", "knee", "fixed")
CHOICES = ("auto", *KINDS)
FITTED = ("threshold", "fixed")
KEEP_FRAC = 0.95
_STRAIGHT = 1e-6  # a bend below it is rounding

Scores = NDArray[np.float32]
Hits = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Cutoff:
    """A rule that ships in the bundle.

    kind: none keeps all, threshold keeps scores >= value, fixed keeps the first `value` items, knee cuts
    each list at its own knee. min_items: no list gets shorter than this while it has that many. depth:
    places on which it was fitted, and of which a knee is; 0: all that are given.
    """

    kind: str = "none"
    value: float = 0.0
    min_items: int = 10
    depth: int = 0

    def __post_init__(self) -> None:
        """Refuse an unknown rule.

        Raises:
            ValueError: kind is not one of KINDS.
        """
        if self.kind not in KINDS:
            raise ValueError(f"cut-off {self.kind!r} is not one of {', '.join(KINDS)}")

    def lengths(self, scores: Scores) -> Ints:
        """Count the items to keep per list; scores [Q, K] falling, -inf past the end."""
        present: Ints = np.isfinite(scores).sum(axis=1)
        if self.kind == "none":
            return present
        if self.kind == "threshold":
            wanted = (scores >= self.value).sum(axis=1)
        elif self.kind == "fixed":
            wanted = np.full(len(scores), int(self.value))
        else:
            wanted = knees(scores[:, : self.depth or None]) + 1
        kept: Ints = np.minimum(present, np.maximum(wanted, self.min_items))
        return kept


def knees(scores: Scores) -> Ints:
    """Place of the knee of each falling list of scores [Q, K], from 0; -inf past a list's end.

    The knee is where the curve, scaled to the unit square, lies farthest below the straight line
    from its first point to its last: the Kneedle difference curve without smoothing. A straight or
    bulging list has no knee: its last place is given. Source: Satopaa et al., 2011.
    """
    bend, last = _bends(scores)
    return np.where(_bent(bend), bend.argmax(axis=1), last)


def without_knee(scores: Scores) -> Hits:
    """Whether each list [Q] is straight or bulges: it has no knee."""
    return ~_bent(_bends(scores)[0])


def _bent(bend: NDArray[np.float64]) -> Hits:
    found: Hits = bend.max(axis=1) > _STRAIGHT
    return found


def _bends(scores: Scores) -> tuple[NDArray[np.float64], Ints]:
    """How far each place lies below the line, -1 past the end and in a list that does not fall; and last places."""
    present = np.isfinite(scores).sum(axis=1)
    last: Ints = np.maximum(present - 1, 0)
    last_score = np.take_along_axis(scores, last[:, None], axis=1)[:, 0]
    fall = np.where(present > 1, scores[:, 0] - last_score, 0.0)
    safe = np.where(fall > 0, fall, 1.0).astype(np.float64)
    across = np.arange(scores.shape[1]) / np.maximum(last, 1)[:, None]
    known = np.where(np.isfinite(scores), scores, np.nan).astype(np.float64)
    bend = np.nan_to_num((known[:, :1] - known) / safe[:, None] - across, nan=-1.0)
    return np.where((fall > 0)[:, None], bend, -1.0), last


@dataclass(frozen=True)
class JudgedLists:
    """Dense lists of development queries.

    scores [Q, K] falling; hits [Q, K] True where the item is relevant; relevant [Q]: how many relevant
    items the judgements know of, found or not.
    """

    scores: Scores
    hits: Hits
    relevant: Ints

    def kept_frac(self, rule: Cutoff) -> float:
        """Share of the relevant items of a list that the rule keeps: the mean over lists that have any."""
        whole = self.hits.sum(axis=1)
        some = whole > 0
        return float((self.found(rule)[some] / whole[some]).mean()) if some.any() else 1.0

    def found(self, rule: Cutoff) -> Ints:
        """Relevant items that the rule shows [Q]."""
        shown = np.arange(self.hits.shape[1]) < rule.lengths(self.scores)[:, None]
        count: Ints = (self.hits & shown).sum(axis=1)
        return count


def fit_threshold(lists: JudgedLists, keep_frac: float = KEEP_FRAC, min_items: int = 10) -> Cutoff:
    """Find the highest threshold that keeps this share; with no relevant item nothing is cut."""
    found = np.unique(lists.scores[lists.hits & np.isfinite(lists.scores)])[::-1]
    rules = [Cutoff("threshold", float(score), min_items) for score in found]
    return _tightest(rules, lambda rule: lists.kept_frac(rule) >= keep_frac)


def fit_fixed(lists: JudgedLists, keep_frac: float = KEEP_FRAC, min_items: int = 10) -> Cutoff:
    """Find the least K that keeps this share; with no relevant item nothing is cut."""
    if not lists.hits.any():
        return Cutoff()
    rules = [Cutoff("fixed", k, min_items) for k in range(1, lists.hits.shape[1] + 1)]
    return _tightest(rules, lambda rule: lists.kept_frac(rule) >= keep_frac)


def _tightest(rules: Sequence[Cutoff], keeps: Callable[[Cutoff], bool]) -> Cutoff:
    """The first of rules, each laxer than the one before, that keeps enough; nothing is cut where none does."""
    low, high = 0, len(rules)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if keeps(rules[middle]) else (middle + 1, high)
    return rules[low] if low < len(rules) else Cutoff()


def compare_cutoffs(
    scores: Scores, judged: JudgedLists | None = None, kind: str = "auto", keep_frac: float = KEEP_FRAC
) -> tuple[Cutoff, list[dict[str, Any]]]:
    """The cut-off that ships, and a row for each that was compared.

    judged: the same lists with their judgements; without any relevant item there is nothing to fit, auto
    is the knee and rows tell the lists' sizes alone. kind: auto, or the one that is wanted anyway.
    """
    rules = [Cutoff(), Cutoff("knee")]
    if judged is not None and judged.hits.any():
        rules += [fit_threshold(judged, keep_frac), fit_fixed(judged, keep_frac)]
    else:
        judged = None
    rules = [replace(rule, depth=scores.shape[1]) for rule in rules]
    rows = [_row(rule, scores, judged) for rule in rules]
    if judged is None:
        wanted = kind if kind in ("none", "knee") else "knee"
    elif kind == "auto":
        enough = [row for row in rows if row["kept_frac"] >= keep_frac]  # none keeps all
        wanted = min(enough, key=lambda row: row["mean_items"])["kind"]
    else:
        wanted = kind
    chosen = next(number for number, rule in enumerate(rules) if rule.kind == wanted)
    return rules[chosen], [{**row, "chosen": number == chosen} for number, row in enumerate(rows)]


def _row(rule: Cutoff, scores: Scores, judged: JudgedLists | None) -> dict[str, Any]:
    """What a rule shows, and of judged lists its precision, recall and F1: means over queries with a relevant item."""
    lengths = rule.lengths(scores)
    row: dict[str, Any] = {
        "kind": rule.kind,
        "value": rule.value,
        "mean_items": float(lengths.mean()) if len(lengths) else 0.0,
        "median_items": float(np.median(lengths)) if len(lengths) else 0.0,
        "no_knee_frac": float(without_knee(scores).mean()) if rule.kind == "knee" else None,
    }
    if judged is None:
        return row | dict.fromkeys(("precision", "recall", "f1", "kept_frac"))
    some = judged.relevant > 0
    found, shown, wanted = judged.found(rule)[some], lengths[some], judged.relevant[some]
    return row | {
        "precision": float((found / np.maximum(shown, 1)).mean()),
        "recall": float((found / wanted).mean()),
        "f1": float((2 * found / np.maximum(shown + wanted, 1)).mean()),
        "kept_frac": judged.kept_frac(rule),
    }
