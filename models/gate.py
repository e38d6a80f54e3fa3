"""The gate: may this index serve? Every check says what was found and what was expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

# What the gate compares with the champion; other measures are shown, not judged.
ARMS = ("hybrid", "dense")
MEASURES = ("R@60", "RR@60")

Means = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Evidence:
    """What is known of one index when it is judged.

    measures: arm -> measure -> mean over the evaluated queries. queries_digest names those queries,
    qrels_digest their judgements: means over different ones must not be compared.
    index_recall: overlap with exact search in the first `recall_depth`, on the evaluated queries.
    canaries_frac: share of sampled items whose stored vector is that of their own text, re-encoded.
    items: rows of the catalogue; indexed: vectors in the index.
    """

    measures: Means
    queries_digest: str
    qrels_digest: str
    space_id: str
    index_space_id: str
    index_recall: float
    recall_depth: int
    canaries_frac: float
    items: int
    indexed: int
    lost_items: int


@dataclass(frozen=True)
class Limits:
    """How much the gate tolerates.

    margin: a measure may be lower than the champion's by this much, absolute (0.01 = one point).
    """

    margin: float = 0.01
    min_index_recall: float = 0.95
    min_canaries_frac: float = 0.99
    min_size_frac: float = 0.9


@dataclass(frozen=True)
class Check:
    """One thing looked at."""

    name: str
    found: str
    expected: str
    passed: bool


@dataclass(frozen=True)
class Verdict:
    """The outcome: promoted only when every check passed."""

    passed: bool
    compared: bool
    reasons: list[str]
    checks: list[Check] = field(default_factory=list)

    def to_dict(self) -> dict[str, object]:
        """Plain values, for verdict.json."""
        return asdict(self)


def judge(challenger: Evidence, champion: Evidence | None, limits: Limits) -> Verdict:
    """Judge a challenger, against the champion where there is one.

    Without a champion the checks of soundness alone decide: there is nothing to be worse than.
    """
    checks = _sound(challenger, limits)
    comparable = champion is not None and _comparable(challenger, champion, checks)
    if champion is not None:
        checks.append(_size(challenger, champion, limits))
        if comparable:
            checks.extend(_not_worse(challenger, champion, limits))
    failed = [check for check in checks if not check.passed]
    reasons = [f"{check.name}: {check.found}, expected {check.expected}" for check in failed]
    if not failed and champion is None:
        reasons = ["no champion to compare with: promoted on soundness alone"]
    elif not failed:
        reasons = [_praise(challenger, champion)] if champion else []
    return Verdict(not failed, comparable, reasons, checks)


def _sound(found: Evidence, limits: Limits) -> list[Check]:
    dense = found.measures.get("dense", {}).get("R@60", 0.0)
    same_space = found.space_id == found.index_space_id
    return [
        Check(
            "space id of query tower and index", found.index_space_id, found.space_id, same_space
        ),
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
        Check("dense R@60 is above zero", f"{dense:.4f}", "> 0", dense > 0),
    ]


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


def _size(challenger: Evidence, champion: Evidence, limits: Limits) -> Check:
    share = challenger.indexed / max(champion.indexed, 1)
    return Check(
        "size against the champion",
        f"{challenger.indexed:,} items, {share:.1%}",
        f"≥ {limits.min_size_frac:.0%} of {champion.indexed:,}",
        share >= limits.min_size_frac,
    )


def _not_worse(challenger: Evidence, champion: Evidence, limits: Limits) -> list[Check]:
    checks = []
    for arm in ARMS:
        for name in MEASURES:
            was = champion.measures.get(arm, {}).get(name, float("nan"))
            now = challenger.measures.get(arm, {}).get(name, float("nan"))
            checks.append(
                Check(
                    f"{arm} {name} not worse than the champion",
                    f"{now:.4f} ({now - was:+.4f})",
                    f"≥ {was:.4f} - {limits.margin:.4f}",
                    now >= was - limits.margin,
                )
            )
    return checks


def _praise(challenger: Evidence, champion: Evidence) -> str:
    gains = [
        f"{arm} {name} {challenger.measures[arm][name] - champion.measures[arm][name]:+.4f}"
        for arm in ARMS
        for name in MEASURES
    ]
    return f"not worse than the champion within the margin: {', '.join(gains)}"
