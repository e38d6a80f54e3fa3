"""Latency of a query on one core: encoding, the dense index, and the whole search that a service calls."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jobs.bundle.reader import Bundle
from jobs.bundle.recommendations import Recommendations
from jobs.bundle.reranker import Reranker
from models.ann.search import one_thread

TIMED_QUERIES, WARM_UP, ROUNDS = 200, 10, 5
STAGES = ("encode", "dense", "search")
# named for what it is: see latency_ms
GATE_P99 = f"search_best_of_{ROUNDS}_p99_ms"
RERANK_P99 = f"rerank_best_of_{ROUNDS}_p99_ms"


def latency_ms(bundles: Sequence[Bundle], queries: Sequence[str]) -> list[dict[str, float]]:
    """Milliseconds of single queries, for each bundle: {encode,dense,search}_{p50,p99}_ms, and GATE_P99.

    `search` is the whole of Bundle.search, from text to titles; encode and dense are its first two steps, timed apart.
    FAISS runs on one thread; the encoder has the threads that it was opened with. Up to 200 queries, spread over those
    given, after ten to warm up. Each is searched in five rounds, in all bundles in turns.
    p50 and p99 are over all samples. GATE_P99 is over each query's fastest round: other work on the machine only ever
    adds time, and must not look like an index that is slower than another. It says how one index compares with
    another, not what a service will measure.
    """
    rows = np.linspace(0, len(queries) - 1, min(TIMED_QUERIES, len(queries))).astype(int)
    timed = [queries[row] for row in rows]
    with one_thread():
        for bundle in bundles:
            for text in timed[:WARM_UP]:
                bundle.search(text)
        rounds = [[[_seconds(bundle, text) for bundle in bundles] for text in timed] for _ in range(ROUNDS)]
    samples = 1000 * np.array(rounds)  # [ROUNDS, Q, bundles, STAGES]
    return [_percentiles(samples[:, :, place]) for place in range(len(bundles))]


def rerank_ms(bundle: Bundle, rerankers: Sequence[Reranker], queries: Sequence[str]) -> list[dict[str, float]]:
    """Milliseconds of single queries with each ranker: {encode,dense,search,rerank}_{p50,p99}_ms, GATE_P99, RERANK_P99.

    `search` is Bundle.search with the ranker; `rerank` is what the ranker adds: features and scores of the first 300.
    """
    rows = np.linspace(0, len(queries) - 1, min(TIMED_QUERIES, len(queries))).astype(int)
    timed = [queries[row] for row in rows]
    with one_thread():
        for reranker in rerankers:
            for text in timed[:WARM_UP]:
                bundle.search(text, rerank=reranker)
        rounds = [
            [[_rerank_seconds(bundle, each, text) for each in rerankers] for text in timed] for _ in range(ROUNDS)
        ]
    samples = 1000 * np.array(rounds)  # [ROUNDS, Q, rerankers, STAGES and rerank]
    return [
        _percentiles(samples[:, :, place, :-1]) | _of_ranker(samples[:, :, place, -1])
        for place in range(len(rerankers))
    ]


def lists_ms(bundles: Sequence[Recommendations], asked: Sequence[tuple[str, str, str]]) -> list[dict[str, float]]:
    """Milliseconds of single look-ups, for each bundle: search_{p50,p99}_ms, and GATE_P99. asked: id, title, category."""
    rows = np.linspace(0, len(asked) - 1, min(TIMED_QUERIES, len(asked))).astype(int)
    timed = [asked[row] for row in rows]
    for bundle in bundles:
        for words in timed[:WARM_UP]:
            bundle.beside(*words)
    rounds = [[[_list_seconds(bundle, words) for bundle in bundles] for words in timed] for _ in range(ROUNDS)]
    samples = 1000 * np.array(rounds)[..., None]  # [ROUNDS, Q, bundles, 1]
    return [_percentiles(samples[:, :, place], ("search",)) for place in range(len(bundles))]


def _list_seconds(bundle: Recommendations, words: tuple[str, str, str]) -> float:
    started = time.perf_counter()
    bundle.beside(*words)
    return time.perf_counter() - started


def _of_ranker(samples: NDArray[np.float64]) -> dict[str, float]:
    """Percentiles of a ranker's milliseconds [ROUNDS, Q]."""
    values = {f"rerank_p{percent}_ms": float(np.percentile(samples, percent)) for percent in (50, 99)}
    return values | {RERANK_P99: float(np.percentile(samples.min(axis=0), 99))}


def _rerank_seconds(bundle: Bundle, reranker: Reranker, text: str) -> tuple[float, ...]:
    """Seconds of each stage, then of the ranker alone."""
    started = time.perf_counter()
    bundle.search(text, rerank=reranker)
    searched = time.perf_counter() - started
    encode, dense, _ = _seconds(bundle, text)
    stage = bundle.first_stage(text)
    begun = time.perf_counter()
    reranker.scores(bundle, text, stage)
    return encode, dense, searched, time.perf_counter() - begun


def _percentiles(samples: NDArray[np.float64], stages: Sequence[str] = STAGES) -> dict[str, float]:
    """Percentiles of milliseconds [ROUNDS, Q, stages]."""
    values = {
        f"{stage}_p{percent}_ms": float(np.percentile(samples[:, :, place], percent))
        for place, stage in enumerate(stages)
        for percent in (50, 99)
    }
    fastest = samples[:, :, stages.index("search")].min(axis=0)
    return values | {GATE_P99: float(np.percentile(fastest, 99))}


def _seconds(bundle: Bundle, text: str) -> tuple[float, float, float]:
    """Seconds of each stage."""
    started = time.perf_counter()
    bundle.search(text)  # first: the others find its pages in the caches
    ended = time.perf_counter()
    vector = bundle.encode([text])
    encoded = time.perf_counter()
    bundle.dense(vector, bundle.pool)
    return encoded - ended, time.perf_counter() - encoded, ended - started
