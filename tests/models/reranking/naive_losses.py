"""Plain double loops in Python floats, one list at a time: the reference of models/reranking/losses.py."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

Floats = Sequence[float]


def ranks_of(scores: Floats) -> list[int]:
    """Rank of each score from 1; of equals the earlier first."""
    return [
        1 + sum(other > score or (other == score and place < row) for place, other in enumerate(scores))
        for row, score in enumerate(scores)
    ]


def ideal(labels: Floats) -> float:
    best = sorted(labels, reverse=True)
    return sum((2**label - 1) / math.log2(2 + place) for place, label in enumerate(best))


def ndcg(scores: Floats, labels: Floats) -> float:
    gains = sum((2**label - 1) / math.log2(1 + rank) for rank, label in zip(ranks_of(scores), labels, strict=True))
    return gains / ideal(labels)


def ranknet(scores: Floats, labels: Floats) -> float:
    losses = [
        math.log(1 + math.exp(-(scores[i] - scores[j])))
        for i in range(len(scores))
        for j in range(len(scores))
        if labels[i] > labels[j]
    ]
    return sum(losses) / len(losses)


def weighed(scores: Floats, labels: Floats, weight: Callable[[int, int], float]) -> float:
    ranks, best, total = ranks_of(scores), ideal(labels), 0.0
    for i in range(len(scores)):
        for j in range(len(scores)):
            if labels[i] > labels[j]:
                gain = abs(2 ** labels[i] - 2 ** labels[j]) / best
                loss = math.log2(1 + math.exp(-(scores[i] - scores[j])))
                total += gain * weight(ranks[i], ranks[j]) * loss
    return total


def rho(i: int, j: int) -> float:
    return abs(1 / math.log2(1 + i) - 1 / math.log2(1 + j))


def delta(i: int, j: int) -> float:
    apart = abs(i - j)
    return abs(1 / math.log2(1 + apart) - 1 / math.log2(2 + apart))


def lambdarank(scores: Floats, labels: Floats) -> float:
    return weighed(scores, labels, rho)


def ndcg2pp(scores: Floats, labels: Floats) -> float:
    return weighed(scores, labels, lambda i, j: rho(i, j) + 10 * delta(i, j))


def neural_ndcg(scores: Floats, labels: Floats, temperature: float = 1.0, steps: int = 10) -> float:
    n = len(scores)
    matrix = []
    for place in range(1, n + 1):
        logits = [
            ((n + 1 - 2 * place) * scores[j] - sum(abs(scores[j] - other) for other in scores)) / temperature
            for j in range(n)
        ]
        top = max(logits)
        powers = [math.exp(value - top) for value in logits]
        matrix.append([power / sum(powers) for power in powers])
    for _ in range(steps):
        columns = [max(1e-6, sum(row[j] for row in matrix)) for j in range(n)]
        matrix = [[row[j] / columns[j] for j in range(n)] for row in matrix]
        matrix = [[value / max(1e-6, sum(row)) for value in row] for row in matrix]
    total = 0.0
    for place in range(n):
        gain = sum(matrix[place][j] * (2 ** labels[j] - 1) for j in range(n))
        total += gain / math.log2(2 + place)
    return -total / ideal(labels)


def softmax(scores: Floats, labels: Floats) -> float:
    whole = sum(math.exp(score) for score in scores)
    shares = [label / sum(labels) for label in labels]
    return -sum(share * math.log(math.exp(score) / whole) for share, score in zip(shares, scores, strict=True))


def ordinal(scores: Floats, labels: Floats, thresholds: Floats = (-1.0, 0.0, 1.0)) -> float:
    total = 0.0
    for score, label in zip(scores, labels, strict=True):
        for level, threshold in enumerate(thresholds, start=1):
            passes = 1 / (1 + math.exp(-(score - threshold)))
            total -= math.log(passes if round(label * len(thresholds)) >= level else 1 - passes)
    return total / (len(scores) * len(thresholds))


NAIVE: dict[str, Callable[[Floats, Floats], float]] = {
    "ranknet": ranknet,
    "lambdarank": lambdarank,
    "ndcg2pp": ndcg2pp,
    "neural_ndcg": neural_ndcg,
    "softmax": softmax,
    "ordinal": ordinal,
}
