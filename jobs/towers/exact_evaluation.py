"""Towers -> recall and other measures, by exact search.

python -m jobs tower_metrics --towers towers/ds=2026-01-31/step=star --items items/ds=2026-01-31 \\
    --queries queries/ds=2026-01-31 --qrels qrels/ds=2026-01-31 \\
    --tower_metrics tower_metrics/ds=2026-01-31/space=7f3a5c1e9b2d4a60

What an index adds or loses is the business of jobs.evaluation.rankings and jobs.evaluation.report.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import numpy as np
import pyarrow.parquet as pq
import torch
from annotated_types import Ge
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from jobs.bundle.tower_files import load_towers
from jobs.lake.arrow import table_of
from jobs.lake.attempt import Attempt
from jobs.lake.partitions import Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin
from jobs.platform.arguments import CommandArgs, NonNegativeInt, OneOf
from jobs.platform.tracking import MlflowRun, mlflow_run
from jobs.towers.exact_search import Questions, judge_exactly, read_catalogue, read_questions, slices_of
from models.evaluation.intervals import Interval, mean_intervals
from models.evaluation.measures import Measured
from models.evaluation.query_slices import named
from models.towers.space_id import space_id

HEADLINE = ("R@60", "RR@60", "R@10", "RR@10", "R@60 judged", "RR@60 judged")
Slices = dict[str, NDArray[np.bool_]]


class Args(CommandArgs):
    """towers         the towers to evaluate
    items          the whole catalogue, searched exactly
    queries        their texts and segments
    qrels          judgements; the queries searched are those judged in `split`
    tower_metrics  output; its key space is the space id of `towers`
    split          test, or dev while settings are still being chosen, or both as dev,test
    min_relevance  relevance from which a judged item counts as relevant; 0: as the judgements' own scale says,
                   and so for zero_gain
    zero_gain      relevance that gains nothing in nDCG
    resamples      of the bootstrap behind the 95% intervals
    seed           of the bootstrap
    """

    towers: Partition
    items: Partition
    queries: Partition
    qrels: Partition
    tower_metrics: Partition
    split: Annotated[str, OneOf("test", "dev", "dev,test", "test,dev")] = "test"
    min_relevance: float = 0.0
    zero_gain: float = 0.0
    resamples: Annotated[int, Ge(100)] = 2_000
    seed: NonNegativeInt = 0


def main(args: Args) -> dict[str, Any]:
    """Search, measure, publish."""
    inputs = [pin(one) for one in (args.towers, args.items, args.queries, args.qrels)]
    with mlflow_run("tower_metrics", args, inputs) as tracked, publish(args.tower_metrics, args, inputs) as out:
        out.mlflow_run_id = tracked.id
        towers = load_towers(inputs[0])
        if (space := space_id(towers)) != args.tower_metrics.values["space"]:
            raise ValueError(
                f"{args.tower_metrics}: {args.towers} has space id {space}; write to {args.tower_metrics.having(space=space)}"
            )
        towers.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        catalogue = read_catalogue(inputs[1])
        splits = args.split.split(",")
        asked = read_questions(inputs[2], inputs[3], splits, args.min_relevance, args.zero_gain)
        found = judge_exactly(towers, asked, catalogue)
        columns = slices_of(asked, catalogue)
        _write(out, asked, found, columns)
        told = {split: _told(args, found, asked.splits == split, dict(named(columns))) for split in splits}
        out.facts.update(space_id=space, items=len(catalogue.ids), splits=told)
        _log(tracked, told)
    _show(args, told)
    first = {name: round(told[splits[0]]["all"][name][0], 5) for name in HEADLINE}
    return {"tower_metrics": str(args.tower_metrics), "split": splits[0], **first}


def _write(out: Attempt, asked: Questions, found: Measured, columns: dict[str, Any]) -> None:
    """One row per query: its slices, and every measure under its own name."""
    values = {name: found.column(name) for name in found.names}
    table = table_of({"query_id": found.query_ids, "split": asked.splits, **columns, **values})
    pq.write_table(table, out.folder / "measures.parquet", compression="zstd", write_page_checksum=True)
    left_out = asked.judgements.queries_without_relevant
    kept = len(found.query_ids)
    out.count("judged queries", kept + left_out, kept, {"no relevant item": left_out})


def _told(args: Args, found: Measured, rows: NDArray[np.bool_], slices: Slices) -> dict[str, Any]:
    """Slice -> queries, and measure -> (mean, low, high); a slice without a query is left out."""
    told: dict[str, Any] = {}
    for name, chosen in {"all": np.ones_like(rows), **slices}.items():
        if both := int((rows & chosen).sum()):
            values = found.values[rows & chosen]
            spans = mean_intervals(values, args.seed, args.resamples)
            told[name] = {"queries": both, **dict(zip(found.names, spans, strict=True))}
    return told


def _log(tracked: MlflowRun, told: dict[str, Any]) -> None:
    for split, slices in told.items():
        for name, found in slices.items():
            where = f"{split}/" if name == "all" else f"{split}/{name.replace('+', '')}/"
            tracked.measures({f"{where}{one}": found[one][0] for one in HEADLINE})


def _show(args: Args, told: dict[str, Any]) -> None:
    """The table that a person reads; standard output keeps the JSON line alone."""
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 130)
    for split, slices in told.items():
        table = Table(title=f"{args.towers}, {split}: exact search, 95% intervals", title_justify="left")
        table.add_column("queries of")
        table.add_column("n", justify="right")
        for name in HEADLINE:
            table.add_column(name, justify="right")
        for name, found in slices.items():
            cells = [_cell(Interval(*found[one])) for one in HEADLINE]
            table.add_row(name, f"{found['queries']:,}", *cells, end_section=name == "all")
        console.print(table)


def _cell(found: Interval) -> str:
    return f"{found.value:.3f} ±{(found.high - found.low) / 2:.3f}"
