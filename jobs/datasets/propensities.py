"""Click counts of a window -> P(examined) by position.

python -m jobs propensities --click_counts click_counts/ds=2026-01-31 --propensities propensities/ds=2026-01-31

Estimated from pairs that were shown at several positions (models.clicks.propensity). If the log has too few of them,
the power law of `fallback_eta` is used, and the manifest's facts name the method.
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
from jobs.platform.spark import run_sql, spark_session
from models.clicks.propensity import Propensities, estimate

log = logging.getLogger(__name__)
# pairs are sampled by the first four hexadecimal digits of their hash
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
    """Sample pairs, estimate the propensities, write one row per position."""
    days = window(args.click_counts, args.window_days)
    with publish(args.propensities, args, days.days) as out:
        estimated = None if args.eta else _estimate(args, out, days)
        eta = args.eta or args.fallback_eta
        out.write_table(_power_law(args.positions, eta) if estimated is None else _rows(estimated))
        out.facts |= {
            "window": days.facts,
            "method": "law" if estimated is None else "conditional",
            "eta": eta if estimated is None else round(estimated.eta, 4),
        }
    return published(out)


def sample(clicks: int, sample_clicks: int) -> tuple[float, str]:
    """Share of the pairs to sample, and the hexadecimal digits that their hashes must be below."""
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
        rows = run_sql("examined", settings, click_counts=days.read(spark)).toArrow()
    out.facts |= {"sample_frac": round(share, 6), "exposures": rows.num_rows}
    columns = [rows[name].to_numpy().astype(np.int64) for name in ("position", "impressions", "clicks")]
    positions, impressions, clicked = columns
    try:
        return estimate(_pair_numbers(rows), positions, impressions, clicked, args.positions)
    except ValueError as error:
        log.warning("%s: %s; using the power law with eta=%g", args.propensities, error, args.fallback_eta)
        out.facts["no_estimate"] = str(error)
        return None


def _pair_numbers(rows: pa.Table) -> np.ndarray:
    """Number of the (query_id, item_id) of each row, from 0."""
    query, item = (rows[name].combine_chunks().dictionary_encode() for name in ("query_id", "item_id"))
    codes = query.indices.to_numpy().astype(np.int64) * len(item.dictionary) + item.indices.to_numpy()
    return np.unique(codes, return_inverse=True)[1]


def _rows(estimated: Propensities) -> pa.Table:
    return pa.Table.from_pydict(
        {
            "position": np.arange(1, len(estimated.propensity) + 1, dtype=np.int32),
            "propensity": estimated.propensity,
            "impressions": estimated.impressions,
            "clicks": estimated.clicks,
            "error": pa.array(estimated.error, mask=np.isnan(estimated.error)),
        }
    )


def _power_law(last_position: int, eta: float) -> pa.Table:
    positions = np.arange(1, last_position + 1)
    zeros = np.zeros(last_position, np.int64)
    return pa.Table.from_pydict(
        {
            "position": positions.astype(np.int32),
            "propensity": positions ** -float(eta),
            "impressions": zeros,
            "clicks": zeros,
            "error": pa.nulls(last_position, pa.float64()),
        }
    )
