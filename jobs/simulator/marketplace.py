"""Generate a synthetic Polish shop: catalogue and labels.

python -m jobs marketplace --catalogue catalogue/ds=2026-01-31 --labels labels/ds=2026-01-31 --items 20000

The day decides what is new, changed and ended: any day can be made alone. Both partitions say that they are simulated.
Relevance: 3 all that is asked for, 2 one minor trait missing, 1 same type or theme only, 0 else (models.simulator.marketplace).
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.lake.arrow_schema import arrow_schema
from jobs.lake.attempt import Attempt
from jobs.lake.partitions import LABELS, NOWHERE, Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin
from jobs.platform.arguments import CommandArgs, NonNegativeInt, PositiveInt
from jobs.platform.progress import progress
from models.simulator.arrays import as_words
from models.simulator.marketplace import Demand, Offers, chunks, demand, offers
from models.simulator.marketplace.relevance import RELEVANT

SCHEMA = pa.schema(
    {
        "item_id": pa.string(),
        "title": pa.string(),
        "category": pa.string(),
        "brand": pa.string(),
        "attributes": pa.map_(pa.string(), pa.string()),
        "price": pa.float64(),
        "group_id": pa.string(),
    }
)


class Args(CommandArgs):
    """catalogue     output: the day's items; replaced
    labels        output: the day's queries and judged items; empty: no labels are made
    items         size of the shop, the same every day
    queries       distinct queries of the day; fewer where the shop is too small to answer them
    relevant_cap  judged items of relevance 2 and 3 per query; a broader query has a seeded sample
                  of this size (the facts count such queries)
    partial_cap   judged items of relevance 1 per query, sampled
    zeros         random items per query that are labelled 0 where they do not answer it
    seed          another seed is another shop
    """

    catalogue: Partition
    labels: Partition = NOWHERE
    items: PositiveInt = 20_000
    queries: PositiveInt = 3_000
    relevant_cap: PositiveInt = 60
    partial_cap: NonNegativeInt = 20
    zeros: NonNegativeInt = 5
    seed: NonNegativeInt = 7

    def __post_init__(self) -> None:
        if self.labels and self.labels.ds != self.catalogue.ds:
            raise ValueError(f"{self.labels} judges another day than {self.catalogue} offers")


def main(args: Args) -> dict[str, object]:
    """Write the catalogue in chunks, then the labels against the same day."""
    day = date.fromisoformat(args.catalogue.ds).toordinal()
    with publish(args.catalogue, args) as out:
        out.simulated = True
        _write_catalogue(out, args, day)
    if not args.labels:
        return {"catalogue": str(args.catalogue), "items": args.items}
    made = demand(args.seed, args.items, day, args.queries, args.relevant_cap, args.partial_cap, args.zeros)
    with publish(args.labels, args, inputs=[pin(args.catalogue, even_stopped=True)]) as out:
        out.simulated = True
        out.write_table(_labels(made))
        out.facts |= _facts(made, args)
    return {"catalogue": str(args.catalogue), "labels": str(args.labels), **_facts(made, args)}


def _write_catalogue(out: Attempt, args: Args, day: int) -> None:
    out.facts |= {"seed": args.seed, "items": args.items, "generator": "models.simulator.marketplace"}
    path = out.folder / "items.parquet"
    with (
        pq.ParquetWriter(path, SCHEMA, compression="zstd", write_page_checksum=True) as file,
        progress("marketplace", args.items, "items") as advance,
    ):
        for slots in chunks(args.items):
            file.write_table(_items(offers(args.seed, slots, day)), row_group_size=len(slots))
            advance(len(slots))


def _items(made: Offers) -> pa.Table:
    offsets = pa.array(made.offsets, pa.int32())
    keys, values = pa.array(made.keys, pa.string()), pa.array(made.values, pa.string())
    return pa.Table.from_pydict(
        {
            "item_id": made.item_ids,
            "title": made.titles,
            "category": made.categories,
            "brand": made.brands,
            # the stubs ask for 64-bit offsets; the class takes 32-bit ones only
            "attributes": pa.MapArray.from_arrays(offsets, keys, values),  # type: ignore[call-overload]
            "price": made.prices,
            "group_id": made.group_ids,
        },
        schema=SCHEMA,
    )


def _labels(made: Demand) -> pa.Table:
    judged = made.judgements
    return pa.Table.from_pydict(
        {
            "query": made.texts[judged.queries],
            "item_id": as_words(judged.items),
            "relevance": judged.grades.astype(np.float64),
            "split": pa.nulls(len(judged.queries), pa.string()),  # left to the query's hash
        },
        schema=arrow_schema(LABELS),
    )


def _facts(made: Demand, args: Args) -> dict[str, object]:
    judged = made.judgements
    return {
        "queries": len(made.texts),
        "judgements": len(judged.queries),
        "relevance_counts": {str(grade): int((judged.grades == grade).sum()) for grade in range(4)},
        "min_relevance": float(RELEVANT),
        "zero_gain": 0.0,
        "true_relevant": int(judged.relevant.sum()),
        "true_relevant_median": float(np.median(judged.relevant)) if len(made.texts) else 0.0,
        "queries_capped": int((judged.relevant > args.relevant_cap).sum()),
    }
