"""The shop of a simulated day, as the lake has it: queries, judgements, and the titles of the engine's items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq

from jobs.lake import storage as store
from jobs.lake.read import Pinned, read_table
from jobs.platform.csv_text import CsvError, csv_header, read_csv
from models.simulator.arrays import Floats, Ints, Words
from models.simulator.identities import json_safe


@dataclass(frozen=True)
class Shop:
    """texts [Q]: queries as typed; titles, item_ids, safe_ids (JSON) [N] of the engine's items.

    judged: (query, item, relevance) as three arrays; scale: lowest and highest relevance of all labels.
    """

    texts: Words
    titles: Words
    item_ids: Words
    safe_ids: Words
    judged: tuple[Ints, Ints, Floats]
    scale: tuple[float, float]
    facts: dict[str, int]


def read_shop(catalogue: Pinned, labels: Pinned, engine_items: int, seed: int) -> Shop:
    """Read the queries that people may type and the items that they may see; queries with a `test` label are left out.

    Raises:
        LookupError: no query is left, or no judged item is in the catalogue.
    """
    judged = read_table(labels, ["query", "item_id", "relevance", "split"]).to_pandas()
    held_out = judged.loc[judged["split"] == "test", "query"].unique()
    typed = judged[~judged["query"].isin(held_out)]
    items = delivered_columns(catalogue, ["item_id", "title"]).to_pandas()
    items = _engine_items(items, typed["item_id"], engine_items, seed)
    rows = pd.Index(items["item_id"]).get_indexer(pd.Index(typed["item_id"]))
    if not (rows >= 0).any():
        raise LookupError(
            f"{labels.partition}: of {len(typed):,} judgements that may be typed, none is of an item of "
            f"{catalogue.partition}; are both of one shop, and is there a split other than test?"
        )
    query, texts = pd.factorize(typed["query"])
    known = rows >= 0
    ids = items["item_id"].to_numpy(dtype=object)
    return Shop(
        texts=np.asarray(texts, dtype=object),
        titles=items["title"].to_numpy(dtype=object),
        item_ids=ids,
        safe_ids=json_safe(ids),
        judged=(query[known], rows[known], typed["relevance"].to_numpy(np.float64)[known]),
        scale=(float(judged["relevance"].min()), float(judged["relevance"].max())),
        facts={
            "queries_typed": len(texts),
            "queries_held_out": len(held_out),
            "judgements_without_item": int((~known).sum()),
            "engine_items": len(items),
        },
    )


def _engine_items(items: pd.DataFrame, judged: pd.Series[str], limit: int, seed: int) -> pd.DataFrame:
    """The judged items, and a seeded sample of the rest up to the limit, in the catalogue's order."""
    items = items.drop_duplicates("item_id")
    if len(items) <= limit:
        return items
    needed = items["item_id"].isin(judged).to_numpy()
    others = np.flatnonzero(~needed)
    room = max(0, limit - int(needed.sum()))
    sample = np.random.default_rng(seed).choice(others, min(room, len(others)), replace=False)
    return items.iloc[np.sort(np.concatenate([np.flatnonzero(needed), sample]))]


def delivered_columns(pinned: Pinned, columns: Sequence[str]) -> pa.Table:
    """The named columns of all files as strings, rows without a value in any of them left out.

    `jobs.ingest.items` accounts for every row of a catalogue; here a look is enough.

    Raises:
        LookupError: a file without one of the columns.
        ValueError: a file that is no Parquet, CSV or NDJSON.
    """
    tables = [_read(uri, columns, pinned) for uri in pinned.files()]
    return pa.concat_tables(tables).drop_null()


def _read(uri: str, columns: Sequence[str], pinned: Pinned) -> pa.Table:
    system, path = store.filesystem(uri)
    name = uri.rsplit("/", 1)[-1].lower()
    wanted = pa.schema([pa.field(column, pa.string()) for column in columns])
    try:
        if name.endswith(".parquet"):
            rows = pq.read_table(path, columns=list(columns), filesystem=system)
        elif name.endswith((".csv", ".csv.gz")):
            header = csv_header(uri)
            header.require(columns)
            rows = read_csv(uri, header, dict.fromkeys(columns, pa.string()), lambda _: "skip")
        elif name.endswith((".ndjson", ".ndjson.gz", ".json", ".json.gz")):
            with system.open_input_stream(path) as stream:
                options = pyarrow.json.ParseOptions(explicit_schema=wanted, unexpected_field_behavior="ignore")
                rows = pyarrow.json.read_json(cast(BinaryIO, stream), parse_options=options)
        else:
            raise ValueError(f"{pinned.partition}: {name} is no Parquet, CSV or NDJSON file")
        return rows.select(list(columns)).cast(wanted)
    except KeyError as error:
        raise LookupError(f"{pinned.partition}: {name} has no column {error}") from error
    except CsvError as error:
        raise ValueError(f"{pinned.partition}: {name}: {error}") from error
