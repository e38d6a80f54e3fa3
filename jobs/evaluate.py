"""TREC files alone: measures with intervals, and which differences are more than chance. Nothing of a lake is needed.

python -m jobs.evaluate --rankings engine.trec,challenger.trec --qrels qrels.trec
python -m jobs.evaluate --rankings a.trec,b.trec --qrels qrels.trec --measures "R@60 RR@60 nDCG@10" --out evaluation

The first ranking is what the others are compared with. With --out: measures.parquet (a row per arm, query and measure,
to join later outcomes to) and summary.json.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from jobs.bundle_files import write_json
from jobs.cli import run
from jobs.comparisons import Comparison, compare
from jobs.display import printable
from jobs.evaluation import Evaluation, evaluate
from jobs.trec import read_qrels, read_run
from models.intervals import Interval, mean_intervals
from models.measures import Measured, measure

SHOWN = "R@10 R@60 RR@10 RR@60 nDCG@10 AP@100"


@dataclass(frozen=True)
class Args:
    """rankings       TREC run files, separated by commas; an arm is named by its file
    qrels          TREC qrels file
    measures       names as ir_measures has them, separated by spaces: R@K, RR@K, nDCG@K, AP@K, Success@K
    min_relevance  relevance from which a judged item counts as relevant
    zero_gain      relevance that is worth nothing in nDCG
    resamples      of the bootstrap and of the permutation test
    seed           of both
    out            optional folder for the values of each query and the summary
    """

    rankings: str
    qrels: str
    measures: str = SHOWN
    min_relevance: float = 1.0
    zero_gain: float = 0.0
    resamples: int = 10_000
    seed: int = 0
    out: str = ""

    def __post_init__(self) -> None:
        names = [Path(one).stem for one in self.rankings.split(",")]
        if len(set(names)) != len(names):
            raise ValueError(
                f"rankings={self.rankings}: two files of one name; an arm is named by its file"
            )
        if self.resamples < 100:
            raise ValueError(f"resamples={self.resamples}: an interval wants 100 or more")
        if not self.measures.split():
            raise ValueError(f"measures: expected names such as {SHOWN}")


def main(args: Args) -> dict[str, Any]:
    """Read, measure, compare, tell."""
    parts = []
    for path in map(Path, args.rankings.split(",")):
        rows = read_run(path)
        parts.append(rows.append_column("arm", pa.array([path.stem] * rows.num_rows)))
    qrels = read_qrels(Path(args.qrels))
    found = evaluate(pa.concat_tables(parts), qrels, args.min_relevance, args.zero_gain)
    names = tuple(args.measures.split())
    judged = found.judgements.judged
    arms = {
        arm: Measured(found.judgements.query_ids, names, measure(judged, hits, names))
        for arm, hits in found.hits.items()
    }
    found = Evaluation(found.judgements, arms, found.hits, found.depth)
    first, *others = arms
    compared = compare(found, [(arm, first) for arm in others], names, args.resamples, args.seed)
    spans = {
        arm: mean_intervals(one.values, args.seed, args.resamples) for arm, one in arms.items()
    }
    summary = _summary(found, spans, compared)
    _show(found, spans, compared)
    if args.out:
        folder = Path(args.out)
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(found.table(), folder / "measures.parquet", compression="zstd")
        write_json(summary, folder / "summary.json")
    return {"queries": len(found.judgements), "arms": summary["measures"]}


def _summary(
    found: Evaluation, spans: dict[str, list[Interval]], compared: list[Comparison]
) -> dict[str, Any]:
    return {
        "queries": len(found.judgements),
        "queries_without_relevant": found.judgements.queries_without_relevant,
        "measures": found.means,
        "intervals": {
            arm: dict(zip(found.names, some, strict=True)) for arm, some in spans.items()
        },
        "comparisons": [{**vars(one), "said": one.said} for one in compared],
    }


def _show(found: Evaluation, spans: dict[str, list[Interval]], compared: list[Comparison]) -> None:
    """The tables that a person reads; standard output keeps the JSON line alone."""
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 130)
    missing = found.judgements.queries_without_relevant
    title = f"{len(found.judgements):,} queries ({missing:,} without a relevant item left out), 95% intervals"
    table = Table(title=title, title_justify="left")
    table.add_column("arm")
    for name in found.names:
        table.add_column(name, justify="right")
    for arm, some in spans.items():
        table.add_row(
            printable(arm, 40),
            *(f"{one.value:.4f} ±{(one.high - one.low) / 2:.4f}" for one in some),
        )
    console.print(table)
    if not compared:
        return
    table = Table(
        title=f"against {printable(compared[0].against, 40)}; p by permutation, corrected (Holm)",
        title_justify="left",
    )
    for name in ("arm", "measure", "difference", "95% interval", "p", "p corrected", ""):
        table.add_column(name, justify="left" if name in ("arm", "measure", "") else "right")
    for one in compared:
        low, high = one.difference.low, one.difference.high
        hue = {"better": "green", "worse": "red", "alike": "dim"}[one.said]
        table.add_row(printable(one.arm, 40), one.measure, f"{one.difference.value:+.4f}", f"[{low:+.4f}, {high:+.4f}]".replace("[", "\\["),
                      f"{one.p:.4f}", f"{one.p_holm:.4f}", f"[{hue}]{one.said}[/]")  # fmt: skip
    console.print(table)


if __name__ == "__main__":
    run(Args, main)
