"""A day's searches together: shoppers, bots and a storm of them, and what each one asks for."""

from dataclasses import dataclass, replace

import numpy as np

from models.simulator.arrays import Ints
from models.simulator.bots import bots, storm
from models.simulator.shop_engine import Aims
from models.simulator.shoppers import people
from models.simulator.traffic import DAY_S, PER_SEARCH, Traffic, joined, last_s, zipf_shares


@dataclass(frozen=True)
class TrafficMix:
    """searches of the day, of which bot_frac are bots' (models.simulator.bots says which) and the rest people's; storm
    searches come on top. zipf: how unequal queries are; day_s: 23, 24 or 25 hours."""

    searches: int
    bot_frac: float = 0.02
    zipf: float = 0.9
    storm: int = 0
    day_s: float = DAY_S

    def __post_init__(self) -> None:
        if self.searches < 1 or self.storm < 0:
            raise ValueError(f"{self}: expected 1 search or more, and a storm of 0 or more")
        if not (0 <= self.bot_frac < 1 and self.zipf >= 0):
            raise ValueError(f"{self}: expected bot_frac of 0 to below 1, zipf of 0 or more")


def traffic(ranking: Ints, aims: Aims, mix: TrafficMix, rng: np.random.Generator) -> Traffic:
    """Draw the day in order of time; `ranking` lists the queries, the most popular first."""
    bot_searches = round(mix.searches * mix.bot_frac)
    last = last_s(mix.day_s)
    parts = [people(mix.searches - bot_searches, mix.day_s, rng)]
    if bot_searches:
        parts += bots(bot_searches, len(ranking), aims, last, rng)
    if mix.storm:
        parts.append(storm(mix.storm, int(ranking[0]), last, rng))
    made = joined(parts)
    drawn = rng.choice(len(ranking), len(made.queries), p=zipf_shares(len(ranking), mix.zipf))
    queries = np.where(made.queries < 0, ranking[drawn], made.queries)
    order = np.argsort(made.seconds, kind="stable")
    made = replace(made, queries=queries)
    return replace(made, **{name: getattr(made, name)[order] for name in PER_SEARCH})
