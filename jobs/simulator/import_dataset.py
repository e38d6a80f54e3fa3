"""Labelled search data set -> catalogue and labels.

python -m jobs labelled --folder data/homedepot --catalogue catalogue/ds=2026-01-31 --labels labels/ds=2026-01-31

The file names tell the layout: items.csv + relevance.csv (item_id, title; query, item_id, relevance and
perhaps split), the Amazon ESCI Parquet files (E, S, C, I become 3, 2, 1, 0), the Wayfair WANDS files (Exact,
Partial, Irrelevant become 2, 1, 0), or BEIR's folder (corpus.jsonl, queries.jsonl, qrels/train.tsv, dev.tsv, test.tsv).
A split is kept: its test queries are used for the final judgement alone.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from annotated_types import Ge

from jobs.lake.attempt import Attempt
from jobs.lake.partitions import Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin
from jobs.platform.arguments import FIRST, CommandArgs, NonNegativeFloat, OneOf
from jobs.platform.spark_udfs import ABSENT, clean_ids, clean_values
from jobs.simulator.dataset_layouts import OPTIONAL, DatasetRows, cleaned, detect
from models.text.normalise import normalise_query

log = logging.getLogger(__name__)
SPLITS = {"": None, "train": "train", "dev": "dev", "test": "test", "validation": "dev", "val": "dev"}
STRICTNESS = {"train": 0, "dev": 1, "test": 2}


class Args(CommandArgs):
    """folder         where the files are
    catalogue      output: the items; replaced
    labels         output: the judgements; replaced
    locale         locale of a data set that holds several (ESCI: us, jp, es)
    splits         keep: those of the data set; auto: by a hash of the query's text where all of it is test, as in most
                   sets of BEIR, of which nothing could be trained
    min_relevance  relevance from which an item counts; 0: the upper third of the grades, BEIR: 1
    zero_gain      relevance that gains nothing in nDCG; -1: the lowest grade, or 0 where that is lower, BEIR: 0
    """

    folder: str
    catalogue: Partition
    labels: Partition
    locale: str = "us"
    splits: Annotated[str, OneOf("keep", "auto")] = "keep"
    min_relevance: Annotated[NonNegativeFloat, FIRST] = 0.0
    zero_gain: Annotated[float, Ge(-1), FIRST] = -1.0

    def __post_init__(self) -> None:
        if self.min_relevance and self.zero_gain >= self.min_relevance:
            raise ValueError(
                f"zero_gain={self.zero_gain}, min_relevance={self.min_relevance}: an item that counts must gain something"
            )

    def scale(self, lowest: float, highest: float, from_one: bool) -> tuple[float, float]:
        """min_relevance and zero_gain of grades from lowest to highest.

        Raises:
            ValueError: no grade counts as relevant.
        """
        # a grade below 0 (junk, as in TREC) is no better than 0
        bottom = max(lowest, 0.0) if lowest < highest and not from_one else 0.0
        zero = self.zero_gain if self.zero_gain >= 0 else bottom
        third = 1.0 if from_one else round(bottom + (highest - bottom) * 2 / 3, 2)
        least_relevant = self.min_relevance or (third if lowest < highest else highest)
        if not zero < least_relevant <= highest + 1e-6:
            raise ValueError(
                f"{self.folder}: grades from {lowest:g} to {highest:g}, of which those from {least_relevant:g} on count as"
                f" relevant and {zero:g} gains nothing: none would; give --min_relevance and --zero_gain on this scale"
            )
        return least_relevant, zero


def main(args: Args) -> dict[str, object]:
    """Read, check, and write both; what is rejected is counted by reason and kept in quarantine."""
    layout, paths = detect(Path(args.folder))
    items, judged = layout.read(paths, args.locale)
    _check_items(items, args.folder)
    facts = {"layout": layout.name} | _check_judged(judged, items, args, layout.from_one)
    log.info("%s: %s", args.labels, facts["assumed"])
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
        item_id=cleaned(items.frame["item_id"], clean_ids), title=cleaned(items.frame["title"], clean_values)
    )
    items.require(["item_id", "title"])
    items.reject(items.frame["item_id"].duplicated(), "duplicate_item")
    columns = ["item_id", "title", *(name for name in OPTIONAL if name in items.frame)]
    items.frame = items.frame[columns]
    if items.frame.empty:
        raise ValueError(f"{folder}: of {items.rows_in:,} items none is usable: {dict(items.dropped)}")


def _check_judged(judged: DatasetRows, items: DatasetRows, args: Args, from_one: bool) -> dict[str, object]:
    """Reject what cannot be used; return the facts of the labels."""
    judged.require(["query", "item_id", "relevance"])
    judged.frame = judged.frame.assign(
        item_id=cleaned(judged.frame["item_id"], clean_ids),
        value=pd.to_numeric(judged.frame["relevance"], errors="coerce"),
        side=judged.frame["split"].str.strip().str.lower().map(SPLITS),
    )
    judged.reject(~judged.frame["value"].abs().lt(float("inf")), "bad_relevance")
    known = judged.frame["split"].str.strip().str.lower().isin(list(SPLITS))
    judged.reject(~known, "bad_split")
    judged.reject(~judged.frame["item_id"].isin(items.frame["item_id"]), "unknown_item")
    keys = {text: normalise_query(text) for text in judged.frame["query"].unique()}
    judged.frame = judged.frame.assign(key=judged.frame["query"].map(keys))
    judged.reject(judged.frame["key"].isin(ABSENT), "no_query")
    # other spellings of one query stay: `qrels` takes the mean of their judgements
    judged.reject(judged.frame.duplicated(["query", "item_id"]), "duplicate_judgement")
    if judged.frame.empty:
        raise ValueError(f"{args.folder}: of {judged.rows_in:,} judgements none is usable: {dict(judged.dropped)}")
    moved = _one_side(judged)
    hashed = args.splits == "auto" and bool((judged.frame["side"] == "test").all())
    if hashed:
        judged.frame = judged.frame.assign(side=None)
    low, high = float(judged.frame["value"].min()), float(judged.frame["value"].max())
    min_relevance, zero_gain = args.scale(low, high, from_one)
    return {
        "queries": judged.frame["key"].nunique(),
        "queries_of_several_splits": moved,
        "relevance_min": low,
        "relevance_max": high,
        # unless a report has its own
        "min_relevance": min_relevance,
        "zero_gain": zero_gain,
        "assumed": (
            f"grades from {low:g} to {high:g}: from {min_relevance:g} on an item counts as relevant, {zero_gain:g} and"
            " below gain nothing in nDCG; other grades: --min_relevance, --zero_gain"
            f"{'; all of it was test: the split is a hash of the text' if hashed else ''}"
        ),
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
