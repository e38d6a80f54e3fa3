"""The objective as its definition says, pair by pair in double precision: what the tiles must equal."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from models.training.losses import Objective

Draws = list[tuple[int, float]]  # (item, weight)


def naive_loss(
    objective: Objective,
    q: Tensor,
    table: Tensor,
    item: list[int],
    uniform: list[int],
    hard: list[list[int]],
    known: set[tuple[int, int]],
    frequency: list[float],
    progress: float = 1.0,
    scale: Tensor | None = None,
    listed: dict[str, list[list[int]]] | None = None,
) -> Tensor:
    """Loss of B pairs (q[b], item[b]); table [N, D] has every item's vector, known holds (b, item). listed: items of
    each row's lists of a kind, beside the mined ones."""
    scale = torch.tensor(1.0 / objective.temperature) if scale is None else scale
    size = len(item)
    known = known | {(b, item[b]) for b in range(size)}
    loss, pool = 0.0 * q.sum(), 0.0
    for b in range(size):
        terms = negatives(objective, b, item, uniform, hard, frequency, progress)
        for kind, rows in (listed or {}).items():
            seen = [i for c, row in enumerate(rows) if objective.share_hard or c == b for i in row]
            terms += [(i, getattr(objective, kind)) for i in seen]
        terms = [(i, w) for i, w in terms if (b, i) not in known]
        if objective.hardest:
            terms = nearest(objective, q[b], table, terms, item, uniform, frequency)
        offset = 0.0
        if objective.logq and objective.kind == "softmax":
            offset = -float(torch.tensor(frequency[item[b]]).log())
        part, weight = one(objective, q[b], table, item[b], terms, offset, scale)
        loss, pool = loss + part, pool + weight
    total = loss / pool
    if objective.symmetric:
        total = 0.5 * total + 0.5 * backwards(objective, q, table, item, known, scale)
    return total


def negatives(
    objective: Objective,
    b: int,
    item: list[int],
    uniform: list[int],
    hard: list[list[int]],
    frequency: list[float],
    progress: float,
) -> Draws:
    """Every draw that row b is compared with, one by one."""
    easy: Draws = [(i, objective.in_batch / (frequency[i] if objective.logq else 1.0)) for i in item]
    easy += [(i, objective.uniform) for i in uniform]
    mined = [i for c, row in enumerate(hard) if objective.share_hard or c == b for i in row]
    weight = objective.hard
    if objective.easy_per_hard and mined:
        weight *= sum(w for _, w in easy) / (objective.easy_per_hard * len(mined))
    if objective.hard_ramp_frac:
        weight *= min(1.0, progress / objective.hard_ramp_frac)
    return easy + [(i, weight) for i in mined]


def nearest(
    objective: Objective,
    q: Tensor,
    table: Tensor,
    terms: Draws,
    item: list[int],
    uniform: list[int],
    frequency: list[float],
) -> Draws:
    """All hard negatives, and the nearest of the easy items with all of their draws."""
    counts: dict[int, float] = {}
    for i in item:
        counts[i] = counts.get(i, 0.0) + objective.in_batch / (frequency[i] if objective.logq else 1.0)
    for i in uniform:
        counts[i] = counts.get(i, 0.0) + objective.uniform
    there = {i for i, _ in terms}
    easy = sorted((i for i in counts if i in there), key=lambda i: -float((q @ table[i]).detach()))
    all_of: dict[int, float] = {}
    for i, weight in terms:
        all_of[i] = all_of.get(i, 0.0) + weight
    mined = [(i, weight - counts.get(i, 0.0)) for i, weight in all_of.items()]
    return mined + [(i, counts[i]) for i in easy[: objective.hardest]]


def one(
    objective: Objective, q: Tensor, table: Tensor, right: int, terms: Draws, offset: float, scale: Tensor
) -> tuple[Tensor, float]:
    """A row's loss, and its weight in the pool."""
    positive = (q @ table[right]) * scale + offset
    weight = sum(w for _, w in terms)
    if objective.kind == "softmax":
        total = positive.exp()
        for i, w in terms:
            total = total + w * ((q @ table[i]) * scale).exp()
        return total.log() - positive, 1.0
    loss = 0.0 * positive
    for i, w in terms:
        if objective.kind == "pairwise":
            loss = loss + w * functional.softplus((q @ table[i]) * scale - positive)
        else:
            loss = loss + w * functional.relu(q @ table[i] - q @ table[right] + objective.margin)
    return loss, weight


def backwards(
    objective: Objective, q: Tensor, table: Tensor, item: list[int], known: set[tuple[int, int]], scale: Tensor
) -> Tensor:
    """Each pair's item against the queries of all pairs that do not know it."""
    plain = Objective(objective.kind, objective.temperature, margin=objective.margin)
    loss, pool = 0.0 * q.sum(), 0.0
    for b, right in enumerate(item):
        others = [c for c in range(len(item)) if (c, right) not in known]
        if objective.hardest:
            others.sort(key=lambda c: -float((q[c] @ table[right]).detach()))
            others = others[: objective.hardest]
        part, weight = one(plain, table[right], q, b, [(c, 1.0) for c in others], 0.0, scale)
        loss, pool = loss + part, pool + weight
    return loss / pool
