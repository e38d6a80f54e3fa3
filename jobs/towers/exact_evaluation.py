"""Towers -> recall and other measures, by exact search.

python -m jobs tower_metrics --towers towers/ds=2026-01-31/step=star --items items/ds=2026-01-31 \\
    --queries queries/ds=2026-01-31 --qrels qrels/ds=2026-01-31 \\
    --tower_metrics tower_metrics/ds=2026-01-31/space=7f3a5c1e9b2d4a60

The commands `rankings` and `report` evaluate an index instead.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from annotated_types import Ge
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from jobs.bundle.tower_files import load_towers_of
from jobs.datasets.judgements import Judgements, judge_items, relevance_scale
from jobs.lake.arrow import Rows, Strings, find, strings, table_of, texts
from jobs.lake.attempt import Attempt
from jobs.lake.partitions import Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin, read_table
from jobs.platform.arguments import CommandArgs, NonNegativeInt, OneOf
from jobs.platform.progress import progress
from jobs.platform.tracking import MlflowRun, mlflow_run
from models.ann.exact import Vectors, nearest
from models.evaluation.intervals import Interval, grouped_intervals
from models.evaluation.measures import CUTOFFS, MEASURES, Measured, measure
from models.evaluation.qrels import hits_of
from models.evaluation.query_slices import lengths, likely_typos, model_numbers, named, words_of
from models.fusion.ranked_lists import trec_order
from models.text.normalise import normalise_query
from models.towers.encode import encode_queries, item_vectors
from models.towers.space_id import space_id
from models.towers.two_tower import TwoTower

HEADLINE = ("R@60", "RR@60", "R@10", "RR@10", "R@60 judged", "RR@60 judged")
DEPTH = max(CUTOFFS)
# deeper than needed: equal scores (one title, many offers) are put in order before the list is cut
SEARCHED = DEPTH + 32
CHUNK_ITEMS = 65_536
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
    inputs = [pin(partition) for partition in (args.towers, args.items, args.queries, args.qrels)]
    with mlflow_run("tower_metrics", args, inputs) as tracked, publish(args.tower_metrics, args, inputs) as out:
        out.mlflow_run_id = tracked.id
        towers = load_towers_of(inputs[0], args.tower_metrics)
        catalogue = read_catalogue(inputs[1])
        splits = args.split.split(",")
        judged = read_judged_queries(inputs[2], inputs[3], splits, args.min_relevance, args.zero_gain)
        measured = evaluate_exactly(towers, judged, catalogue)
        columns = segments_of(judged, catalogue)
        _write(out, judged, measured, columns)
        means = {split: _means(args, measured, judged.splits == split, dict(named(columns))) for split in splits}
        out.facts.update(space_id=space_id(towers), items=len(catalogue.ids), splits=means)
        _log(tracked, means)
    _show(args, means)
    first = {name: round(means[splits[0]]["all"][name][0], 5) for name in HEADLINE}
    return {"tower_metrics": str(args.tower_metrics), "split": splits[0], **first}


def _write(out: Attempt, judged: JudgedQueries, measured: Measured, columns: dict[str, Any]) -> None:
    """One row per query: its segments, and every measure under its own name."""
    values = {name: measured.column(name) for name in measured.names}
    table = table_of({"query_id": measured.query_ids, "split": judged.splits, **columns, **values})
    pq.write_table(table, out.folder / "measures.parquet", compression="zstd", write_page_checksum=True)
    left_out = judged.judgements.queries_without_relevant
    kept = len(measured.query_ids)
    out.count("judged queries", kept + left_out, kept, {"no relevant item": left_out})


def _means(args: Args, measured: Measured, rows: NDArray[np.bool_], slices: Slices) -> dict[str, Any]:
    """Segment -> queries, and measure -> (mean, low, high), of these rows."""
    chosen = {name: some[rows] for name, some in slices.items()}
    return grouped_intervals(measured.values[rows], measured.names, chosen, args.seed, args.resamples)


def _log(tracked: MlflowRun, means: dict[str, Any]) -> None:
    for split, slices in means.items():
        for name, figures in slices.items():
            where = f"{split}/" if name == "all" else f"{split}/{name.replace('+', '')}/"
            tracked.measures({f"{where}{measure}": figures[measure][0] for measure in HEADLINE})


def _show(args: Args, means: dict[str, Any]) -> None:
    """The table that a person reads; standard output keeps the JSON line alone."""
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 130)
    for split, slices in means.items():
        table = Table(title=f"{args.towers}, {split}: exact search, 95% intervals", title_justify="left")
        table.add_column("queries of")
        table.add_column("n", justify="right")
        for name in HEADLINE:
            table.add_column(name, justify="right")
        for name, figures in slices.items():
            spans = [Interval(*figures[measure]) for measure in HEADLINE]
            cells = [f"{span.value:.3f} ±{(span.high - span.low) / 2:.3f}" for span in spans]
            table.add_row(name, f"{figures['queries']:,}", *cells, end_section=name == "all")
        console.print(table)


@dataclass(frozen=True)
class Catalogue:
    """Items in the order of their ids."""

    ids: Strings
    texts: pa.ChunkedArray[pa.StringScalar]

    def chunks(self) -> Iterator[list[str]]:
        """The texts, a chunk at a time: never all of them as Python strings."""
        for start in range(0, len(self.ids), CHUNK_ITEMS):
            yield texts(self.texts.slice(start, CHUNK_ITEMS))


@dataclass(frozen=True)
class JudgedQueries:
    """Judged queries in the order of their ids, with their judgements. splits [Q]: of each query."""

    judgements: Judgements
    splits: NDArray[np.str_]
    queries: list[str]
    segments: NDArray[np.str_]


def read_catalogue(items: Pinned) -> Catalogue:
    """Read ids and texts."""
    table = read_table(items, ["item_id", "text"]).sort_by("item_id")
    return Catalogue(table.column("item_id").combine_chunks(), table.column("text"))


def read_judged_queries(
    queries: Pinned, qrels: Pinned, splits: Sequence[str], min_relevance: float, zero_gain: float
) -> JudgedQueries:
    """Read the queries judged in these splits that have a relevant item, with all their judgements.

    Raises:
        LookupError: a split has none, or a judged query has no text.
    """
    judgements = read_table(qrels, None, pc.field("split").isin(list(splits)))
    names = strings(judgements, "query_id")
    if missing := set(splits) - set(strings(judgements, "split")):
        raise LookupError(f"{qrels.partition}: no query is judged in split {', '.join(missing)}")
    graded = judge_items(judgements, *relevance_scale(qrels, min_relevance, zero_gain))
    rows = read_table(queries, ["query_id", "query", "segment"])
    at = find(graded.query_ids, strings(rows, "query_id"))
    if (at < 0).any():
        raise LookupError(
            f"{qrels.partition}: {(at < 0).sum():,} of {len(at):,} judged queries are not in"
            f" {queries.partition}; were both made from the same days?"
        )
    split_of = dict(zip(names, strings(judgements, "split"), strict=True))
    return JudgedQueries(
        graded,
        np.array([split_of[name] for name in graded.query_ids], np.str_),
        [normalise_query(text) for text in texts(rows.column("query").take(pa.array(at, pa.int64())))],
        np.array(texts(rows.column("segment").take(pa.array(at, pa.int64()))), np.str_),
    )


def segments_of(judged: JudgedQueries, catalogue: Catalogue) -> dict[str, NDArray[np.str_] | NDArray[np.bool_]]:
    """Columns by which queries are grouped, [Q] each."""
    known: set[str] = set()
    for chunk in catalogue.chunks():
        known |= words_of(chunk)
    return {
        "segment": judged.segments,
        "typo": likely_typos(judged.queries, known),
        "model_number": model_numbers(judged.queries),
        "length": lengths(judged.queries),
    }


def evaluate_exactly(towers: TwoTower, judged: JudgedQueries, catalogue: Catalogue) -> Measured:
    """Search every item for every query and measure. Memory: one chunk of items, and Q x DEPTH.

    All judged items are ranked, however low their rank, so that the measures over judged items
    alone are exact.
    """
    queries = encode_queries(towers, judged.queries)
    known = judged.judgements.judged
    at = find(judged.judgements.item_ids, catalogue.ids)  # of each judged item; -1 where it left the catalogue
    query, item = known.query, at[known.keys % known.n_items]
    query, item = query[item >= 0], item[item >= 0]
    judged_items, place = np.unique(item, return_inverse=True)
    vectors = np.zeros((len(judged_items), queries.shape[1]), np.float32)

    def chunks() -> Iterator[Vectors]:
        first = 0
        with progress("measure", len(catalogue.ids), "items") as advance:
            for chunk in item_vectors(towers, catalogue.chunks()):
                low, high = np.searchsorted(judged_items, [first, first + len(chunk)])
                vectors[low:high] = chunk[judged_items[low:high] - first]
                first += len(chunk)
                yield chunk
                advance(len(chunk))

    depth = min(SEARCHED, len(catalogue.ids))
    scores, rows = nearest(queries, chunks(), depth, towers.device)
    rows = trec_order(rows, scores).items[:, :DEPTH]
    below = np.einsum("jd,jd->j", queries[query], vectors[place])
    query, item, rank = _ranks(rows, query, item, below, len(catalogue.ids))
    row_of = np.full(len(catalogue.ids), -1, np.int64)
    row_of[at[at >= 0]] = np.flatnonzero(at >= 0)
    hits = hits_of(known, query, row_of[item], rank)
    return Measured(judged.judgements.query_ids, MEASURES, measure(known, hits))


def _ranks(rows: Rows, query: Rows, item: Rows, score: Vectors, n_items: int) -> tuple[Rows, Rows, Rows]:
    """Query, item, rank (from 1) of the items searched [Q, K], then of the judged items below them."""
    owner = np.repeat(np.arange(len(rows)), rows.shape[1])
    rank = np.tile(np.arange(1, rows.shape[1] + 1), len(rows))
    flat = rows.ravel()
    below = ~np.isin(query * n_items + item, (owner * n_items + flat)[flat >= 0])
    query, item, score = query[below], item[below], score[below]
    order = np.lexsort((-item, -score, query))
    query, item = query[order], item[order]
    first = np.searchsorted(query, query)
    under = rows.shape[1] + 1 + np.arange(len(query)) - first
    return (
        np.concatenate([owner[flat >= 0], query]),
        np.concatenate([flat[flat >= 0], item]),
        np.concatenate([rank[flat >= 0], under]),
    )
