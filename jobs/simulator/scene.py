"""A simulated day before it is written: the searches, their times, and the answers of the shop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pyarrow as pa

from jobs.embeddings.sharding import hash64
from jobs.lake.windows import bounds
from jobs.simulator.item_traits import TasteCatalogue
from jobs.simulator.shop import Shop
from models.simulator.click_model import appeals
from models.simulator.day import DayPart, DaySettings, day
from models.simulator.identities import Identities, ranking
from models.simulator.lexical import lexical
from models.simulator.shop_engine import LEXICAL_DEPTH, aims, pool
from models.simulator.taste import Shoppers, categories_of_queries
from models.simulator.traffic import Traffic
from models.simulator.traffic_mix import traffic
from models.simulator.unusual_queries import UnusualQueries, unusual_queries
from models.sparse.bm25 import build_sparse


@dataclass(frozen=True)
class Scene:
    """A day as drawn. midnight_ms: its first moment, since 1970; parts: its searches and events, chunk by chunk;
    shoppers: their taste, where they have any."""

    plan: DaySettings
    shop: Shop
    traffic: Traffic
    typed: UnusualQueries
    people: Identities
    midnight_ms: int
    parts: Iterator[DayPart]
    shoppers: Shoppers | None = None


def length_s(ds: str) -> float:
    """Seconds of the shop's day, by its time zone.

    Raises:
        ValueError: no day of that date, or less than half of one.
    """
    first, after = bounds(ds)
    seconds = (after - first).total_seconds()
    if seconds < 12 * 3600:
        raise ValueError(f"{ds}: a day of {seconds:.0f} s in this time zone; take another day")
    return seconds


def scene(plan: DaySettings, shop: Shop, tastes: TasteCatalogue | None = None) -> Scene:
    """Draw a day of this shop. tastes: what its people may have a taste for; None: they have none."""
    rng = np.random.default_rng([plan.seed, date.fromisoformat(plan.ds).toordinal()])
    # the simulated engine's matches for each query
    words = lexical(build_sparse(shop.titles.tolist()), shop.texts.tolist(), LEXICAL_DEPTH)
    candidates = pool(len(shop.texts), len(shop.titles), words, shop.judged, shop.scale, rng)
    popular, number = ranking(plan.seed, shop.texts), date.fromisoformat(plan.ds).toordinal()
    drawn = traffic(popular, aims(candidates, plan.results), plan.traffic_mix, rng)
    shoppers = None
    if tastes:
        of_queries = categories_of_queries(candidates, tastes.traits)
        shoppers = Shoppers(plan.seed, number, plan.taste, tastes.traits, of_queries)
        drawn = replace(drawn, queries=shoppers.queries(drawn, popular))
    made, asked = unusual_queries(drawn, plan.unusual, rng)
    people = Identities(plan.seed, plan.ds, made, shop.texts, asked, plan.faults.skew_frac)
    crowd = (shoppers, tastes.near) if shoppers and tastes else None
    appeal = appeals(hash64(pa.array(shop.item_ids.tolist())).astype(np.int64), plan.appeal) if plan.appeal else None
    parts = day(plan, made, people.dialects, people.skews, candidates, rng, crowd, appeal)
    midnight_ms = round(bounds(plan.ds)[0].timestamp() * 1000)
    return Scene(plan, shop, made, asked, people, midnight_ms, parts, shoppers)
