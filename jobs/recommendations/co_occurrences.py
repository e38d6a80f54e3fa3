"""Items of sessions -> pairs of items of one session.

python -m jobs co_occurrences --session_items session_items/ds=2026-01-31 --co_occurrences co_occurrences/ds=2026-01-31
"""

from __future__ import annotations

from typing import Annotated

from annotated_types import Interval

from jobs.lake.partitions import Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin
from jobs.platform.arguments import FIRST, CommandArgs, NonNegativeFloat, PositiveInt
from jobs.platform.row_counts import published
from jobs.platform.spark import read_spark, run_sql, spark_session

BYTES_PER_FILE = 1 << 28


class Args(CommandArgs):
    """session_items   items of the sessions of a window
    co_occurrences  output; replaced
    max_gap         places apart up to which one item counts as following another, by 1 / places
    min_voices      clients that a pair needs
    max_others      pairs kept per item: a pair stays where it is among the best of either item
    half_life_days  age in days at which a session counts half; 0: all count the same
    """

    session_items: Partition
    co_occurrences: Partition
    max_gap: Annotated[int, Interval(ge=1, le=100), FIRST] = 10
    min_voices: Annotated[PositiveInt, FIRST] = 1
    max_others: PositiveInt = 500
    half_life_days: Annotated[NonNegativeFloat, FIRST] = 0.0


def main(args: Args) -> dict[str, str | int]:
    """Count pairs: forward, backward and together, one voice per client."""
    items = pin(args.session_items)
    settings = {name: getattr(args, name) for name in ("max_gap", "min_voices", "max_others", "half_life_days")}
    with spark_session("co_occurrences", [items]) as spark, publish(args.co_occurrences, args, [items]) as out:
        pairs = run_sql(
            "co_occurrences", {**settings, "ds": items.partition.ds}, session_items=read_spark(spark, items)
        )
        files = 1 + sum(entry.bytes for entry in items.entries()) // BYTES_PER_FILE
        out.write_spark(pairs, by=("item_id", "other_id"), files=files)
    return published(out)
