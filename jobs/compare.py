"""Two reports beside each other: which arms and segments moved, and whether by more than chance.

python -m jobs.compare --before report/ds=2026-01-30/towers=7f3a5c1e9b2d4a60 \\
    --after report/ds=2026-01-31/towers=0c9be2d4f1a86375 --page compare.html

Both must have judged the same queries by the same judgements: means over others are not compared, however near.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from jobs.cli import run
from jobs.columns import numbers, strings, where
from jobs.comparisons import ALPHA
from jobs.display import printable
from jobs.lake import Partition
from jobs.reading import Pinned, pin
from jobs.report_page import environment
from models.intervals import Interval, mean_interval
from models.plots import forest
from models.significance import holm, permutation_p

Row = dict[str, Any]
MEASURES = ("R@10", "R@60", "RR@60", "nDCG@10", "AP@100")
SEGMENT_MEASURE, MIN_SUPPORT = "R@60", 30


@dataclass(frozen=True)
class Args:
    """before     report to compare with
    after      report that is compared
    page       HTML file to write; empty: the table on the terminal alone
    resamples  of the bootstrap and of the permutation test
    seed       of both
    """

    before: Partition
    after: Partition
    page: str = ""
    resamples: int = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.resamples < 100:
            raise ValueError(f"resamples={self.resamples}: an interval wants 100 or more")


def main(args: Args) -> dict[str, Any]:
    """Refuse what cannot be compared; compare the rest."""
    before, after = (pin(one, even_stopped=True) for one in (args.before, args.after))
    _same_questions(before, after)
    values = [_values(one) for one in (before, after)]
    arms = [arm for arm in values[1] if arm in values[0] and not arm.startswith("champion_")]
    if not arms:
        raise ValueError(
            f"{after.partition}: no arm that {before.partition} has too; expected one at least"
        )
    rows = [
        _row(arm, name, values[0][arm][name], values[1][arm][name], args)
        for arm in arms
        for name in MEASURES
    ]
    best = "hybrid" if "hybrid" in arms else arms[0]
    segments = _segments(
        after, values[0][best][SEGMENT_MEASURE], values[1][best][SEGMENT_MEASURE], args
    )
    for some in (rows, segments):
        corrected = holm(np.array([row["p"] for row in some], np.float64)).tolist()
        for row, p in zip(some, corrected, strict=True):
            row |= {
                "p": p,
                "said": "alike" if p >= ALPHA else "better" if row["moved"].value > 0 else "worse",
            }
    _show(args, rows)
    if args.page:
        plot = forest([(f"{row['arm']}, {row['measure']}", row["moved"]) for row in rows if row["measure"] == SEGMENT_MEASURE], "difference, 95% interval")  # fmt: skip
        page = environment().get_template("compare.html.j2").render(
            before=before, after=after, rows=rows, segments=sorted(segments, key=lambda row: row["moved"].value),
            arm=best, plot_of=plot, queries=len(values[0][best][SEGMENT_MEASURE]),
        )  # fmt: skip
        Path(args.page).write_text(page + "\n", "utf-8")
    counts = {
        name: sum(row["said"] == name for row in rows) for name in ("better", "worse", "alike")
    }
    return {"before": str(args.before), "after": str(args.after), **counts, "page": args.page}


def _same_questions(before: Pinned, after: Pinned) -> None:
    """Refuse reports of other queries or judgements.

    Raises:
        ValueError: they are not the same, or a report is too old to say.
    """
    told = [json.loads(one.path("summary.json").read_bytes()) for one in (before, after)]
    names = [one.get("qrels_digest", "not said: made by older code") for one in told]
    if names[0] != names[1] or len(names[0]) != 40:
        raise ValueError(
            f"{after.partition}: judged by {told[1]['queries']:,} queries with judgements {names[1][:12]},"
            f" {before.partition} by {told[0]['queries']:,} with {names[0][:12]}; expected the same: rank and judge"
            " both by the qrels of one day"
        )


def _values(report: Pinned) -> dict[str, dict[str, np.ndarray]]:
    """Arm -> measure -> values, in the order of query ids."""
    rows = pq.read_table(report.path("measures.parquet"))
    rows = rows.filter(np.isin(np.array(strings(rows, "measure")), MEASURES))
    rows = rows.sort_by("query_id")
    found: dict[str, dict[str, np.ndarray]] = {}
    for arm in map(str, rows.column("arm").unique().to_pylist()):
        mine = where(rows, "arm", arm)
        found[arm] = {name: numbers(where(mine, "measure", name), "value") for name in MEASURES}
    return found


def _row(arm: str, name: str, before: np.ndarray, after: np.ndarray, args: Args) -> Row:
    moved = after - before
    return {
        "arm": arm, "measure": name, "before": float(before.mean()), "after": float(after.mean()),
        "moved": mean_interval(moved, args.seed, args.resamples),
        "p": float(permutation_p(moved[:, None], args.seed, args.resamples)[0]),
    }  # fmt: skip


def _segments(report: Pinned, before: np.ndarray, after: np.ndarray, args: Args) -> list[Row]:
    """The same by segment, of those with enough queries."""
    ids = sorted(set(strings(pq.read_table(report.path("measures.parquet"), columns=["query_id"]), "query_id")))  # fmt: skip
    row_of = {name: row for row, name in enumerate(ids)}
    members: dict[tuple[str, str], list[int]] = {}
    for one in pq.read_table(report.path("segments.parquet")).to_pylist():
        members.setdefault((one["group"], one["segment"]), []).append(row_of[one["query_id"]])
    return [
        {
            **_row(f"{group}: {name}", SEGMENT_MEASURE, before[rows], after[rows], args),
            "queries": len(rows),
        }
        for (group, name), rows in members.items()
        if len(rows) >= MIN_SUPPORT
    ]


def _show(args: Args, rows: list[Row]) -> None:
    """The table that a person reads; standard output keeps the JSON line alone."""
    table = Table(
        title=f"{args.after} against {args.before}; p corrected (Holm)", title_justify="left"
    )
    for name in ("arm", "measure", "before", "after", "difference", "p", ""):
        table.add_column(name, justify="left" if name in ("arm", "measure", "") else "right")
    for row in rows:
        span: Interval = row["moved"]
        hue = {"better": "green", "worse": "red", "alike": "dim"}[row["said"]]
        table.add_row(printable(row["arm"], 40), row["measure"], f"{row['before']:.4f}", f"{row['after']:.4f}",
                      f"{span.value:+.4f} ({span.low:+.4f}, {span.high:+.4f})", f"{row['p']:.4f}", f"[{hue}]{row['said']}[/]")  # fmt: skip
    Console(stderr=True, width=None if sys.stderr.isatty() else 130).print(table)


if __name__ == "__main__":
    run(Args, main)
