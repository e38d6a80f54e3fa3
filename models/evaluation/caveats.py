"""Caveats of a report: how the arms compare, in sentences that come before any figure."""

from __future__ import annotations

from collections.abc import Mapping

Means = Mapping[str, Mapping[str, float]]
HEADLINE, SESSIONS = "R@60", "RR@25"
STANDING = ("popularity", "knn", "rules", "rrf")


def caveats(
    means: Means, said: Mapping[tuple[str, str], str], simulated: bool, answered: Mapping[str, float] | None = None
) -> list[str]:
    """Sentences without which the figures would mislead; empty when there are none.

    means: arm -> measure -> mean over the evaluated queries. said: (arm, against) -> better, worse or alike, by R@60.
    answered: share of the queries that each of the shop's own rankings has a list for.
    """
    sentences = []
    if simulated:
        sentences.append(
            "The search log is simulated. These figures show that the pipeline works, and nothing about real shoppers."
        )
    value = {arm: measures[HEADLINE] for arm, measures in means.items()}
    if {"dense", "sparse", "hybrid"} <= set(value):
        best = max(("dense", "sparse"), key=lambda arm: value[arm])
        if value["hybrid"] <= value[best]:
            sentences.append(
                f"Hybrid does not beat its best arm: {HEADLINE} {value['hybrid']:.3f}, and"
                f" {value[best]:.3f} for {best} alone."
            )
        elif said.get(("hybrid", best)) == "alike":
            sentences.append(
                f"That hybrid beats its best arm may be chance: {HEADLINE} {value['hybrid']:.3f}, and"
                f" {value[best]:.3f} for {best} alone."
            )
    sentences += [*_own_engine(value, answered or {}), *_standing(means)]
    if {"dense", "sparse"} <= set(value) and value["dense"] <= value["sparse"]:
        sentences.append(
            f"Dense does not beat sparse yet: {HEADLINE} {value['dense']:.3f} against {value['sparse']:.3f}."
        )
    if {"dense", "dense_in_batch"} <= set(value) and value["dense"] <= value["dense_in_batch"]:
        sentences.append(
            f"Hard negatives did not help: {HEADLINE} {value['dense']:.3f} after them,"
            f" {value['dense_in_batch']:.3f} before."
        )
    return sentences


def _standing(means: Means) -> list[str]:
    """Comparison of served recommendations with the standing arms, each of which is a line of code."""
    found = {arm: means[arm][SESSIONS] for arm in ("served", *STANDING) if SESSIONS in means.get(arm, {})}
    best = max((arm for arm in found if arm != "served"), key=lambda arm: found[arm], default="")
    if not best or "served" not in found or found["served"] > found[best]:
        return []
    return [f"Served does not beat {best}: {SESSIONS} {found['served']:.3f}, and {found[best]:.3f} for {best} alone."]


def _own_engine(value: Mapping[str, float], answered: Mapping[str, float]) -> list[str]:
    """Comparison of the arms with the shop's own rankings."""
    sentences = []
    for run, share in answered.items():
        if share < 1:
            sentences.append(f"{run} has a list for {share:.0%} of the queries, and counts as 0 on the others.")
        best = "hybrid" if "hybrid" in value else "dense"
        if best in value and run in value and value[run] >= value[best]:
            sentences.append(
                f"{best.capitalize()} does not beat the shop's own ranking: {HEADLINE} {value[best]:.3f}, and"
                f" {value[run]:.3f} for {run}."
            )
    return sentences
