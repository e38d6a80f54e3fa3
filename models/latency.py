"""How long the query tower takes for one query on one core: what the online side waits for."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch

from models.towers import TwoTower

_WARM = 20


def query_latency(towers: TwoTower, queries: Sequence[str]) -> dict[str, float]:
    """query_p50_ms and query_p99_ms: text to vector, one query at a time, on one core of the CPU."""
    device, threads = towers.device, torch.get_num_threads()
    towers.to("cpu")
    torch.set_num_threads(1)
    taken = []
    try:
        for number, query in enumerate([*queries[:1] * _WARM, *queries]):
            started = time.perf_counter()
            towers.encode_queries([query])
            if number >= _WARM:
                taken.append(1000.0 * (time.perf_counter() - started))
    finally:
        torch.set_num_threads(threads)
        towers.to(device)
    p50, p99 = np.percentile(taken, [50, 99])
    return {"query_p50_ms": float(p50), "query_p99_ms": float(p99)}
