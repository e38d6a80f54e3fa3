"""The gate: may this index serve? Every check states what was found and what was expected.

A mean, overall or in a segment, stops an index when it is lower than the champion's by more than the margin, and by
more than chance (one-sided tests, Holm's correction over the checks of a kind). The margin states which loss matters.
The test keeps a few hundred queries from stopping every second retrained model. Each check also states the smallest
loss that so many queries could show: a gate that cannot see a loss must not look like one that saw none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.evaluation.significance import holm, shows_from, worse_p

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Segments = Mapping[str, Mask]


@dataclass(frozen=True)
class Evidence:
    """Measurements of one index at the time when it is judged.

    values: arm -> measure -> float64 [Q], one per evaluated query. queries_digest names those queries,
    qrels_digest their judgements: values over different ones must not be compared.
    index_recall: overlap with exact search in the first `recall_depth`, on the evaluated queries.
    canaries_frac: share of sampled items whose stored vector is that of their own text, re-encoded. All three are None
    of lists, which no vector index finds.
    items: rows of the catalogue; indexed: vectors in the index. p99_ms: of a whole search on one thread, each
    query's best of several rounds. bytes: of the index in memory. Both are 0 where they were not measured.
    data: input partition -> its data-quality verdict.
    """

    values: Mapping[str, Mapping[str, Floats]]
    queries_digest: str
    qrels_digest: str
    space_id: str
    index_space_id: str
    index_recall: float | None
    recall_depth: int | None
    canaries_frac: float | None
    items: int
    indexed: int
    lost_items: int
    p99_ms: float = 0.0
    bytes: int = 0
    data: Mapping[str, str] = field(default_factory=dict)

    def of(self, arm: str, name: str) -> Floats | None:
        """Values [Q] of one measure, or None where the arm was not ranked."""
        return self.values.get(arm, {}).get(name)


@dataclass(frozen=True)
class GateLimits:
    """Arms and measures that the gate compares, and how much loss it tolerates.

    arms, measures: each arm is compared by each measure; segments are compared by the first measure alone. Other
    arms and measures are shown in a report, and not judged.
    margin: a mean may be lower than the champion's by this much, absolute (0.01 = one point). segment_margin: the
    same for a segment. A larger loss is tested. alpha: of these tests, over all means together, and over all
    segments. min_support: queries below which a segment is not tested.
    max_cost_ratio: latency and memory, in times the champion's. slack_ms: latency that is always tolerated, because
    on a shared machine a millisecond is noise. seed_noise: spread of a mean over trainings that differ in their
    seed alone; a smaller loss is chance.
    """

    arms: tuple[str, ...]
    measures: tuple[str, ...]
    margin: float = 0.01
    segment_margin: float = 0.03
    alpha: float = 0.05
    min_support: int = 50
    min_index_recall: float = 0.95
    min_canaries_frac: float = 0.99
    min_size_frac: float = 0.9
    max_cost_ratio: float = 1.5
    slack_ms: float = 1.0
    seed_noise: float = 0.0

    @property
    def tolerated(self) -> float:
        """Loss that stops no index: the margin, or the noise of seeds where that is larger."""
        return max(self.margin, self.seed_noise)


@dataclass(frozen=True)
class Check:
    """One thing that was checked. about: soundness, quality, segments, cost or data."""

    name: str
    found: str
    expected: str
    passed: bool
    about: str = "soundness"


@dataclass(frozen=True)
class Verdict:
    """The outcome: it passed only when every check did. compared: whether there was a comparable champion."""

    passed: bool
    compared: bool
    reasons: list[str]
    checks: list[Check] = field(default_factory=list)

    def to_dict(self) -> dict[str, object]:
        """Plain values, for verdict.json."""
        return asdict(self)


def judge(
    challenger: Evidence, champion: Evidence | None, limits: GateLimits, segments: Segments | None = None
) -> Verdict:
    """Judge a challenger, against the champion where there is one. segments: name -> queries [Q].

    Without a champion the checks of soundness and data alone decide: there is nothing to be worse than.
    """
    checks = [*_sound(challenger, limits), _clean(challenger)]
    comparable = False
    if champion is not None:
        checks.append(_same_judgements(challenger, champion))
        comparable = checks[-1].passed
        checks.extend(_affordable(challenger, champion, limits))
        if comparable:
            checks.extend(_not_worse(challenger, champion, limits))
            checks.extend(_segments(challenger, champion, limits, segments or {}))
    reasons = [f"{check.name}: {check.found}, expected {check.expected}" for check in checks if not check.passed]
    if reasons:
        return Verdict(False, comparable, reasons, checks)
    if champion is None:
        return Verdict(True, comparable, ["no champion to compare with: promoted on soundness alone"], checks)
    return Verdict(True, comparable, [_gains(challenger, champion, limits)], checks)


def _sound(challenger: Evidence, limits: GateLimits) -> list[Check]:
    """Check that the index is whole, belongs to its towers, and finds anything at all by each arm."""
    same_space = challenger.space_id == challenger.index_space_id
    checks = [
        Check("space id of query tower and index", challenger.index_space_id, challenger.space_id, same_space),
        Check(
            "items in the index",
            f"{challenger.indexed:,} ({challenger.lost_items:,} lost)",
            f"{challenger.items:,} (0 lost)",
            challenger.indexed == challenger.items and not challenger.lost_items,
        ),
    ]
    if challenger.index_recall is not None:
        name = f"index recall against exact search, first {challenger.recall_depth}"
        checks.append(_at_least(name, challenger.index_recall, limits.min_index_recall))
    if challenger.canaries_frac is not None:
        checks.append(_at_least("items found at their own vector", challenger.canaries_frac, limits.min_canaries_frac))
    for arm in limits.arms:
        values = challenger.of(arm, limits.measures[0])
        mean = 0.0 if values is None or not len(values) else float(values.mean())
        checks.append(Check(f"{arm} {limits.measures[0]} is above zero", f"{mean:.4f}", "> 0", mean > 0))
    return checks


def _at_least(name: str, value: float, minimum: float) -> Check:
    # written so that NaN fails
    return Check(name, f"{value:.4f}", f"≥ {minimum:.4f}", value >= minimum)


def _clean(challenger: Evidence) -> Check:
    """Check the data-quality verdicts of the day's inputs."""
    stopped = sorted(name for name, verdict in challenger.data.items() if verdict == "stop")
    checked = sum(verdict != "not checked" for verdict in challenger.data.values())
    text = f"{checked} of {len(challenger.data)} inputs checked, {len(stopped)} stopped"
    names = f": {', '.join(stopped)}" if stopped else ""
    return Check("data-quality verdicts", text + names, "0 stopped", not stopped, "data")


def _affordable(challenger: Evidence, champion: Evidence, limits: GateLimits) -> list[Check]:
    """Compare size, latency and memory with the champion's."""
    share = challenger.indexed / max(champion.indexed, 1)
    size = f"{challenger.indexed:,} items, {share:.1%}"
    expected = f"≥ {limits.min_size_frac:.0%} of {champion.indexed:,}"
    checks = [Check("size against the champion", size, expected, share >= limits.min_size_frac)]
    if champion.p99_ms:
        most = limits.max_cost_ratio * champion.p99_ms + limits.slack_ms
        expected = f"≤ {most:.2f} ms (champion {champion.p99_ms:.2f})"
        passed = 0 < challenger.p99_ms <= most
        name = "search on one thread, p99 of each query's best round"
        checks.append(Check(name, f"{challenger.p99_ms:.2f} ms", expected, passed, "cost"))
    if champion.bytes and champion.indexed:
        # a larger catalogue may need more memory, an item may not
        now, was = (evidence.bytes / max(1, evidence.indexed) for evidence in (challenger, champion))
        most = limits.max_cost_ratio * was
        expected = f"≤ {most:,.0f} (champion {was:,.0f})"
        checks.append(Check("index in memory, bytes an item", f"{now:,.0f}", expected, 0 < now <= most, "cost"))
    return checks


def _same_judgements(challenger: Evidence, champion: Evidence) -> Check:
    digests = [(evidence.queries_digest, evidence.qrels_digest) for evidence in (challenger, champion)]
    found, expected = (f"{queries[:12]} {qrels[:12]}" for queries, qrels in digests)
    name = "ranked beside the champion: the same queries, judged alike"
    return Check(name, found, expected, digests[0] == digests[1])


def _not_worse(challenger: Evidence, champion: Evidence, limits: GateLimits) -> list[Check]:
    """Compare means. An arm that the champion lacks is no reason to stop; an arm that the challenger lost is."""
    pairs = _compared(champion, limits)
    differences = [_difference(challenger, champion, arm, name) for arm, name in pairs]
    p_values = holm(np.array([1.0 if moved is None else worse_p(moved) for moved in differences]))
    checks = []
    for (arm, name), moved, p in zip(pairs, differences, p_values.tolist(), strict=True):
        title = f"{arm} {name} not worse than the champion"
        was = _mean(champion, arm, name)
        if moved is None:
            checks.append(Check(title, "not ranked", f"≥ {was:.4f} - {limits.tolerated:.4f}", False, "quality"))
            continue
        loss, visible = -float(moved.mean()), max(limits.tolerated, shows_from(moved))
        text = f"{was - loss:.4f} ({-loss:+.4f})" + (f", p {p:.2g}" if loss > limits.tolerated else "")
        expected = f"≥ {was:.4f} - {limits.tolerated:.4f} (shows from -{visible:.4f} on)"
        passed = not (loss > limits.tolerated and p < limits.alpha)
        checks.append(Check(title, text, expected, passed, "quality"))
    return checks


def _segments(challenger: Evidence, champion: Evidence, limits: GateLimits, segments: Segments) -> list[Check]:
    """One check over all segments that are large enough, and one for each that broke.

    By the first measure alone, because each further test makes all of them weaker.
    """
    tested: list[tuple[str, float, float, float]] = []  # name, difference, p, smallest visible loss
    margin, measure = max(limits.segment_margin, limits.tolerated), limits.measures[0]
    for name, queries in segments.items():
        for arm in limits.arms if queries.sum() >= limits.min_support else ():
            moved = _difference(challenger, champion, arm, measure)
            if moved is not None:
                part = moved[queries]
                row = float(part.mean()), worse_p(part, margin), margin + shows_from(part)
                tested.append((f"{name}: {arm} {measure}", *row))
    if not tested:
        return []
    corrected = holm(np.array([row[2] for row in tested])).tolist()
    broken = [(name, moved, p) for (name, moved, _, _), p in zip(tested, corrected, strict=True) if p < limits.alpha]
    if not broken:
        worst, visible = min(tested, key=lambda row: row[1]), max(row[3] for row in tested)
        expected = (
            f"none lower than the champion by more than {margin:.3f} (p < {limits.alpha:g};"
            f" each alone shows from -{visible:.2f} on)"
        )
        text = f"worst of {len(tested)} comparisons: {worst[0]} {worst[1]:+.4f}"
        return [Check("no segment broke", text, expected, True, "segments")]
    return [
        Check(f"segment {name}", f"{moved:+.4f} (p {p:.2g})", f"≥ -{margin:.4f}", False, "segments")
        for name, moved, p in sorted(broken, key=lambda row: row[1])
    ]


def _compared(champion: Evidence, limits: GateLimits) -> list[tuple[str, str]]:
    """(arm, measure) of everything that the champion has."""
    return [(arm, name) for arm in limits.arms for name in limits.measures if champion.of(arm, name) is not None]


def _difference(challenger: Evidence, champion: Evidence, arm: str, name: str) -> Floats | None:
    """Paired differences [Q], or None where one of them did not rank."""
    was, now = champion.of(arm, name), challenger.of(arm, name)
    return None if was is None or now is None else now - was


def _mean(evidence: Evidence, arm: str, name: str) -> float:
    values = evidence.of(arm, name)
    return float("nan") if values is None or not len(values) else float(values.mean())


def _gains(challenger: Evidence, champion: Evidence, limits: GateLimits) -> str:
    gains = [
        f"{arm} {name} {_mean(challenger, arm, name) - _mean(champion, arm, name):+.4f}"
        for arm, name in _compared(champion, limits)
    ]
    return f"not worse than the champion within the margin: {', '.join(gains)}"
