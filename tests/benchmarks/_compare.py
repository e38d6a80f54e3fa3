"""One comparison: the two sides take turns, the best turn of each counts, one JSON line says how they stand."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable


def cpu_s(work: Callable[[], object]) -> float:
    """CPU seconds of one turn, which other processes on a shared machine disturb least."""
    started = time.process_time()
    work()
    return time.process_time() - started


def compare(
    name: str,
    ours: Callable[[], object],
    peer: Callable[[], object],
    peer_name: str,
    n: int,
    unit: str,
    varied: str,
    rounds: int = 3,
) -> None:
    """Print name, ours, peer, ratio, unit and what was varied; n units are done in one turn."""
    turns = [(cpu_s(ours), cpu_s(peer)) for _ in range(rounds)]
    mine, theirs = (n / min(side) for side in zip(*turns, strict=True))
    tell(name, mine, theirs, peer_name, mine / theirs, f"{unit}/cpu_s", varied)


def tell(name: str, ours: float, peer: float, peer_name: str, ratio: float, unit: str, varied: str) -> None:
    """Print the line of a comparison that was measured; a ratio above 1 speaks for us."""
    line = {
        "name": name,
        "ours": float(f"{ours:.4g}"),
        "peer": float(f"{peer:.4g}"),
        "peer_name": peer_name,
        "ratio": round(ratio, 2),
        "unit": unit,
        "varied": varied,
    }
    sys.stdout.write(json.dumps(line) + "\n")
