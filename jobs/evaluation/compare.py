"""Compare two reports: which arms and segments differ.

python -m jobs compare --before report/ds=2026-01-30/space=7f3a5c1e9b2d4a60 \\
    --after report/ds=2026-01-31/space=0c9be2d4f1a86375 --page compare.html

Both must have judged the same queries by the same judgements: means over others are not compared, however near.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from annotated_types import Ge
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jobs.evaluation.comparisons import ALPHA
from jobs.evaluation.published_values import check_comparable, read_values
from jobs.evaluation.room import SEARCH
from jobs.lake.arrow import Strings, find, large, where
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned, pin
from jobs.platform.arguments import CommandArgs, NonNegativeInt
from jobs.platform.html import environment, printable
from models.evaluation.intervals import Interval, mean_intervals
from models.evaluation.plots import forest
from models.evaluation.significance import holm, permutation_p

Row = dict[str, Any]
Floats = NDArray[np.float64]
MEASURES = ("R@10", "R@60", "RR@60", "nDCG@10", "AP@100")
SEGMENT_MEASURE, MIN_SUPPORT = "R@60", 30


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
    before, after = (pin(one, even_stopped=True) for one in (args.before, args.after))
    check_comparable(before, after)
    was, now = (read_values(one, MEASURES) for one in (before, after))
    if not was.query_ids.equals(now.query_ids):
        raise ValueError(
            f"{after.partition}: values of {len(now.query_ids):,} queries, {before.partition} of {len(was.query_ids):,};"
            " expected the same queries in both"
        )
    arms = [arm for arm in now.arms if arm in was.arms]
    if not arms:
        raise ValueError(f"{after.partition}: no arm that {before.partition} has too; expected one at least")
    rows = [row for arm in arms for row in _rows(arm, MEASURES, was.arms[arm], now.arms[arm], args)]
    best = SEARCH.headline(arms) if SEARCH.headline(arms) in arms else arms[0]
    segments = _segments(after, now.query_ids, was.arms[best], now.arms[best], args)
    for some in (rows, segments):
        _correct(some)
    _show(args, rows)
    if args.page:
        about = {"before": before, "after": after, "arm": best, "queries": len(now.query_ids)}
        page.write_text(_page(rows, segments, about), "utf-8")
    counts = {name: sum(row["said"] == name for row in rows) for name in ("better", "worse", "alike")}
    return {"before": str(args.before), "after": str(args.after), **counts, "page": args.page}


def _page(rows: list[Row], segments: list[Row], about: dict[str, Any]) -> str:
    """The comparison as HTML."""
    moved = [(f"{row['arm']}, {row['measure']}", row["moved"]) for row in rows if row["measure"] == SEGMENT_MEASURE]
    template = environment().get_template("evaluation/compare.html.j2")
    by_change = sorted(segments, key=lambda row: row["moved"].value)
    plot = forest(moved, "difference, 95% interval")
    return template.render(**about, rows=rows, segments=by_change, plot_of=plot) + "\n"


def _rows(arm: str, names: Sequence[str], before: Floats, after: Floats, args: Args) -> list[Row]:
    """A row for each of the measures, whose values are the columns of before and after [Q, len(names)]."""
    spans = mean_intervals(after - before, args.seed, args.resamples)
    p = permutation_p(after - before, args.seed, args.resamples)
    return [
        {
            "arm": arm,
            "measure": name,
            "before": float(before[:, place].mean()),
            "after": float(after[:, place].mean()),
            "moved": spans[place],
            "p": float(p[place]),
        }
        for place, name in enumerate(names)
    ]


def _correct(rows: list[Row]) -> None:
    """Correct the p of a table for the number of its comparisons, and set the verdict of each row."""
    corrected = holm(np.array([row["p"] for row in rows], np.float64)).tolist()
    for row, p in zip(rows, corrected, strict=True):
        said = "alike" if p >= ALPHA else "better" if row["moved"].value > 0 else "worse"
        row |= {"p": p, "said": said}


def _segments(report: Pinned, ids: Strings, before: Floats, after: Floats, args: Args) -> list[Row]:
    """The same by segment, of those with enough queries."""
    rows = pq.read_table(report.path("segments.parquet"))
    counted = rows.group_by(["group", "segment"], use_threads=False).aggregate([([], "count_all")])
    names, place, found = (SEGMENT_MEASURE,), [MEASURES.index(SEGMENT_MEASURE)], []
    for one in counted.filter(pc.field("count_all") >= MIN_SUPPORT).to_pylist():
        group, name = one["group"], one["segment"]
        mine = where(where(rows, "group", group), "segment", name)
        members = find(large(mine.column("query_id").chunks), ids)
        was, now = (some[members][:, place] for some in (before, after))
        (row,) = _rows(f"{group}: {name}", names, was, now, args)
        found.append({**row, "queries": len(members)})
    return found


def _show(args: Args, rows: list[Row]) -> None:
    """Print the table for people on standard error; standard output has the JSON line alone."""
    table = Table(title=f"{args.after} against {args.before}; p corrected (Holm)", title_justify="left")
    for name in ("arm", "measure", "before", "after", "difference", "p", ""):
        table.add_column(name, justify="left" if name in ("arm", "measure", "") else "right")
    for row in rows:
        span: Interval = row["moved"]
        hue = {"better": "green", "worse": "red", "alike": "dim"}[row["said"]]
        table.add_row(
            escape(printable(row["arm"], 40)),
            row["measure"],
            f"{row['before']:.4f}",
            f"{row['after']:.4f}",
            f"{span.value:+.4f} ({span.low:+.4f}, {span.high:+.4f})",
            f"{row['p']:.4f}",
            f"[{hue}]{row['said']}[/]",
        )
    Console(stderr=True, width=None if sys.stderr.isatty() else 130).print(table)
