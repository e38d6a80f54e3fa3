"""How long a query takes on one core: encode, search, and all that an answer needs."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jobs.bundle.reader import Bundle
from models.ann.search import one_thread

TIMED_QUERIES, WARM_UP, ROUNDS, DEPTH = 200, 10, 5, 100


def latency_ms(bundles: Sequence[Bundle], queries: Sequence[str], depth: int = DEPTH) -> list[dict[str, float]]:
    """For each bundle {encode,search,answer}_{p50,p99}_ms, over single queries, FAISS on one thread.

    answer is end to end, from text to the hits that are shown, with their titles; the encoder has the threads that
    it was opened with. Up to 200 queries, spread over those given, after ten to warm up. Each is asked five times,
    of all bundles in turns, and its least time counts: other work on the machine only ever adds, and must not look
    like an index that is slower than the one beside it (Python's timeit says why the least, under `Timer.repeat`).
    What other work costs a service is not in these figures.
    """
    rows = np.linspace(0, len(queries) - 1, min(TIMED_QUERIES, len(queries))).astype(int)
    asked = [queries[row] for row in rows]
    with one_thread():
        for bundle in bundles:
            for text in asked[:WARM_UP]:
                bundle.answer(text, depth)
        rounds = [[_turn(bundles, text, depth) for text in asked] for _ in range(ROUNDS)]
    took = np.min(rounds, axis=0)  # [Q, bundles, stages]
    return [_quantiles(took[:, place]) for place in range(len(bundles))]


def _turn(bundles: Sequence[Bundle], text: str, depth: int) -> list[tuple[float, float, float]]:
    """Seconds [bundles, stages]: each is asked the same, one right after the other."""
    return [_timed(one, text, depth) for one in bundles]


def _quantiles(seconds: NDArray[np.float64]) -> dict[str, float]:
    """Of seconds [Q, stages], in milliseconds."""
    stages = dict(zip(("encode", "search", "answer"), 1000 * seconds.T, strict=True))
    return {
        f"{stage}_p{percent}_ms": float(np.percentile(found, percent))
        for stage, found in stages.items()
        for percent in (50, 99)
    }


def _timed(bundle: Bundle, text: str, depth: int) -> tuple[float, float, float]:
    started = time.perf_counter()
    vector = bundle.encode([text])
    encoded = time.perf_counter()
    found = bundle.dense(vector, depth)
    searched = time.perf_counter()
    bundle.shown(found)
    return encoded - started, searched - encoded, time.perf_counter() - started
