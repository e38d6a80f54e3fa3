"""The end of a served list: at the knee of its scores, at a share of its best score, after K items, or nowhere.

Which of them ships is decided on judged queries: of the rules that keep KEEP_FRAC of the relevant items in the whole
list, the one that shows the fewest items. Neither figure counts an item without a judgement as wrong, as precision
does; where few items are judged, the best F1 would end every list after the judged ones.

Fused scores have no unit, so a threshold is a share of the list's best score. On Home Depot's test queries (models of
54,667 titles) it shows 115 of 200 items with RRF and 106 with min-max for 95% of the relevant ones; a fixed K 120 and
128, a threshold of cosines that sets the length of the fused list 140.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

KINDS = ("none", "threshold", "knee", "fixed")
CHOICES = ("auto", *KINDS)
FITTED = ("threshold", "fixed")
DENSE, SERVED = "dense", "served"
KEEP_FRAC = 0.95
_STRAIGHT = 1e-6  # a bend below it is rounding

Scores = NDArray[np.float32]
Hits = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Cutoff:
    """A rule that ships in the bundle.

    kind: none keeps all, threshold keeps scores that are at least `value` times the list's best, fixed keeps the
    first `value` items, knee cuts each list at its own knee. min_items: no list gets shorter than this while it has
    that many. depth: items of each arm of which the lists were made that it was fitted on; 0: all.
    reads: the scores that it reads, of the served list, or of the dense list in bundles of older code; in those a
    threshold is a cosine.
    """

    kind: str = "none"
    value: float = 0.0
    min_items: int = 10
    depth: int = 0
    reads: str = DENSE

    def __post_init__(self) -> None:
        """Refuse an unknown rule.

        Raises:
            ValueError: kind is not one of KINDS, or reads is neither dense nor served.
        """
        if self.kind not in KINDS:
            raise ValueError(f"cut-off {self.kind!r} is not one of {', '.join(KINDS)}")
        if self.reads not in (DENSE, SERVED):
            raise ValueError(f"cut-off reads {self.reads!r}: expected {DENSE} or {SERVED}")

    def lengths(self, scores: Scores) -> Ints:
        """Count the items to keep per list; scores [Q, K] falling, -inf past the end."""
        present: Ints = np.isfinite(scores).sum(axis=1)
        if self.kind == "none":
            return present
        if self.kind == "threshold":
            wanted = ((scores if self.reads == DENSE else shares(scores)) >= self.value).sum(axis=1)
        elif self.kind == "fixed":
            wanted = np.full(len(scores), int(self.value))
        else:
            wanted = knees(scores[:, : self.depth or None]) + 1
        kept: Ints = np.minimum(present, np.maximum(wanted, self.min_items))
        return kept


def shares(scores: Scores) -> NDArray[np.float64]:
    """Scores [Q, K] as shares of each list's best; -inf past the end. A best of 0 or less ends no list: all are 1."""
    best = scores[:, :1].astype(np.float64) if scores.shape[1] else np.ones((len(scores), 1))
    present = np.isfinite(scores)
    known = np.where(present & (best > 0), scores / np.where(best > 0, best, 1.0), 1.0)
    return np.where(present, known, -np.inf)


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
    bent: Hits = bend.max(axis=1) > _STRAIGHT
    return bent


def _bends(scores: Scores) -> tuple[NDArray[np.float64], Ints]:
    """Distance of each place below the line, -1 past the end and in a list that does not fall; and last places."""
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
    """Lists of judged development queries, as they are served, but for their end.

    scores [Q, K] falling; hits [Q, K] True where the item is relevant; relevant [Q]: number of relevant
    items in the judgements, found or not.
    """

    scores: Scores
    hits: Hits
    relevant: Ints

    def kept_frac(self, rule: Cutoff) -> float:
        """Share of a list's relevant items that the rule keeps: the mean over lists that have any."""
        whole = self.hits.sum(axis=1)
        some = whole > 0
        return float((self.kept(rule)[some] / whole[some]).mean()) if some.any() else 1.0

    def kept(self, rule: Cutoff) -> Ints:
        """Number [Q] of relevant items that the rule keeps."""
        shown = np.arange(self.hits.shape[1]) < rule.lengths(self.scores)[:, None]
        count: Ints = (self.hits & shown).sum(axis=1)
        return count


def fit_threshold(lists: JudgedLists, keep_frac: float = KEEP_FRAC, min_items: int = 10) -> Cutoff:
    """Find the highest threshold that keeps this share; with no relevant item nothing is cut."""
    candidates = np.unique(shares(lists.scores)[lists.hits & np.isfinite(lists.scores)])[::-1]
    return _tightest("threshold", candidates.tolist(), lists, keep_frac, min_items)


def fit_fixed(lists: JudgedLists, keep_frac: float = KEEP_FRAC, min_items: int = 10) -> Cutoff:
    """Find the least K that keeps this share; with no relevant item nothing is cut."""
    most = lists.hits.shape[1] if lists.hits.any() else 0
    return _tightest("fixed", range(1, most + 1), lists, keep_frac, min_items)


def _tightest(kind: str, values: Sequence[float], lists: JudgedLists, keep_frac: float, min_items: int) -> Cutoff:
    """The rule of the first value, each laxer than the one before, that keeps enough; nothing is cut where none does."""
    rules = [Cutoff(kind, value, min_items, reads=SERVED) for value in values]
    at = bisect_left(rules, True, key=lambda rule: lists.kept_frac(rule) >= keep_frac)
    return rules[at] if at < len(rules) else Cutoff(reads=SERVED)


def compare_cutoffs(
    scores: Scores, judged: JudgedLists | None = None, kind: str = "auto", keep_frac: float = KEEP_FRAC, depth: int = 0
) -> tuple[Cutoff, list[dict[str, Any]]]:
    """The cut-off that ships, and a row for each that was compared.

    scores [Q, K] of lists as they are served, but for their end. judged: the same lists with their judgements;
    without any relevant item nothing can be fitted, auto is the knee and rows have sizes alone. kind: auto, or the
    rule that is wanted anyway. depth: items of each arm of which the lists were made; 0: K.
    """
    rules = [Cutoff(reads=SERVED), Cutoff("knee", reads=SERVED)]
    if judged is not None and judged.hits.any():
        rules += [fit_threshold(judged, keep_frac), fit_fixed(judged, keep_frac)]
    else:
        judged = None
    rules = [replace(rule, depth=depth or scores.shape[1]) for rule in rules]
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
    """Sizes of a rule's lists, and for judged lists precision, recall and F1: means over queries with a relevant
    item."""
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
    kept, shown, relevant = judged.kept(rule)[some], lengths[some], judged.relevant[some]
    return row | {
        "precision": float((kept / np.maximum(shown, 1)).mean()),
        "recall": float((kept / relevant).mean()),
        "f1": float((2 * kept / np.maximum(shown + relevant, 1)).mean()),
        "kept_frac": judged.kept_frac(rule),
    }
