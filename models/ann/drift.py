"""When a trained index has aged: its figures over a sample of today's vectors, beside those of the day it learnt.

An index trained for 5 to 7 million vectors that grew to 52 million has lost a fifth of its recall in
public reports, without an error. Four figures say so beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray

from models.ann.codes import filled, imbalance, lists_of
from models.ann.families import parts, rotated
from models.ann.operating_points import Exam, least

Vectors = NDArray[np.float32]
_DECODED = 4_096  # vectors whose quantisation error is taken, at most


@dataclass(frozen=True)
class Figures:
    """items: of the whole catalogue. imbalance: L * sum(n_i^2) / N^2 over the lists, 1 where all are equally
    long: how much more is scanned than in even lists. error: mean squared distance of a vector from what its
    code says. recall: of the canaries, pinned query vectors, in the sample, with pinned settings."""

    items: int
    imbalance: float
    error: float
    recall: float


@dataclass(frozen=True)
class Limits:
    """How far the figures may move before an index is trained anew. Times, but for recall, a difference."""

    growth: float = 2.0
    imbalance: float = 1.5
    error: float = 1.15
    recall: float = 0.01


def figures(
    trained: faiss.Index, factory: str, sample: Vectors, exam: Exam, settings: dict[str, float] | float, items: int
) -> tuple[Figures, dict[str, float]]:
    """Take the figures over a sample [S, D], of equal size on all days; returns them and the settings used.

    exam: in this very sample. settings: those that the canaries are watched with, or the recall for which the
    cheapest are to be found, on the day that the index learns.
    """
    index, lists = filled(trained, factory, sample)
    if isinstance(settings, float):
        settings = least(index, exam, settings)[-1][0]
    counts = np.bincount(lists, minlength=lists_of(trained))
    error = quantisation_error(trained, sample[held_out(len(sample))])
    return Figures(items, imbalance(counts), error, exam.recall(index, settings)), settings


def held_out(count: int) -> NDArray[np.bool_]:
    """Which [S] of a sample's vectors an index must not learn from: codes fit what they were fitted to."""
    mask = np.zeros(count, np.bool_)
    chosen = min(_DECODED, max(1, count // 10))
    mask[np.random.default_rng(0).choice(count, chosen, replace=False)] = True
    return mask


def quantisation_error(trained: faiss.Index, vectors: Vectors) -> float:
    """Mean squared distance between vectors [n, D] and what their codes say of them."""
    index = faiss.clone_index(trained)
    found = parts(index)
    given = rotated(found, np.ascontiguousarray(vectors, np.float32))
    base = found.base
    base.add(given)
    if found.ivf is not None:
        found.ivf.make_direct_map()
    again = base.reconstruct_n(0, len(given))
    return float(((again - given) ** 2).sum(axis=1).mean())


def aged(now: Figures, then: Figures, limits: Limits) -> list[str]:
    """Why the index must be trained anew; empty while everything holds."""
    reasons = []
    grown = max(now.items, 1) / max(then.items, 1)
    if not 1 / limits.growth <= grown <= limits.growth:
        reasons.append(f"{now.items:,} items, trained for {then.items:,}")
    for name in ("imbalance", "error"):
        was, is_now = getattr(then, name), getattr(now, name)
        if is_now > getattr(limits, name) * max(was, 1e-9) and is_now - was > 1e-6:
            reasons.append(f"{name} {is_now:.4g}, was {was:.4g}, limit x{getattr(limits, name)}")
    if now.recall < then.recall - limits.recall:
        reasons.append(f"canary recall {now.recall:.4f}, was {then.recall:.4f}")
    return reasons
