"""The age of a trained index: its figures on a sample of today's vectors against those of the day it was trained.

A public report (faiss issue 3183): an index trained for 5 to 7 million vectors grew to 52 million, and recall fell from 85%
to 69% without an error. Four figures show it beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray

from models.ann.codes import filled, imbalance, lists_of
from models.ann.exact import Vectors
from models.ann.families import parts, rotated
from models.ann.operating_points import Exam, cheapest_settings

_DECODED = 4_096  # vectors, at most, on which the quantisation error is measured


@dataclass(frozen=True)
class IndexFigures:
    """items: in the whole catalogue. imbalance: L * sum(n_i^2) / N^2 over the lists: the factor of scanned items against lists
    of equal length. error: mean squared distance between a vector and its decoded code. recall: of the canaries (pinned query
    vectors) in the sample, with pinned settings."""

    items: int
    imbalance: float
    error: float
    recall: float


@dataclass(frozen=True)
class AgeLimits:
    """Limits of the figures, beyond which an index is trained anew: factors, and for recall a difference."""

    growth: float = 2.0
    imbalance: float = 1.5
    error: float = 1.15
    recall: float = 0.01


def figures(
    trained: faiss.Index, factory: str, sample: Vectors, exam: Exam, settings: dict[str, float] | float, items: int
) -> tuple[IndexFigures, dict[str, float]]:
    """Take the figures over a sample [S, D], of equal size on all days; returns them and the settings used.

    exam: on this sample. settings: the pinned search parameters of the canaries; on the day of training a recall, for which
    the cheapest parameters are chosen.
    """
    index, lists = filled(trained, factory, sample)
    if isinstance(settings, float):
        settings = cheapest_settings(index, exam, settings)[-1][0]
    counts = np.bincount(lists, minlength=lists_of(trained))
    error = quantisation_error(trained, sample[held_out(len(sample))])
    return IndexFigures(items, imbalance(counts), error, exam.recall(index, settings)), settings


def held_out(count: int) -> NDArray[np.bool_]:
    """Mask [S] of the vectors that training must not see: a code book fits its own training vectors best."""
    mask = np.zeros(count, np.bool_)
    chosen = min(_DECODED, max(1, count // 10))
    mask[np.random.default_rng(0).choice(count, chosen, replace=False)] = True
    return mask


def quantisation_error(trained: faiss.Index, vectors: Vectors) -> float:
    """Mean squared distance between vectors [n, D] and their decoded codes."""
    index = faiss.clone_index(trained)
    index_parts = parts(index)
    given = rotated(index_parts, np.ascontiguousarray(vectors, np.float32))
    index_parts.base.add(given)
    if index_parts.ivf is not None:
        index_parts.ivf.make_direct_map()
    decoded = index_parts.base.reconstruct_n(0, len(given))
    return float(((decoded - given) ** 2).sum(axis=1).mean())


def aged(now: IndexFigures, then: IndexFigures, limits: AgeLimits) -> list[str]:
    """Reasons to train the index anew; empty while all figures are within the limits."""
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
