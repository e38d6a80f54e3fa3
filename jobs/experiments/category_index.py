"""Compare one index per category with a single index.

python -m jobs categories --embeddings embeddings/ds=2026-01-31/space=7f3a5c1e9b2d4a60/shard=0of2 \\
    --towers towers/ds=2026-01-31/step=star --items items/ds=2026-01-31 --queries queries/ds=2026-01-31 \\
    --categories categories/ds=2026-01-31/space=7f3a5c1e9b2d4a60

Categories are fitted to a recall target on every other dev query, and the single index to the recall that they reach there.
Both are measured on the other queries, on one thread. Nothing depends on the result.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Annotated, Any

from annotated_types import Ge, Interval
from rich.console import Console
from rich.table import Table

from jobs.bundle.tower_files import load_towers
from jobs.embeddings.read_shards import pin_shards, read_vectors
from jobs.experiments.category_index_files import CategoryIndex, write_categories
from jobs.experiments.category_index_trial import IndexTrial, judge_categories, judge_single, verdict
from jobs.index.tuning_queries import tuning_queries
from jobs.lake.arrow import strings
from jobs.lake.partitions import Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin, read_table
from jobs.platform.arguments import CommandArgs, NonNegativeInt, PositiveInt
from jobs.platform.html import printable
from jobs.platform.tracking import mlflow_run
from models.ann.by_category import divide, fit
from models.ann.exact import Vectors, equal_numbers, nearest, pieces, vector_hashes
from models.ann.families import families
from models.ann.operating_points import Exam
from models.ann.routing import centroids, group_categories
from models.towers.encode import encode_queries
from models.towers.space_id import items_space, space_id

log = logging.getLogger(__name__)
SHOWN: dict[str, Callable[[IndexTrial], str]] = {
    "recall": lambda trial: f"{trial.recall:.4f}",
    "p50 ms": lambda trial: f"{trial.p50_ms:.2f}",
    "p99 ms": lambda trial: f"{trial.p99_ms:.2f}",
    "cpu ms": lambda trial: f"{trial.cpu_ms:.3f}",
    "MB": lambda trial: f"{trial.bytes / 1e6:,.1f}",
    "categories": lambda trial: f"{trial.categories:.1f}",
    "catalogue in them": lambda trial: f"{trial.searched_frac:.1%}",
    "codes compared": lambda trial: f"{trial.compared_frac:.2%}",
}


class Args(CommandArgs):
    """embeddings      first shard (0ofN); its siblings are read too
    towers          the towers that made them: they encode the queries
    items           catalogue snapshot; the first name of the category path counts
    queries         real queries of split dev: every other one to fit on, the rest to evaluate
    categories      output: the indexes and their router
    factory         FAISS factory string of the single index; the categories have its codes, and lists
                    by their own size; auto chooses by the size of the catalogue
    recall_target   overlap with exact search over everything, to be reached where they are fitted
    recall_depth    first neighbours in which the overlap is measured
    tuning_queries  dev queries used, at most, for both halves
    min_items       a category with fewer items is searched with the rest
    centroids       centroids by which the router knows a category, at most
    flat_below      items below which a category has no inverted lists
    seed            of training samples and k-means
    """

    embeddings: Partition
    towers: Partition
    items: Partition
    queries: Partition
    categories: Partition
    factory: str = "auto"
    recall_target: Annotated[float, Interval(gt=0, le=1)] = 0.95
    recall_depth: PositiveInt = 100
    tuning_queries: Annotated[int, Ge(2)] = 2000
    min_items: PositiveInt = 1000
    centroids: PositiveInt = 32
    flat_below: PositiveInt = 2000
    seed: NonNegativeInt = 0


def main(args: Args) -> dict[str, Any]:
    """Build both, fit and judge them, publish the categories."""
    shards = pin_shards(args.embeddings)
    towers, items, queries = pin(args.towers), pin(args.items), pin(args.queries)
    inputs = [*shards, towers, items, queries]
    with mlflow_run("categories", args, inputs) as tracked, publish(args.categories, args, inputs) as out:
        out.mlflow_run_id = tracked.id
        ids, vectors = read_vectors(shards)
        asked = _queries(args, towers, queries)
        depth = min(args.recall_depth, len(ids))
        exact = nearest(asked, pieces(vectors), depth)[1]
        equal = equal_numbers(map(vector_hashes, pieces(vectors)))
        halves = (Exam(asked[odd::2], exact[odd::2], equal=equal) for odd in (0, 1))
        made, trials = _compare(args, items, ids, vectors, *halves)
        write_categories(made, out.folder)
        sentence = verdict(*trials)
        out.count("items", items.manifest.rows, len(ids), {})
        categories = {
            part.name: {"items": len(part.rows), "factory": part.factory, "settings": part.settings}
            for part in made.parts
        }
        out.facts.update(
            space_id=made.space_id,
            items=len(ids),
            recall_target=args.recall_target,
            recall_depth=depth,
            categories=categories,
            verdict=sentence,
            **{trial.name: trial.facts() for trial in trials},
        )
        for trial in trials:
            tracked.measures({f"{trial.name}_{name}": value for name, value in trial.facts().items()})
    _show(args, made, trials, sentence)
    figures = {f"{trial.name}_recall": round(trial.recall, 4) for trial in trials}
    return {"categories": str(args.categories), "parts": len(made.parts), **figures, "verdict": sentence}


def _queries(args: Args, towers_in: Pinned, queries: Pinned) -> Vectors:
    towers = load_towers(towers_in)
    space = args.categories.values["space"]
    if space not in (space_id(towers), items_space(towers)) or space != args.embeddings.values["space"]:
        raise ValueError(
            f"{args.categories}: {args.towers} has space id {space_id(towers)}, {args.embeddings} is of"
            " another or goes to another; queries and items must meet in one space"
        )
    texts = strings(tuning_queries(queries, args.tuning_queries), "query")
    if len(texts) < 2:
        raise LookupError(f"{queries.partition}: {len(texts)} queries; expected 2 or more, to fit and to judge")
    return encode_queries(towers, texts)


def _compare(
    args: Args, items: Pinned, ids: list[str], vectors: Vectors, to_fit: Exam, to_judge: Exam
) -> tuple[CategoryIndex, tuple[IndexTrial, IndexTrial]]:
    """Fit the single index and the categories on one half of the queries, and measure them on the other."""
    rows = read_table(items, ["item_id", "category"]).sort_by("item_id")
    if strings(rows, "item_id") != ids:
        raise RuntimeError(
            f"{args.embeddings}: {len(ids):,} vectors, other items than the {len(rows):,} of {args.items}; embed this catalogue first"
        )
    names, category = group_categories([path.partition(" > ")[0] for path in strings(rows, "category")], args.min_items)
    whole = families(*vectors.shape)[0] if args.factory == "auto" else args.factory
    log.info("%s: %s over everything, and %d categories", args.categories, whole, len(names))
    parts = divide(vectors, names, category, whole, args.flat_below, args.seed)
    router = centroids(vectors, category, args.centroids, args.seed)
    fitted = fit(parts, router, category, to_fit, args.recall_target)
    # at equal recall: the single index is fitted to what the categories hold on the same queries
    single = judge_single(vectors, whole, to_fit, to_judge, fitted.recall, args.seed)
    space = args.categories.values["space"]
    made = CategoryIndex(fitted.divided, fitted.router, rows.column("item_id").combine_chunks(), category, space)
    return made, (single, judge_categories(made, to_judge))


def _show(args: Args, made: CategoryIndex, trials: tuple[IndexTrial, IndexTrial], sentence: str) -> None:
    """Print a table for people on standard error; standard output has the JSON line only."""
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 130)
    table = Table(
        title=f"{args.categories}: one thread, judged on {trials[0].queries:,} queries",
        title_justify="left",
        caption=sentence,
        caption_justify="left",
    )
    table.add_column("index")
    for name in SHOWN:
        table.add_column(name, justify="right")
    for trial in trials:
        table.add_row(trial.name, *(show(trial) for show in SHOWN.values()))
    console.print(table)
    largest = sorted(made.parts, key=lambda part: -len(part.rows))
    sizes_text = ", ".join(f"{printable(part.name, 40)} {len(part.rows):,}" for part in largest[:8])
    more = f", and {len(largest) - 8} more" if len(largest) > 8 else ""
    console.print(f"{len(largest)} categories: {sizes_text}{more}", markup=False, highlight=False)
