"""How long a query takes on one core: encode, search, and all that an answer needs."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from jobs.reader import Bundle
from models.ann.search import one_thread

TIMED_QUERIES, WARM_UP, DEPTH = 200, 10, 100


def latency_ms(bundle: Bundle, queries: Sequence[str], depth: int = DEPTH) -> dict[str, float]:
    """p50 and p99 in milliseconds over single queries, FAISS on one thread: encode, search, answer.

    answer is end to end, from text to the hits that are shown, with their titles; the encoder has the threads that
    it was opened with. Up to 200 queries, spread over those given, after ten to warm up.
    """
    rows = np.linspace(0, len(queries) - 1, min(TIMED_QUERIES, len(queries))).astype(int)
    asked = [queries[row] for row in rows]
    with one_thread():
        for text in asked[:WARM_UP]:
            bundle.answer(text, depth)
        taken = np.array([_timed(bundle, text, depth) for text in asked])
    stages = dict(zip(("encode", "search", "answer"), 1000 * taken.T, strict=True))
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
