"""A day's traffic without a shop: 2,000 queries, 500 items that five of them each lead to."""

from __future__ import annotations

import numpy as np

from models.simulator.shop_engine import Aims
from models.simulator.traffic import Traffic
from models.simulator.traffic_mix import TrafficMix, traffic

QUERIES, ITEMS = 2000, 500
AIMS = Aims(
    np.repeat(np.arange(ITEMS), 5), (np.repeat(np.arange(ITEMS), 5) * 7 + np.tile(np.arange(5), ITEMS)) % QUERIES
)


def a_day(searches: int = 60_000, bot_frac: float = 0.02, seed: int = 3, **settings: float) -> Traffic:
    crowd = TrafficMix(searches, bot_frac, **settings)  # type: ignore[arg-type]
    return traffic(np.arange(QUERIES), AIMS, crowd, np.random.default_rng(seed))
