"""What a step of training minimises: one objective out of kinds, sources of negatives and corrections.

Each kind compares a pair's score s(q, d+) with the scores s(q, d) of its negatives d, of weight w:

- softmax: -log of the positive's share in exp(s / t), the negatives' terms times w. With in-batch items
  alone this is InfoNCE; the hard negatives of STAR join as further terms.
- pairwise: log(1 + exp((s(q, d) - s(q, d+)) / t)), the mean over all pairs of the batch as one pool, by
  weight. STAR as its authors train it (Zhan et al. 2021, section 4.2).
- triplet: max(0, margin - s(q, d+) + s(q, d)), the same mean.

A known positive of a query, from all history, is never its negative, wherever it comes from.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from torch import Tensor
from torch.nn import functional

KINDS = ("softmax", "pairwise", "triplet")


@dataclass(frozen=True)
class Objective:
    """temperature: of softmax and pairwise; learnt when `learn_temperature`. margin: of triplet, in
    cosines. symmetric: items look for their queries too, half of the loss each. logq: an in-batch item
    counts 1 / (how much oftener than uniformly it is drawn), Yi et al. 2019, section 4. hardest: of the
    in-batch and uniform negatives only so many, the nearest, count (0: all).

    reuse: other queries' hard negatives count too. in_batch, uniform, hard: weights of the sources.
    easy_per_hard: the hard ones are weighed so that a query's easy negatives have so many times the
    weight of its hard ones (0: as they are counted). hard_ramp_frac: share of all steps over which the
    weight of the hard ones rises from nothing.
    """

    kind: str = "softmax"
    temperature: float = 0.05
    learn_temperature: bool = False
    margin: float = 0.1
    symmetric: bool = False
    logq: bool = False
    hardest: int = 0
    reuse: bool = True
    in_batch: float = 1.0
    uniform: float = 1.0
    hard: float = 1.0
    easy_per_hard: float = 0.0
    hard_ramp_frac: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"loss={self.kind!r}: expected one of {', '.join(KINDS)}")
        if not self.temperature > 0.0:
            raise ValueError(f"temperature={self.temperature}: must be > 0, usually 0.01 to 0.1")
        if min(self.in_batch, self.uniform, self.hard, self.easy_per_hard, self.hardest) < 0:
            raise ValueError(f"{self}: weights of negatives, easy_per_hard and hardest must be >= 0")
        if not 0.0 <= self.hard_ramp_frac <= 1.0 or not 0.0 < self.margin <= 2.0:
            raise ValueError(f"{self}: hard_ramp_frac must be 0 to 1, margin above 0 and at most 2")

    def hard_weight(self, easy: float, mined: float, progress: float) -> float:
        """Weight of one hard negative: `easy`, the weight of a query's easy ones; `mined`, how many hard
        ones it sees; `progress`, the share of all steps that is done."""
        weight = self.hard
        if self.easy_per_hard and mined:
            weight *= easy / (self.easy_per_hard * mined)
        if self.hard_ramp_frac:
            weight *= min(1.0, progress / self.hard_ramp_frac)
        return weight


def summed(objective: Objective, terms: Tensor, positive: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """The losses of r queries summed, in nats or for the triplet kind in cosines; and their pool.

    terms [r, M]: scores of the negatives (cosines over the temperature; for the triplet kind cosines as
    they are), -inf where an item is no negative of the query. positive [r]: the pairs' own scores. The
    loss is the sum over all queries of the batch divided by the sum of their pools.

    For softmax the terms hold the logarithm of their weights already, and one of each row is the
    positive itself, so that a query without any negative has loss 0. For the others weight [M] or
    [r, M] stands apart.
    """
    if objective.kind == "softmax":
        return (terms.logsumexp(dim=1) - positive).sum(), positive.new_tensor(len(positive))
    pool = _weighed((terms > -inf).to(terms.dtype), weight)
    apart = terms - positive[:, None]
    if objective.kind == "pairwise":
        return _weighed(functional.softplus(apart), weight), pool
    return _weighed(functional.relu(apart + objective.margin), weight), pool


def _weighed(values: Tensor, weight: Tensor) -> Tensor:
    return (values @ weight).sum() if weight.ndim == 1 else (values * weight).sum()
