"""What an index must be whatever it is compared with, and what it may cost beside the one in service."""

from __future__ import annotations

from models.evaluation.evidence import Evidence, Limits
from models.evaluation.verdict import Check


def sound(found: Evidence, limits: Limits) -> list[Check]:
    """Is the index whole, and its own?"""
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
    ]


def clean(found: Evidence) -> list[Check]:
    """Was the data of the day clean?"""
    stopped = sorted(name for name, verdict in found.data.items() if verdict == "stop")
    checked = sum(verdict != "not checked" for verdict in found.data.values())
    said = f"{checked} of {len(found.data)} inputs checked, {len(stopped)} stopped"
    return [
        Check(
            "data-quality verdicts",
            f"{said}{': ' if stopped else ''}{', '.join(stopped)}",
            "0 stopped",
            not stopped,
            "data",
        )
    ]


def _at_least(name: str, value: float, least: float) -> Check:
    # written so that NaN fails
    return Check(name, f"{value:.4f}", f"≥ {least:.4f}", value >= least)


def held(challenger: Evidence, champion: Evidence, limits: Limits) -> list[Check]:
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
        most = limits.max_cost_ratio * champion.p99_ms + limits.slack_ms
        checks.append(
            Check(
                "search on one thread, p99",
                f"{challenger.p99_ms:.2f} ms",
                f"≤ {most:.2f} ms (champion {champion.p99_ms:.2f})",
                0 < challenger.p99_ms <= most,
                "cost",
            )
        )
    if champion.bytes and champion.indexed:
        # a catalogue that grew may weigh more: it is the item that must not
        now, was = (one.bytes / max(1, one.indexed) for one in (challenger, champion))
        most = limits.max_cost_ratio * was
        checks.append(
            Check(
                "index in memory, bytes an item",
                f"{now:,.0f}",
                f"≤ {most:,.0f} (champion {was:,.0f})",
                0 < now <= most,
                "cost",
            )
        )
    return checks
