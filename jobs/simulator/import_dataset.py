"""Labelled search data set -> catalogue and labels.

python -m jobs labelled --folder data/homedepot --catalogue catalogue/ds=2026-01-31 --labels labels/ds=2026-01-31

The file names tell the layout: items.csv + relevance.csv (item_id, title; query, item_id, relevance and
perhaps split), the Amazon ESCI Parquet files (E, S, C, I become 3, 2, 1, 0), or the Wayfair WANDS files (Exact,
Partial, Irrelevant become 2, 1, 0). A split column is kept: its test queries are used for the final judgement alone.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.lake.attempt import Attempt
from jobs.lake.partitions import Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin
from jobs.platform.arguments import CommandArgs
from jobs.platform.spark_udfs import TextFunction, clean_ids, clean_texts
from jobs.simulator.dataset_layouts import OPTIONAL, DatasetRows, detect
from models.text.normalise import normalise_query

SPLITS = {"": None, "train": "train", "dev": "dev", "test": "test", "validation": "dev", "val": "dev"}
STRICTNESS = {"train": 0, "dev": 1, "test": 2}


class Args(CommandArgs):
    """folder     where the files are
    catalogue  output: the items; replaced
    labels     output: the judgements; replaced
    locale     locale of a data set that holds several (ESCI: us, jp, es)
    """

    folder: str
    catalogue: Partition
    labels: Partition
    locale: str = "us"


def main(args: Args) -> dict[str, object]:
    """Read, check, and write both; what is rejected is counted by reason and kept in quarantine."""
    layout, paths = detect(Path(args.folder))
    items, judged = layout.read(paths, args.locale)
    _check_items(items, args.folder)
    facts = {"layout": layout.name} | _check_judged(judged, items, args.folder)
    with publish(args.catalogue, args) as out:
        table = pa.Table.from_pandas(items.frame, preserve_index=False)
        pq.write_table(table, out.folder / "items.parquet", compression="zstd")
        _account(out, items, "items")
        out.facts["layout"] = layout.name
    with publish(args.labels, args, inputs=[pin(args.catalogue, even_stopped=True)]) as out:
        out.write_table(_labels(judged.frame))
        _account(out, judged, "judgements")
        out.facts |= facts
    return {
        "catalogue": str(args.catalogue),
        "labels": str(args.labels),
        "items": len(items.frame),
        "judgements": len(judged.frame),
        **facts,
        "dropped": dict(items.dropped + judged.dropped),
    }


def _check_items(items: DatasetRows, folder: str) -> None:
    # as `items` will clean them, so that the judgements meet the items
    items.frame = items.frame.assign(
        item_id=_cleaned(items.frame["item_id"], clean_ids), title=_cleaned(items.frame["title"], clean_texts)
    )
    items.require(["item_id", "title"])
    items.reject(items.frame["item_id"].duplicated(), "duplicate_item")
    columns = ["item_id", "title", *(name for name in OPTIONAL if name in items.frame)]
    items.frame = items.frame[columns]
    if items.frame.empty:
        raise ValueError(f"{folder}: of {items.rows_in:,} items none is usable: {dict(items.dropped)}")


def _cleaned(texts: pd.Series[str], clean: TextFunction) -> pd.Series[str]:
    return pd.Series(clean(pa.array(texts, pa.string())).to_numpy(zero_copy_only=False), index=texts.index)


def _check_judged(judged: DatasetRows, items: DatasetRows, folder: str) -> dict[str, object]:
    """Reject what cannot be used; return the facts of the labels."""
    judged.require(["query", "item_id", "relevance"])
    judged.frame = judged.frame.assign(
        item_id=_cleaned(judged.frame["item_id"], clean_ids),
        value=pd.to_numeric(judged.frame["relevance"], errors="coerce"),
        side=judged.frame["split"].str.strip().str.lower().map(SPLITS),
    )
    judged.reject(~judged.frame["value"].abs().lt(float("inf")), "bad_relevance")
    known = judged.frame["split"].str.strip().str.lower().isin(list(SPLITS))
    judged.reject(~known, "bad_split")
    judged.reject(~judged.frame["item_id"].isin(items.frame["item_id"]), "unknown_item")
    keys = {text: normalise_query(text) for text in judged.frame["query"].unique()}
    judged.frame = judged.frame.assign(key=judged.frame["query"].map(keys))
    judged.reject(judged.frame["key"] == "", "no_query")
    # other spellings of one query stay: `qrels` takes the mean of their judgements
    judged.reject(judged.frame.duplicated(["query", "item_id"]), "duplicate_judgement")
    if judged.frame.empty:
        raise ValueError(f"{folder}: of {judged.rows_in:,} judgements none is usable: {dict(judged.dropped)}")
    moved = _one_side(judged)
    low, high = float(judged.frame["value"].min()), float(judged.frame["value"].max())
    return {
        "queries": judged.frame["key"].nunique(),
        "queries_of_several_splits": moved,
        "relevance_min": low,
        "relevance_max": high,
        # relevance from which an item counts, unless a report has its own: the upper third of the scale
        "min_relevance": round(low + (high - low) * 2 / 3, 2),
        "zero_gain": low if low < high else 0.0,
        "splits": {str(k): int(n) for k, n in judged.frame["side"].value_counts().items()},
    }


def _one_side(judged: DatasetRows) -> int:
    """Put each query wholly on its strictest side, test before dev before train; count those of several."""
    rank = judged.frame["side"].map(STRICTNESS).fillna(-1)
    by_query = rank.groupby(judged.frame["key"])
    several = by_query.nunique() > 1
    names: dict[float, str] = {float(number): side for side, number in STRICTNESS.items()}
    judged.frame = judged.frame.assign(side=by_query.transform("max").map(names))
    return int(several.sum())


def _labels(judged: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pydict(
        {
            "query": pa.array(judged["query"], pa.string()),
            "item_id": pa.array(judged["item_id"], pa.string()),
            "relevance": pa.array(judged["value"], pa.float64()),
            "split": pa.array(judged["side"].astype(object), pa.string(), from_pandas=True),
        }
    )


def _account(out: Attempt, rows: DatasetRows, unit: str) -> None:
    out.count(unit, rows.rows_in, len(rows.frame), dict(rows.dropped))
    if rows.rejects:
        folder = out.folder / "quarantine"
        folder.mkdir(exist_ok=True)
        (folder / f"{unit}.ndjson").write_text("\n".join(rows.rejects) + "\n", "utf-8")
