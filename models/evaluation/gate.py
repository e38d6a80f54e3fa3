"""The gate: may this index serve? Every check says what was found and what was expected.

A mean, overall or in a segment, stops an index when it is lower than the champion's by more than its margin, and by
more than chance (one-sided tests, Holm's correction over the checks of a kind). The margin says what loss matters, the
test keeps a few hundred queries from stopping every other retrained model; each check says from which loss on that many
queries would show one, so that a gate which cannot see is not taken for one that saw nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from models.evaluation.evidence import ARMS, MEASURES, Evidence, Floats, Limits, Mask
from models.evaluation.significance import holm, shows_from, worse_p
from models.evaluation.soundness import clean, held, sound
from models.evaluation.verdict import Check, Verdict

Segments = Mapping[str, Mask]


def judge(challenger: Evidence, champion: Evidence | None, limits: Limits, segments: Segments | None = None) -> Verdict:
    """Judge a challenger, against the champion where there is one. segments: name -> queries [Q].

    Without a champion the checks of soundness and data alone decide: there is nothing to be worse than.
    """
    checks = [*sound(challenger, limits), *clean(challenger)]
    comparable = champion is not None and _comparable(challenger, champion, checks)
    if champion is not None:
        checks.extend(held(challenger, champion, limits))
        if comparable:
            checks.extend(_not_worse(challenger, champion, limits))
            checks.extend(_segments(challenger, champion, limits, segments or {}))
    failed = [check for check in checks if not check.passed]
    reasons = [f"{check.name}: {check.found}, expected {check.expected}" for check in failed]
    if not failed and champion is None:
        reasons = ["no champion to compare with: promoted on soundness alone"]
    elif not failed and champion is not None:
        reasons = [_praise(challenger, champion)]
    return Verdict(not failed, comparable, reasons, checks)


def _comparable(challenger: Evidence, champion: Evidence, checks: list[Check]) -> bool:
    queries = challenger.queries_digest == champion.queries_digest
    qrels = challenger.qrels_digest == champion.qrels_digest
    checks.append(
        Check(
            "ranked beside the champion: the same queries, judged alike",
            f"{challenger.queries_digest[:12]} {challenger.qrels_digest[:12]}",
            f"{champion.queries_digest[:12]} {champion.qrels_digest[:12]}",
            queries and qrels,
        )
    )
    return queries and qrels


def _not_worse(challenger: Evidence, champion: Evidence, limits: Limits) -> list[Check]:
    """Overall: an arm that the champion has not is no reason against it, one that the challenger lost is."""
    pairs = [(arm, name) for arm in ARMS for name in MEASURES if champion.of(arm, name) is not None]
    moved = [_moved(challenger, champion, arm, name) for arm, name in pairs]
    p = holm(np.array([1.0 if one is None else worse_p(one) for one in moved]))
    checks = []
    for (arm, name), found, chance in zip(pairs, moved, p.tolist(), strict=True):
        title = f"{arm} {name} not worse than the champion"
        was = _mean(champion, arm, name)
        if found is None:
            checks.append(Check(title, "not ranked", f"≥ {was:.4f} - {limits.tolerated:.4f}", False, "quality"))
            continue
        loss, seen = -float(found.mean()), max(limits.tolerated, shows_from(found))
        said = f"{was - loss:.4f} ({-loss:+.4f})" + (f", p {chance:.2g}" if loss > limits.tolerated else "")
        expected = f"≥ {was:.4f} - {limits.tolerated:.4f} (shows from -{seen:.4f} on)"
        passed = not (loss > limits.tolerated and chance < limits.alpha)
        checks.append(Check(title, said, expected, passed, "quality"))
    return checks


def _segments(challenger: Evidence, champion: Evidence, limits: Limits, segments: Segments) -> list[Check]:
    """One check over all segments that are large enough, and one for each that broke; by R@60 alone, since
    each further test makes all of them blinder."""
    tested: list[tuple[str, float, float, float]] = []  # name, difference, p, shows from
    margin = max(limits.segment_margin, limits.tolerated)
    for name, queries in segments.items():
        if queries.sum() < limits.min_support:
            continue
        for arm in ARMS:
            found = _moved(challenger, champion, arm, MEASURES[0])
            if found is not None and champion.of(arm, MEASURES[0]) is not None:
                moved = found[queries]
                tested.append(
                    (
                        f"{name}: {arm} {MEASURES[0]}",
                        float(moved.mean()),
                        worse_p(moved, margin),
                        margin + shows_from(moved),
                    )
                )
    if not tested:
        return []
    corrected = holm(np.array([p for _, _, p, _ in tested])).tolist()
    broken = [(one, p) for one, p in zip(tested, corrected, strict=True) if p < limits.alpha]
    worst, blind = min(tested, key=lambda one: one[1]), max(one[3] for one in tested)
    expected = f"none lower than the champion by more than {margin:.3f} (p < {limits.alpha:g}; each alone shows from -{blind:.2f} on)"
    said = f"worst of {len(tested)} comparisons: {worst[0]} {worst[1]:+.4f}"
    checks = [Check("no segment broke", said, expected, True, "segments")] if not broken else []
    return checks + [
        Check(f"segment {name}", f"{moved:+.4f} (p {p:.2g})", f"≥ -{margin:.4f}", False, "segments")
        for (name, moved, _, _), p in sorted(broken, key=lambda found: found[0][1])
    ]


def _moved(challenger: Evidence, champion: Evidence, arm: str, name: str) -> Floats | None:
    """Paired differences [Q]; None where one of them did not rank."""
    was, now = champion.of(arm, name), challenger.of(arm, name)
    return None if was is None or now is None else now - was


def _mean(found: Evidence, arm: str, name: str) -> float:
    values = found.of(arm, name)
    return float("nan") if values is None or not len(values) else float(values.mean())


def _praise(challenger: Evidence, champion: Evidence) -> str:
    gains = [
        f"{arm} {name} {_mean(challenger, arm, name) - _mean(champion, arm, name):+.4f}"
        for arm in ARMS
        for name in MEASURES
        if champion.of(arm, name) is not None
    ]
    return f"not worse than the champion within the margin: {', '.join(gains)}"
