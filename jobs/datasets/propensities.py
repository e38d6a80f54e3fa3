"""Click counts of a window -> P(examined) by position.

python -m jobs propensities --click_counts click_counts/ds=2026-01-31 --propensities propensities/ds=2026-01-31

Estimated from pairs that stood at several positions (models.clicks.propensity); where a shop's log has too few of them, by the
law of `eta`, and the facts say so.
"""

from __future__ import annotations

import logging
from typing import Annotated

import numpy as np
import pyarrow as pa
from annotated_types import Ge

from jobs.lake.attempt import Attempt
from jobs.lake.partitions import Partition
from jobs.lake.publish import publish
from jobs.lake.windows import Window, first_day, window
from jobs.platform.arguments import CommandArgs, NonNegativeFloat, PositiveInt, WindowDays
from jobs.platform.row_counts import published
from jobs.platform.spark import spark_session, sql_text
from models.clicks.propensity import Propensities, estimate

log = logging.getLogger(__name__)
# the sample of pairs goes by four hexadecimal digits of their hash
HEX_STEPS = 0x10000


class Args(CommandArgs):
    """click_counts   last day of the window
    propensities   output; replaced
    window_days    days of click_counts, the last one included; days that are not published are left out
    positions      positions that are estimated one by one; deeper ones count as the last
    sample_clicks  clicks used for the estimate at most, of a sample of pairs by hash: bounds memory
    eta            0: estimate; above 0: no estimate, P(examined) = 1 / position ** eta
    fallback_eta   eta where there are too few clicks for an estimate
    """

    click_counts: Partition
    propensities: Partition
    window_days: WindowDays = 28
    positions: Annotated[int, Ge(2)] = 100
    sample_clicks: PositiveInt = 500_000
    eta: NonNegativeFloat = 0.0
    fallback_eta: NonNegativeFloat = 1.0


def main(args: Args) -> dict[str, str | int]:
    """Collect a sample of what was shown where, estimate, write one row per position."""
    days = window(args.click_counts, args.window_days)
    with publish(args.propensities, args, days.days) as out:
        found = None if args.eta else _estimate(args, out, days)
        eta = args.eta or args.fallback_eta
        out.write_table(_by_law(args.positions, eta) if found is None else _rows(found))
        out.facts |= {
            "window": days.facts,
            "method": "law" if found is None else "conditional",
            "eta": eta if found is None else round(found.eta, 4),
        }
    return published(out)


def sample(clicks: int, sample_clicks: int) -> tuple[float, str]:
    """What share of the pairs is looked at, and the four digits that their hashes must stay below."""
    share = min(1.0, sample_clicks / max(1, clicks))
    return share, f"{int(share * HEX_STEPS):04x}" if share < 1 else "g"


def _estimate(args: Args, out: Attempt, days: Window) -> Propensities | None:
    clicks = sum(int(pinned.facts.get("clicks", 0)) for pinned in days.days)
    share, below = sample(clicks, args.sample_clicks)
    settings = {
        "first_day": first_day(args.click_counts.ds, args.window_days),
        "max_position": args.positions,
        "sample_below": below,
    }
    with spark_session("propensities", days.days) as spark:
        days.read(spark).createOrReplaceTempView("click_counts")
        rows = spark.sql(sql_text("examined"), args=settings).toArrow()
    out.facts |= {"sample_frac": round(share, 6), "exposures": rows.num_rows}
    columns = [rows[name].to_numpy().astype(np.int64) for name in ("position", "impressions", "clicks")]
    positions, impressions, clicked = columns
    try:
        return estimate(_numbers(rows), positions, impressions, clicked, args.positions)
    except ValueError as error:
        log.warning("%s: %s; the law of eta=%g stands in", args.propensities, error, args.fallback_eta)
        out.facts["no_estimate"] = str(error)
        return None


def _numbers(rows: pa.Table) -> np.ndarray:
    """One number for each (query_id, item_id), from 0."""
    query, item = (rows[name].combine_chunks().dictionary_encode() for name in ("query_id", "item_id"))
    codes = query.indices.to_numpy().astype(np.int64) * len(item.dictionary) + item.indices.to_numpy()
    return np.unique(codes, return_inverse=True)[1]


def _rows(found: Propensities) -> pa.Table:
    return pa.Table.from_pydict(
        {
            "position": np.arange(1, len(found.propensity) + 1, dtype=np.int32),
            "propensity": found.propensity,
            "impressions": found.impressions,
            "clicks": found.clicks,
            "error": pa.array(found.error, mask=np.isnan(found.error)),
        }
    )


def _by_law(positions: int, eta: float) -> pa.Table:
    place = np.arange(1, positions + 1)
    nothing = np.zeros(positions, np.int64)
    error = pa.nulls(positions, pa.float64())
    return pa.Table.from_pydict(
        {
            "position": place.astype(np.int32),
            "propensity": place ** -float(eta),
            "impressions": nothing,
            "clicks": nothing,
            "error": error,
        }
    )
