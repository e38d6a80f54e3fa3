"""A simulated day before anything of it is written: who searches what and when, and what the shop answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np

from jobs.lake.days import bounds
from jobs.simulator.shop import Shop
from models.simulator.click_model import ClickModel
from models.simulator.day import Day, day
from models.simulator.delivery import Faults
from models.simulator.identities import Cast, ranking
from models.simulator.shop_engine import LEXICAL_DEPTH, aims, pool
from models.simulator.shop_lexical import lexical
from models.simulator.traffic import Traffic
from models.simulator.traffic_mix import Crowd, traffic
from models.simulator.unusual_queries import Typed, Unusual, typed
from models.sparse.bm25 import build_sparse


@dataclass(frozen=True)
class Plan:
    """What a day is drawn from; results: items shown per search at most."""

    seed: int
    ds: str
    results: int
    model: ClickModel
    crowd: Crowd
    faults: Faults
    unusual: Unusual


@dataclass(frozen=True)
class Scene:
    """A day as drawn. midnight_ms: its first moment, since 1970; parts: its searches and events, chunk by chunk."""

    plan: Plan
    shop: Shop
    traffic: Traffic
    typed: Typed
    people: Cast
    midnight_ms: int
    parts: Iterator[Day]


def length_s(ds: str) -> float:
    """How long the shop's day is, by its time zone.

    Raises:
        ValueError: no day of that date, or less than half of one.
    """
    first, after = bounds(ds)
    seconds = (after - first).total_seconds()
    if seconds < 12 * 3600:
        raise ValueError(f"{ds}: a day of {seconds:.0f} s in this time zone; take another day")
    return seconds


def scene(plan: Plan, shop: Shop) -> Scene:
    """Draw a day of this shop."""
    rng = np.random.default_rng([plan.seed, date.fromisoformat(plan.ds).toordinal()])
    # what the simulated engine would find for each query
    words = lexical(build_sparse(shop.titles.tolist()), shop.texts.tolist(), LEXICAL_DEPTH)
    found = pool(len(shop.texts), len(shop.titles), words, shop.judged, shop.scale, rng)
    drawn = traffic(ranking(plan.seed, shop.texts), aims(found, plan.results), plan.crowd, rng)
    made, asked = typed(drawn, plan.unusual, rng)
    people = Cast(plan.seed, plan.ds, made, shop.texts, asked, plan.faults.skew_frac)
    parts = day(
        made, people.dialects, people.skews, found, plan.results, plan.model, plan.faults, plan.crowd.day_s, rng
    )
    midnight_ms = round(bounds(plan.ds)[0].timestamp() * 1000)
    return Scene(plan, shop, made, asked, people, midnight_ms, parts)
