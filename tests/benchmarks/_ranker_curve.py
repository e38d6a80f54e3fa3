"""Learning curve of the trees: lists of a simulated shop, held as `listings` are read, 34 bytes a row.

    python -m tests.benchmarks._ranker_curve --rows 1000000 --rounds 100

Queries, items and true grades are the marketplace's; BM25 makes the lists, and each query is searched 20 times in a noisy
order of BM25's, with clicks by position. Labels follow from the clicks as in `listings`, nDCG@10 is of the true grades.
Each size is a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from jobs.reranking.dataset import KEPT, ListingData
from models.evaluation.intervals import mean_interval
from models.reranking.features import FEATURES, ItemArrays, item_arrays
from models.reranking.labels import list_labels
from models.reranking.numbers import NUMBERS
from models.reranking.training import list_ndcg
from models.reranking.trees import TreeSettings, fit_trees
from models.simulator.click_model import ClickModel, gain
from models.simulator.marketplace import offers
from models.simulator.marketplace.queries import asked, texts
from models.simulator.marketplace.relevance import grade
from models.sparse.bm25 import SparseIndex, build_sparse

ITEMS, DEPTH, SEARCHES, SHOWN, NOISE, DAY, SEED = 20_000, 300, 20, 20, 0.18, 739_646, 7
DEV, TEST, AT_ONCE = 300, 1_000, 2_000
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Shop:
    """Items as rankers read them, the engine that finds them, and what they truly are."""

    arrays: ItemArrays
    engine: SparseIndex
    latents: NDArray[np.int64]

    @classmethod
    def made(cls) -> Shop:
        """The shop of one day."""
        made = offers(SEED, np.arange(ITEMS), DAY)
        numbers = np.full((ITEMS, len(NUMBERS)), np.nan, np.float32)
        numbers[:, NUMBERS.index("price")] = made.prices
        titles, brands = made.titles.tolist(), [brand or "" for brand in made.brands.tolist()]
        engine = build_sparse([f"{title} {brand}" for title, brand in zip(titles, brands, strict=True)], "pl")
        return cls(item_arrays(titles, brands, numbers, "pl"), engine, made.latents)


def lists(shop: Shop, count: int, first: int, split: str) -> tuple[ListingData, list[NDArray[np.int8]]]:
    """Lists of the queries from number `first` on, until there are `count` with a click, and the true grades of each."""
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in KEPT}
    queries: list[str] = []
    grades: list[NDArray[np.int8]] = []
    while len(queries) < count:
        drawn = asked(SEED, np.arange(first, first + AT_ONCE), ITEMS, DAY, 50_000)
        found = shop.engine.search(words := [str(text).lower() for text in texts(SEED, drawn).tolist()], DEPTH)
        for text, wanted, listed, scores in zip(words, drawn.wanted, found.items, found.scores, strict=True):
            rows = listed[listed >= 0]
            if len(rows) < SHOWN or len(queries) == count:
                continue
            truth = grade(wanted[None], shop.latents[rows])
            if _add(parts, rows, scores[: len(rows)], truth, first + len(queries)):
                queries.append(text)
                grades.append(truth)
        first += AT_ONCE
    columns = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    offsets = np.concatenate([[0], np.cumsum([len(truth) for truth in grades])])
    bundle = cast(Any, SimpleNamespace(item_arrays=shop.arrays))
    return ListingData(bundle, columns, offsets, queries, np.array([split] * len(queries))), grades


def _add(
    parts: dict[str, list[NDArray[Any]]],
    rows: NDArray[np.int64],
    scores: NDArray[np.float32],
    truth: NDArray[np.int8],
    number: int,
) -> bool:
    """Add a list with the labels of its clicks; False where nobody clicked."""
    rng, model, n = np.random.default_rng([SEED, number]), ClickModel(), len(rows)
    order = np.argsort(-scores / scores[0] + NOISE * rng.standard_normal((SEARCHES, n)), axis=1)[:, :SHOWN]
    seen = np.broadcast_to(model.propensities(SHOWN), order.shape)
    likely = seen * model.attraction(gain(truth.astype(np.float64), 0.0, 3.0))[order]
    clicked = (rng.random(order.shape) < likely).astype(np.float64)
    places = np.broadcast_to(np.arange(1.0, SHOWN + 1), order.shape)
    looks, clicks, examined, where = (
        np.bincount(order.ravel(), values.ravel(), n) for values in (np.ones_like(seen), clicked, seen, places)
    )
    if not clicks.any():
        return False
    known = np.flatnonzero(looks)[np.argsort(rows[np.flatnonzero(looks)])]
    mean = (where[known] / looks[known]).astype(np.int32)
    labels = list_labels(rows, rows[known], clicks[known], examined[known], mean, 1.0, 0.1, True)
    none, place = np.zeros(n, np.int32), np.arange(1, n + 1)
    made = {"row": rows, "score": scores, "dense_rank": none, "dense_score": np.full(n, np.nan), "sparse_rank": place}
    made |= {"sparse_score": scores, "label": labels.label, "weight": labels.weight, "position": labels.position}
    for name, kind in KEPT.items():
        parts[name].append(np.asarray(made[name]).astype(kind))
    return True


def measured(rows: int, rounds: int, threads: int) -> dict[str, Any]:
    """Train on so many rows; peak memory, seconds and nDCG@10 of BM25's order and of the trees'."""
    shop, settings = Shop.made(), TreeSettings(rounds=rounds, patience=rounds, lr=0.1, threads=threads)
    dev, _ = lists(shop, DEV, 10_000_000, "dev")
    test, grades = lists(shop, TEST, 20_000_000, "test")
    train, _ = lists(shop, rows // DEPTH, 0, "train")
    before = peak_mb()
    started, cpu = time.perf_counter(), time.process_time()
    data, chosen_by = train.subset("train").trees(settings.levels), dev.subset("dev").trees(settings.levels)
    fitted = fit_trees(data, chosen_by, FEATURES, settings)
    spent = {"seconds": time.perf_counter() - started, "cpu_s": time.process_time() - cpu, "peak_mb": peak_mb()}
    plain, ranked = (
        np.array([_ndcg(score(number), truth) for number, truth in enumerate(grades)])
        for score in (
            lambda number: -np.arange(len(grades[number]), dtype=np.float64),
            lambda number: np.asarray(fitted.booster.predict(test.features(number), num_iteration=fitted.rounds)),
        )
    )
    gain_of = mean_interval(ranked - plain)
    return {
        "rows": len(train.columns["row"]),
        "lists": len(train.queries),
        "trees": fitted.rounds,
        **{name: round(value, 1) for name, value in spent.items()},
        "peak_mb_before": round(before, 1),
        "bm25": round(float(plain.mean()), 4),
        "ndcg10": round(float(ranked.mean()), 4),
        "gain": [round(value, 4) for value in (gain_of.low, gain_of.high)],
    }


def _ndcg(scores: Floats, truth: NDArray[np.int8]) -> float:
    labels = truth.astype(np.float64)[None]
    return float(list_ndcg(scores[None], labels, np.ones_like(labels, dtype=bool))[0])


def peak_mb() -> float:
    """Most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def curve(sizes: list[int], rounds: int, threads: int) -> None:
    """A line for each size, from a process of its own."""
    for rows in sizes:
        flags = ["--rows", str(rows), "--rounds", str(rounds), "--threads", str(threads)]
        subprocess.run([sys.executable, "-m", "tests.benchmarks._ranker_curve", *flags], check=True)


def main() -> None:
    """One size."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    line = {"name": "ranker: learning curve", **measured(args.rows, args.rounds, args.threads)}
    sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
