"""ROOM=report: measures against trec_eval called with dicts, ir_measures' way, and ranx; statistics against scipy, one thread.

Both sides start from the rankings as a table has them (ids as strings, rank) and must end with the values of every query;
their means must agree to nine digits. Then ours alone at 100,000 queries x 1,000 items, which dicts would not hold in memory.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
import pytrec_eval
import ranx
from numba.core.errors import NumbaTypeSafetyWarning
from scipy import stats

from jobs.datasets.judgements import judge_items
from models.evaluation.intervals import mean_intervals
from models.evaluation.measures import measure
from models.evaluation.significance import permutation_p
from tests.benchmarks._compare import compare, cpu_s

NAMES = ("R@10", "R@60", "R@100", "R@1000", "RR@100", "nDCG@10", "AP@1000")
RANX = ["recall@10", "recall@60", "recall@100", "recall@1000", "mrr@100", "ndcg@10", "map@1000"]
TREC = {"recall.10,60,100,1000", "recip_rank", "ndcg_cut.10", "map"}
TREC_KEYS = ("recall_10", "recall_60", "recall_100", "recall_1000", "ndcg_cut_10", "map")
ITEMS, JUDGED = 1_000_000, 10


def shop(queries: int, depth: int, coded: bool = False) -> tuple[pa.Table, pa.Table]:
    """(rankings, qrels): each list `depth` different items, ten judged for each query, half of them shown."""
    rng = np.random.default_rng(0)
    start = rng.integers(0, ITEMS, (queries, 1))
    # a step that shares no factor with the number of items: no item twice in a list
    items = (start + np.arange(depth) * 7919) % ITEMS
    shown = rng.integers(0, depth, (queries, JUDGED // 2))
    judged = np.concatenate(
        [np.take_along_axis(items, shown, axis=1), rng.integers(0, ITEMS, (queries, JUDGED - JUDGED // 2))], axis=1
    )
    query = np.repeat(np.arange(queries), JUDGED)
    keys = np.unique(query * ITEMS + judged.ravel())
    names = pa.array([f"query-{n:032d}" for n in range(queries)])
    ids = pa.array([f"item-{n:08d}" for n in range(ITEMS)])

    def column(values: pa.Array, rows: np.ndarray) -> pa.Array:
        at = pa.array(rows.astype(np.int32))
        return pa.DictionaryArray.from_arrays(at, values) if coded else values.take(at)

    rankings = pa.table(
        {
            "query_id": column(names, np.repeat(np.arange(queries), depth)),
            "item_id": column(ids, items.ravel()),
            "rank": pa.array(np.tile(np.arange(1, depth + 1, dtype=np.int32), queries)),
        }
    )
    qrels = pa.table(
        {
            "query_id": names.take(pa.array(keys // ITEMS)),
            "item_id": ids.take(pa.array(keys % ITEMS)),
            "relevance": rng.integers(1, 4, len(keys)).astype(np.float64),
        }
    )
    return rankings, qrels


def ours(rankings: pa.Table, qrels: pa.Table) -> np.ndarray:
    """Values [Q, M]."""
    judgements = judge_items(qrels, 1.0)
    return measure(judgements.judged, judgements.hits(rankings), NAMES)


def dicts(rankings: pa.Table, qrels: pa.Table) -> tuple[dict, dict]:
    """The same as both libraries want it."""
    judged: dict[str, dict[str, int]] = {}
    for row in zip(*(qrels.column(n).to_pylist() for n in ("query_id", "item_id", "relevance")), strict=True):
        judged.setdefault(row[0], {})[row[1]] = int(row[2])
    run: dict[str, dict[str, float]] = {}
    for row in zip(*(rankings.column(n).to_pylist() for n in ("query_id", "item_id", "rank")), strict=True):
        run.setdefault(row[0], {})[row[1]] = -float(row[2])
    return judged, run


def by_trec_eval(rankings: pa.Table, qrels: pa.Table) -> np.ndarray:
    """As most notebooks call it."""
    judged, run = dicts(rankings, qrels)
    found = pytrec_eval.RelevanceEvaluator(judged, TREC).evaluate(run)
    return np.array([[found[query][key] for key in TREC_KEYS] for query in sorted(judged)])


def by_ranx(rankings: pa.Table, qrels: pa.Table) -> np.ndarray:
    """Compiled before, as in a notebook's second cell."""
    judged, run = dicts(rankings, qrels)
    found = ranx.evaluate(ranx.Qrels(judged), ranx.Run(run), RANX, return_mean=False)
    return np.stack([found[name] for name in RANX], axis=1)


def say(**values: object) -> None:
    """One JSON line."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """(CPU, wall) seconds."""
    started, cpu = time.perf_counter(), time.process_time()
    work()
    return time.process_time() - cpu, time.perf_counter() - started


def measures() -> None:
    """Ours against both libraries, then alone at a size that they do not reach."""
    small = shop(200, 1000)
    mine, trec, other = (side(*small) for side in (ours, by_trec_eval, by_ranx))
    rows = [NAMES.index(name) for name in ("R@10", "R@60", "R@100", "R@1000", "nDCG@10", "AP@1000")]
    say(
        name="largest difference of a value",
        trec_eval=float(np.abs(mine[:, rows] - trec).max()),
        ranx=float(np.abs(mine - other).max()),
    )
    for queries, depth in ((5_000, 100), (2_000, 1_000)):
        given = shop(queries, depth)
        for name, peer in (("pytrec_eval", by_trec_eval), ("ranx", by_ranx)):
            compare(
                "measures of every query",
                lambda given=given: ours(*given),
                lambda given=given, peer=peer: peer(*given),
                name,
                queries,
                "queries",
                f"{queries:,} queries x {depth:,}, from a table of ids",
                rounds=2,
            )
    given = shop(100_000, 1_000, coded=True)
    cpu, wall = timed(lambda: ours(*given))
    say(
        name="measures alone",
        queries=100_000,
        depth=1_000,
        ids="as Parquet's dictionaries have them",
        cpu_s=round(cpu, 2),
        wall_s=round(wall, 2),
    )


def statistics() -> None:
    """10,000 resamples."""
    rng = np.random.default_rng(0)
    values = rng.choice([0.0, 0.25, 0.5, 1.0], (2_000, 1))
    moved = values + rng.normal(0, 0.2, values.shape) - values
    compare(
        "bootstrap of a mean, 10,000 resamples",
        lambda: mean_intervals(values, resamples=10_000),
        lambda: stats.bootstrap(
            (values[:, 0],), np.mean, n_resamples=10_000, method="percentile", vectorized=True, batch=500
        ),
        "scipy.stats.bootstrap",
        1,
        "means",
        "2,000 queries",
        rounds=2,
    )
    several = rng.choice([0.0, 0.25, 0.5, 1.0], (2_000, 18))
    compare(
        "bootstrap of 18 means, 10,000 resamples",
        lambda: mean_intervals(several, resamples=10_000),
        lambda: stats.bootstrap(
            (several,), np.mean, n_resamples=10_000, method="percentile", vectorized=True, batch=100, axis=0
        ),
        "scipy.stats.bootstrap",
        18,
        "means",
        "2,000 queries",
        rounds=1,
    )
    compare(
        "permutation test, 10,000 resamples",
        lambda: permutation_p(moved),
        lambda: stats.permutation_test(
            (moved[:, 0],), np.mean, permutation_type="samples", n_resamples=10_000, vectorized=True, batch=500
        ),
        "scipy.stats.permutation_test",
        1,
        "tests",
        "2,000 queries",
        rounds=2,
    )
    for queries, count in ((2_000, 18), (100_000, 18)):
        many = rng.choice([0.0, 0.25, 0.5, 1.0], (queries, count))
        say(
            name="alone, 10,000 resamples",
            queries=queries,
            measures=count,
            bootstrap_cpu_s=round(cpu_s(lambda many=many: mean_intervals(many, resamples=10_000)), 2),
            permutation_cpu_s=round(cpu_s(lambda many=many: permutation_p(many - 0.5)), 2),
        )


def main() -> None:
    """Everything, one JSON line each."""
    warnings.simplefilter("ignore", NumbaTypeSafetyWarning)
    measures()
    statistics()


if __name__ == "__main__":
    main()
