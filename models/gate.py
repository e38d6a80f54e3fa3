"""The gate: may this index serve? Every check says what was found and what was expected.

Two questions are asked of quality, for they fail in different ways. Overall, a mean must not be lower than the
champion's by more than the margin: doubt counts against the challenger. In a segment, where few queries make
means jump, a loss must be more than its margin beyond reasonable doubt (a one-sided test, corrected for the
number of segments): otherwise a gate over thirty segments would stop every night.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from models.evidence import ARMS, MEASURES, Evidence, Limits, Mask
from models.significance import holm, worse_p
from models.verdict import Check, Verdict

Segments = Mapping[str, Mask]


def judge(
    challenger: Evidence, champion: Evidence | None, limits: Limits, segments: Segments | None = None
) -> Verdict:  # fmt: skip
    """Judge a challenger, against the champion where there is one. segments: name -> queries [Q].

    Without a champion the checks of soundness and data alone decide: there is nothing to be worse than.
    """
    checks = [*_sound(challenger, limits), *_clean(challenger)]
    comparable = champion is not None and _comparable(challenger, champion, checks)
    if champion is not None:
        checks.extend(_held(challenger, champion, limits))
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


def _sound(found: Evidence, limits: Limits) -> list[Check]:
    dense = found.of("dense", "R@60")
    mean = 0.0 if dense is None or not len(dense) else float(dense.mean())
    same_space = found.space_id == found.index_space_id
    return [
        Check("space id of query tower and index", found.index_space_id, found.space_id, same_space),
        Check(
            "items in the index",
            f"{found.indexed:,} ({found.lost_items:,} lost)",
            f"{found.items:,} (0 lost)",
            found.indexed == found.items and not found.lost_items,
        ),
        _at_least(
            f"index recall against exact search, first {found.recall_depth}",
            found.index_recall,
            limits.min_index_recall,
        ),
        _at_least("items found at their own vector", found.canaries_frac, limits.min_canaries_frac),
        Check("dense R@60 is above zero", f"{mean:.4f}", "> 0", mean > 0),
    ]  # fmt: skip


def _clean(found: Evidence) -> list[Check]:
    stopped = sorted(name for name, verdict in found.data.items() if verdict == "stop")
    checked = sum(verdict != "not checked" for verdict in found.data.values())
    said = f"{checked} of {len(found.data)} inputs checked, {len(stopped)} stopped"
    return [Check("data-quality verdicts", f"{said}{': ' if stopped else ''}{', '.join(stopped)}",
                  "0 stopped", not stopped, "data")]  # fmt: skip


def _at_least(name: str, value: float, least: float) -> Check:
    # written so that NaN fails
    return Check(name, f"{value:.4f}", f"≥ {least:.4f}", value >= least)


def _comparable(challenger: Evidence, champion: Evidence, checks: list[Check]) -> bool:
    queries = challenger.queries_digest == champion.queries_digest
    qrels = challenger.qrels_digest == champion.qrels_digest
    checks.append(
        Check(
            "same queries and judgements as the champion's report",
            f"{challenger.queries_digest[:12]} {challenger.qrels_digest[:12]}",
            f"{champion.queries_digest[:12]} {champion.qrels_digest[:12]}",
            queries and qrels,
        )
    )
    return queries and qrels


def _held(challenger: Evidence, champion: Evidence, limits: Limits) -> list[Check]:
    """Size, latency and memory, against the champion's."""
    share = challenger.indexed / max(champion.indexed, 1)
    checks = [
        Check(
            "size against the champion",
            f"{challenger.indexed:,} items, {share:.1%}",
            f"≥ {limits.min_size_frac:.0%} of {champion.indexed:,}",
            share >= limits.min_size_frac,
        )
    ]
    if champion.p99_ms:
        most = limits.max_times * champion.p99_ms + limits.slack_ms
        checks.append(
            Check(
                "search on one thread, p99",
                f"{challenger.p99_ms:.2f} ms",
                f"≤ {most:.2f} ms (champion {champion.p99_ms:.2f})",
                challenger.p99_ms <= most,
                "cost",
            )
        )
    if champion.bytes and champion.indexed:
        # a catalogue that grew may weigh more: it is the item that must not
        now, was = (one.bytes / max(1, one.indexed) for one in (challenger, champion))
        most = limits.max_times * was
        checks.append(
            Check(
                "index in memory, bytes an item",
                f"{now:,.0f}",
                f"≤ {most:,.0f} (champion {was:,.0f})",
                now <= most,
                "cost",
            )
        )
    return checks


def _not_worse(challenger: Evidence, champion: Evidence, limits: Limits) -> list[Check]:
    checks = []
    for arm in ARMS:
        for name in MEASURES:
            was, now = (_mean(one, arm, name) for one in (champion, challenger))
            if np.isnan(was):
                continue  # an arm that the champion has not is no reason against it
            checks.append(
                Check(
                    f"{arm} {name} not worse than the champion",
                    f"{now:.4f} ({now - was:+.4f})",
                    f"≥ {was:.4f} - {limits.tolerated:.4f}",
                    now >= was - limits.tolerated,
                    "quality",
                )
            )
    return checks


def _segments(
    challenger: Evidence, champion: Evidence, limits: Limits, segments: Segments
) -> list[Check]:
    """One check over all segments that are large enough, and one for each that broke."""
    tested: list[tuple[str, float, float]] = []  # name, difference, p
    margin = max(limits.segment_margin, limits.tolerated)
    for name, queries in segments.items():
        if queries.sum() < limits.min_support:
            continue
        for arm in ARMS:
            for measure in MEASURES:
                was, now = champion.of(arm, measure), challenger.of(arm, measure)
                if was is not None and now is not None:
                    moved = (now - was)[queries]
                    tested.append((f"{name}: {arm} {measure}", float(moved.mean()), worse_p(moved, margin)))  # fmt: skip
    if not tested:
        return []
    corrected = holm(np.array([p for _, _, p in tested]))
    broken = [
        (one, p) for one, p in zip(tested, corrected.tolist(), strict=True) if p < limits.alpha
    ]
    worst = min(tested, key=lambda one: one[1])
    expected = f"none lower than the champion by more than {margin:.3f} (p < {limits.alpha:g})"
    said = f"worst of {len(tested)} comparisons: {worst[0]} {worst[1]:+.4f}"
    checks = [Check("no segment broke", said, expected, True, "segments")] if not broken else []
    return checks + [
        Check(f"segment {name}", f"{moved:+.4f} (p {p:.2g})", f"≥ -{margin:.4f}", False, "segments")
        for (name, moved, _), p in sorted(broken, key=lambda found: found[0][1])
    ]


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
