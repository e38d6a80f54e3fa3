"""TREC run files and qrels -> measures with intervals.

python -m jobs evaluate --rankings engine.trec,challenger.trec --qrels qrels.trec
python -m jobs evaluate --rankings a.trec,b.trec --qrels qrels.trec --measures "R@60 RR@60 nDCG@10" --out evaluation

The other rankings are compared with the first. With --out: measures.parquet (a row per arm, query and measure,
to join later outcomes to) and summary.json.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
from annotated_types import Ge
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jobs.bundle.files import write_json
from jobs.datasets.judgements import Judgements, judge_items
from jobs.evaluation.comparisons import ALPHA, Comparison, compare
from jobs.evaluation.measures import Evaluation
from jobs.lake.arrow import find, large, numbers
from jobs.platform.arguments import CommandArgs, NonNegativeInt
from jobs.platform.html import printable
from jobs.platform.trec import arm_of, read_qrels, read_run
from models.evaluation.intervals import Interval, mean_intervals
from models.evaluation.measures import Measured, measure, parsed
from models.evaluation.significance import least_resamples

SHOWN = "R@10 R@60 RR@10 RR@60 nDCG@10 AP@100"


class Args(CommandArgs):
    """rankings       TREC run files, plain, gzip or zstd, separated by commas; an arm is named by its file
    qrels          TREC qrels file
    measures       names as ir_measures has them, separated by spaces: R@K, RR@K, nDCG@K, AP@K, Success@K
    min_relevance  relevance from which a judged item counts as relevant
    zero_gain      relevance that gains nothing in nDCG
    resamples      of the bootstrap and of the permutation test
    seed           of both
    out            folder for the values of each query and the summary; empty: nothing is written
    """

    rankings: str
    qrels: str
    measures: str = SHOWN
    min_relevance: float = 1.0
    zero_gain: float = 0.0
    resamples: Annotated[int, Ge(1000)] = 10_000
    seed: NonNegativeInt = 0
    out: str = ""

    def __post_init__(self) -> None:
        arms = [arm_of(path) for path in self.paths]
        if not all(arms):
            raise ValueError(f"rankings={self.rankings!r}: a name is empty; expected files, separated by commas")
        if len(set(arms)) != len(arms):
            raise ValueError(f"rankings={self.rankings}: two files of one name; an arm is named by its file")
        if not self.names or len(set(self.names)) != len(self.names):
            raise ValueError(f"measures={self.measures!r}: expected names such as {SHOWN}, each once")
        parsed(self.names)
        if not self.zero_gain < self.min_relevance:
            raise ValueError(
                f"zero_gain={self.zero_gain}, min_relevance={self.min_relevance}:"
                " an item that counts as relevant must gain something"
            )
        least = least_resamples((len(arms) - 1) * len(self.names), ALPHA)
        if self.resamples < least:
            raise ValueError(
                f"resamples={self.resamples}: expected {least:,} or more, or no p could be below {ALPHA:g}"
                " once it is corrected for the number of comparisons"
            )

    @property
    def paths(self) -> list[Path]:
        """The run files."""
        return [Path(name.strip()) for name in self.rankings.split(",")]

    @property
    def names(self) -> tuple[str, ...]:
        """The measures."""
        return tuple(self.measures.split())


def main(args: Args) -> dict[str, Any]:
    """Read, measure, compare, print."""
    folder = Path(args.out)
    if args.out:
        folder.mkdir(parents=True, exist_ok=True)
    judgements = judge_items(read_qrels(Path(args.qrels)), args.min_relevance, args.zero_gain)
    arms, hits, answered, depth = {}, {}, {}, 0
    for path in args.paths:
        rows, arm = read_run(path), arm_of(path)
        answered[arm] = _answered(rows, judgements, path, args.qrels)
        depth = max(depth, int(numbers(rows, "rank").max()))
        hits[arm] = judgements.hits(rows)
        values = measure(judgements.judged, hits[arm], args.names)
        arms[arm] = Measured(judgements.query_ids, args.names, values)
    evaluation = Evaluation(judgements, arms, hits, depth)
    first, *others = arms
    pairs = [(arm, first) for arm in others]
    compared = compare(evaluation, pairs, args.names, args.resamples, args.seed)
    spans = {arm: mean_intervals(measured.values, args.seed, args.resamples) for arm, measured in arms.items()}
    summary = {
        "queries": len(judgements),
        "queries_without_relevant": judgements.queries_without_relevant,
        "measures": evaluation.means,
        "intervals": {arm: dict(zip(args.names, some, strict=True)) for arm, some in spans.items()},
        "comparisons": [{**vars(comparison), "said": comparison.said} for comparison in compared],
        "answered": answered,
    }
    _show(evaluation, spans, compared, answered)
    if args.out:
        pq.write_table(evaluation.table(), folder / "measures.parquet", compression="zstd")
        write_json(summary, folder / "summary.json")
    return {"queries": len(judgements), "answered": answered, "arms": summary["measures"]}


def _answered(rows: pa.Table, judgements: Judgements, path: Path, qrels: str) -> int:
    """Number of judged queries that a ranking has a list for; the others count as 0 in every mean.

    Raises:
        ValueError: it has none: it is of other queries, or their ids are spelt differently.
    """
    asked, judged = large(rows.column("query_id").chunks).unique(), judgements.query_ids
    count = int((find(judged, asked) >= 0).sum())
    if not count:
        raise ValueError(
            f"{path}: none of its {len(asked):,} queries, such as {asked[0].as_py()!r}, is among the {len(judged):,}"
            f" judged ones with a relevant item in {qrels}, such as {judged[0]!r}; expected ids of the same spelling"
        )
    return count


def _show(
    evaluation: Evaluation, spans: dict[str, list[Interval]], compared: list[Comparison], answered: dict[str, int]
) -> None:
    """Print the tables for people on standard error; standard output has the JSON line alone."""
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 130)
    missing = evaluation.judgements.queries_without_relevant
    title = f"{len(evaluation.judgements):,} queries ({missing:,} without a relevant item left out), 95% intervals"
    table = Table(title=title, title_justify="left")
    table.add_column("arm")
    for name in ("answered", *evaluation.names):
        table.add_column(name, justify="right")
    for arm, some in spans.items():
        table.add_row(
            _plain(arm), f"{answered[arm]:,}", *(f"{span.value:.4f} ±{(span.high - span.low) / 2:.4f}" for span in some)
        )
    console.print(table)
    if not compared:
        return
    table = Table(
        title=f"against {_plain(compared[0].against)}; p by permutation, corrected (Holm)", title_justify="left"
    )
    for name in ("arm", "measure", "difference", "95% interval", "p", "p corrected", ""):
        table.add_column(name, justify="left" if name in ("arm", "measure", "") else "right")
    for row in compared:
        low, high = row.difference.low, row.difference.high
        hue = {"better": "green", "worse": "red", "alike": "dim"}[row.said]
        table.add_row(
            _plain(row.arm),
            row.measure,
            f"{row.difference.value:+.4f}",
            escape(f"[{low:+.4f}, {high:+.4f}]"),
            f"{row.p:.4f}",
            f"{row.p_holm:.4f}",
            f"[{hue}]{row.said}[/]",
        )
    console.print(table)


def _plain(arm: str) -> str:
    """An arm as a cell: its file's name may hold control codes or markup of rich."""
    return escape(printable(arm, 40))
