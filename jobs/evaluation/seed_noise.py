"""How far two trainings differ that are alike but for their seed: no smaller loss is a reason to stop."""

from __future__ import annotations

import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy import stats

from jobs.lake.arrow import numbers
from jobs.lake.read import Pinned
from models.evaluation.intervals import LEVEL

MEASURE = "R@60"


def seed_noise(sweep: Pinned) -> float:
    """Bound of 95% on the difference of R@60 between two such trainings, from a sweep's trials of several seeds.

    1.96 sqrt(2) s, where s is the spread over seeds, pooled over trials: what a sweep keeps of it is Student's interval
    over seeds, from which s follows.

    Raises:
        LookupError: no trial was trained with several seeds.
    """
    rows = pq.read_table(sweep.path("measures.parquet"))
    rows = rows.filter(
        (pc.field("measure") == MEASURE)
        & (pc.field("slice") == "all")
        & (pc.field("seeds") > 1)
        & pc.field("stage").isin(["in_batch", "star"])
    )
    if not rows.num_rows:
        raise LookupError(
            f"{sweep.partition}: no trial of several seeds; expected one at least: python -m jobs sweep --seeds 3"
        )
    seeds = numbers(rows, "seeds")
    half = (numbers(rows, "seeds_high") - numbers(rows, "seeds_low")) / 2
    spread = half * seeds**0.5 / stats.t.ppf((1 + LEVEL) / 2, seeds - 1)
    pooled = float(((seeds - 1) * spread**2).sum() / (seeds - 1).sum()) ** 0.5
    return float(stats.norm.ppf((1 + LEVEL) / 2) * 2**0.5 * pooled)
