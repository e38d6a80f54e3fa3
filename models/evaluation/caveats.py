"""What a reader must be told before any figure: where the arms stand to each other."""

from __future__ import annotations

from collections.abc import Mapping

Means = Mapping[str, Mapping[str, float]]
HEADLINE = "R@60"


def remarks(
    means: Means, said: Mapping[tuple[str, str], str], simulated: bool, answered: Mapping[str, float] | None = None
) -> list[str]:
    """State what would mislead if it were left unsaid; empty when all is as hoped.

    means: arm -> measure -> mean over the evaluated queries. said: (arm, against) -> better, worse or alike, by R@60.
    answered: share of the queries that each of the shop's own rankings has a list for.
    """
    found = []
    if simulated:
        found.append(
            "The search log is simulated. These figures show that the machinery works; they say"
            " nothing about real shoppers."
        )
    value = {arm: measures[HEADLINE] for arm, measures in means.items()}
    if {"dense", "sparse", "hybrid"} <= set(value):
        best = max(("dense", "sparse"), key=lambda arm: value[arm])
        if value["hybrid"] <= value[best]:
            found.append(
                f"Hybrid does not beat its best arm: {HEADLINE} {value['hybrid']:.3f}, and"
                f" {value[best]:.3f} for {best} alone."
            )
        elif said.get(("hybrid", best)) == "alike":
            found.append(
                f"That hybrid beats its best arm may be chance: {HEADLINE} {value['hybrid']:.3f}, and"
                f" {value[best]:.3f} for {best} alone."
            )
    found += _own_engine(value, answered or {})
    if {"dense", "sparse"} <= set(value) and value["dense"] <= value["sparse"]:
        found.append(f"Dense does not beat sparse yet: {HEADLINE} {value['dense']:.3f} against {value['sparse']:.3f}.")
    if {"dense", "dense_in_batch"} <= set(value) and value["dense"] <= value["dense_in_batch"]:
        found.append(
            f"Hard negatives did not help: {HEADLINE} {value['dense']:.3f} after them,"
            f" {value['dense_in_batch']:.3f} before."
        )
    return found


def _own_engine(value: Mapping[str, float], answered: Mapping[str, float]) -> list[str]:
    """Where we stand to what the shop shows today."""
    found = []
    for run, share in answered.items():
        if share < 1:
            found.append(f"{run} answers {share:.0%} of the queries, and counts as 0 on the others.")
        best = "hybrid" if "hybrid" in value else "dense"
        if best in value and run in value and value[run] >= value[best]:
            found.append(
                f"{best.capitalize()} does not beat the shop's own ranking: {HEADLINE} {value[best]:.3f}, and"
                f" {value[run]:.3f} for {run}."
            )
    return found
