"""Compare two reports: which arms and segments differ.

python -m jobs compare --before report/ds=2026-01-30/space=7f3a5c1e9b2d4a60 \\
    --after report/ds=2026-01-31/space=0c9be2d4f1a86375 --page compare.html

Both must have judged the same queries by the same judgements: means over others are not compared, however near.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from annotated_types import Ge
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jobs.evaluation.comparisons import Comparison, compare_values
from jobs.evaluation.measures import arms_in
from jobs.evaluation.room import SEARCH
from jobs.lake.arrow import Rows, Strings, find, large, numbers, where
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned, pin
from jobs.platform.arguments import CommandArgs, NonNegativeInt
from jobs.platform.html import environment, printable
from models.evaluation.plots import forest
from models.evaluation.significance import Floats

MEASURES = ("R@10", "R@60", "RR@60", "nDCG@10", "AP@100")
SEGMENT_MEASURE, MIN_SUPPORT = "R@60", 30
# equal in two reports that can be compared
SAME = ("qrels_digest", "min_relevance", "zero_gain", "depth")


class Args(CommandArgs):
    """before     report to compare with
    after      report that is compared
    page       HTML file to write; empty: the table on the terminal alone
    resamples  of the bootstrap and of the permutation test; fewer could not give a small p after correction
    seed       of both
    """

    before: Partition
    after: Partition
    page: str = ""
    resamples: Annotated[int, Ge(1000)] = 10_000
    seed: NonNegativeInt = 0


def main(args: Args) -> dict[str, Any]:
    """Refuse what cannot be compared; compare the rest."""
    page = Path(args.page)
    if args.page:
        if page.is_dir():
            raise ValueError(f"page={args.page}: it is a folder; expected the name of an HTML file")
        page.parent.mkdir(parents=True, exist_ok=True)
    before, after = (pin(report, even_stopped=True) for report in (args.before, args.after))
    _check_comparable(before, after)
    (ids, was), (other_ids, now) = (_read_values(report, MEASURES) for report in (before, after))
    if not ids.equals(other_ids):
        raise ValueError(
            f"{after.partition}: values of {len(other_ids):,} queries, {before.partition} of {len(ids):,};"
            " expected the same queries in both"
        )
    arms = [arm for arm in now if arm in was]
    if not arms:
        raise ValueError(f"{after.partition}: no arm that {before.partition} has too; expected one at least")
    draws = args.resamples, args.seed
    rows = compare_values([(arm, arm, now[arm], was[arm]) for arm in arms], MEASURES, *draws)
    best = SEARCH.headline(arms) if SEARCH.headline(arms) in arms else arms[0]
    members, place = _segments(after, ids), [MEASURES.index(SEGMENT_MEASURE)]
    sides = [(name, best, now[best][some][:, place], was[best][some][:, place]) for name, some in members.items()]
    segments = compare_values(sides, (SEGMENT_MEASURE,), *draws)
    _show(args, rows)
    if args.page:
        sizes = {name: len(some) for name, some in members.items()}
        about = {"before": before, "after": after, "arm": best, "queries": len(ids), "sizes": sizes}
        page.write_text(_page(rows, segments, about), "utf-8")
    counts = {name: sum(row.said == name for row in rows) for name in ("better", "worse", "alike")}
    return {"before": str(args.before), "after": str(args.after), **counts, "page": args.page}


def _check_comparable(before: Pinned, after: Pinned) -> None:
    """Refuse reports of different judgements, scales or depths.

    Raises:
        ValueError: they differ, or a report is too old to have them.
    """
    summaries = [json.loads(report.path("summary.json").read_bytes()) for report in (before, after)]
    unlike = []
    for name in SAME:
        was, now = (summary.get(name) for summary in summaries)
        if was != now or was in (None, ""):
            texts = ["unknown, of older code" if value in (None, "") else str(value)[:12] for value in (now, was)]
            unlike.append(f"{name} {texts[0]} against {texts[1]}")
    if unlike:
        raise ValueError(
            f"{after.partition} and {before.partition} judged differently: {'; '.join(unlike)}; expected the same:"
            " rank and judge both by the qrels of one day, with one scale and depth"
        )


def _read_values(report: Pinned, measures: Sequence[str]) -> tuple[Strings, dict[str, Floats]]:
    """Ids [Q] in the order of their bytes, and arm -> values [Q, measures]; without the champion's arms, which are of
    another index in each report.

    Raises:
        ValueError: an arm lacks a value.
    """
    wanted = pc.field("measure").isin(pa.array(list(measures))) & ~pc.starts_with(pc.field("arm"), "champion_")
    rows = pq.read_table(report.path("measures.parquet"), filters=wanted)
    ids = large(rows.column("query_id").chunks).unique()
    ids = ids.take(pc.sort_indices(ids))
    values_of = {}
    for arm in arms_in(rows):
        mine = where(rows, "arm", arm)
        values = np.full((len(ids), len(measures)), np.nan)
        query, measure = (large(mine.column(name).chunks) for name in ("query_id", "measure"))
        values[find(query, ids), find(measure, measures)] = numbers(mine, "value")
        if missing := int(np.isnan(values).sum()):
            raise ValueError(
                f"{report.partition}: arm {arm!r} lacks {missing:,} of {values.size:,} values;"
                " expected each query by each measure: make the report again"
            )
        values_of[arm] = values
    return ids, values_of


def _page(rows: list[Comparison], segments: list[Comparison], about: dict[str, Any]) -> str:
    """The comparison as HTML."""
    moved = [(f"{row.arm}, {row.measure}", row.difference) for row in rows if row.measure == SEGMENT_MEASURE]
    template = environment().get_template("evaluation/compare.html.j2")
    by_change = sorted(segments, key=lambda row: row.difference.value)
    plot = forest(moved, "difference, 95% interval")
    return template.render(**about, rows=rows, segments=by_change, plot_of=plot) + "\n"


def _segments(report: Pinned, ids: Strings) -> dict[str, Rows]:
    """Segment -> rows of its queries among the ids, of those with enough queries."""
    rows = pq.read_table(report.path("segments.parquet"))
    counted = rows.group_by(["group", "segment"], use_threads=False).aggregate([([], "count_all")])
    members = {}
    for segment in counted.filter(pc.field("count_all") >= MIN_SUPPORT).to_pylist():
        mine = where(where(rows, "group", segment["group"]), "segment", segment["segment"])
        members[f"{segment['group']}: {segment['segment']}"] = find(large(mine.column("query_id").chunks), ids)
    return members


def _show(args: Args, rows: list[Comparison]) -> None:
    """Print the table for people on standard error; standard output has the JSON line alone."""
    table = Table(title=f"{args.after} against {args.before}; p corrected (Holm)", title_justify="left")
    for name in ("arm", "measure", "before", "after", "difference", "p", ""):
        table.add_column(name, justify="left" if name in ("arm", "measure", "") else "right")
    for row in rows:
        span, hue = row.difference, {"better": "green", "worse": "red", "alike": "dim"}[row.said]
        table.add_row(
            escape(printable(row.arm, 40)),
            row.measure,
            f"{row.before:.4f}",
            f"{row.after:.4f}",
            f"{span.value:+.4f} ({span.low:+.4f}, {span.high:+.4f})",
            f"{row.p_holm:.4f}",
            f"[{hue}]{row.said}[/]",
        )
    Console(stderr=True, width=None if sys.stderr.isatty() else 130).print(table)
