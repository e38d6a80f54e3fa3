"""How long one typed query takes on its way to a vector, on one core: what a service would wait."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch

from models.towers.encode import encode_queries
from models.towers.two_tower import TwoTower

QUERIES, WARM_UP = 200, 10


def query_latency(towers: TwoTower, queries: Sequence[str]) -> dict[str, float]:
    """Milliseconds from text to vector, one query at a time: query_p50_ms and query_p99_ms.

    Of up to 200 queries, spread over those given, on the CPU with one thread, after ten to warm up;
    towers of a GPU are copied for it. Empty without queries.
    """
    if not queries:
        return {}
    if towers.device.type != "cpu":
        config, tokenizer_json, tensors = towers.state()
        here = {name: one.cpu() for name, one in tensors.items()}
        towers = TwoTower.from_state(config, tokenizer_json, here)
    rows = np.linspace(0, len(queries) - 1, min(QUERIES, len(queries))).astype(int)
    asked = [queries[row] for row in rows]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for text in asked[:WARM_UP]:
            encode_queries(towers, [text])
        took = [_timed(towers, text) for text in asked]
    finally:
        torch.set_num_threads(threads)
    p50, p99 = np.quantile(took, [0.5, 0.99])
    return {"query_p50_ms": float(p50), "query_p99_ms": float(p99)}


def _timed(towers: TwoTower, text: str) -> float:
    started = time.perf_counter()
    encode_queries(towers, [text])
    return 1000.0 * (time.perf_counter() - started)
