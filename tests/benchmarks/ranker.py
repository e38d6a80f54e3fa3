"""ROOM=ranker: time to re-rank 300; Chorus; trees and neural rankers against LightGBM, XGBoost and CatBoost on its example.

Other parts: --part shop (a simulated shop with known relevance), homedepot (people's labels), curve (rows of listings).

201 lists to train on, 50 to test (`lambdarank` of NIGHTSHELF_DATA); the gain is 2^label - 1. nDCG is the mean of three
seeds; settings are the library's defaults of each side but for 100 trees of 31 leaves and a rate of .1.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

os.environ.setdefault("OMP_NUM_THREADS", "1")

import lightgbm as lgb
import numpy as np
import torch

from jobs.bundle.query_encoder import session
from jobs.bundle.reranker import GRAPH_FILE
from jobs.reranking.neural_files import write_neural
from models.reranking.features import FEATURES, Candidates, item_arrays, list_features
from models.reranking.neural import NeuralConfig, NeuralRanker
from models.reranking.numbers import NUMBERS
from models.reranking.onnx_ranker import INPUTS
from models.reranking.trees import TreeData, TreeSettings, fit_trees, quiet
from tests.benchmarks import _ranker_curve, _ranker_homedepot, _ranker_shop
from tests.benchmarks._compare import compare, tell
from tests.benchmarks._ranker_chorus import tell_chorus
from tests.benchmarks._ranker_lists import ReadyLists, lambdarank_set, loss_plan, neural, scores_of, trees
from tests.real_data import DATA

SEEDS, TREES = 3, 100
ROUNDS, TIMED = 5, 50  # of re-ranking a list
Scorer = Callable[[ReadyLists], Any]


def settings(seed: int = 0) -> TreeSettings:
    return TreeSettings(rounds=TREES, lr=0.1, levels=0, column_frac=1.0, truncation=30, row_frac=0.9, seed=seed)


def ours(train: ReadyLists, seed: int) -> Scorer:
    fitted = trees(train, settings(seed), [f"f{place}" for place in range(train.features.shape[1])])
    return lambda lists: fitted.booster.predict(lists.features, num_threads=1)


def lightgbm(train: ReadyLists, seed: int) -> Scorer:
    parameters = settings(seed).parameters()
    quiet()
    data = lgb.Dataset(train.features, train.labels, group=train.sizes, params=parameters)
    booster = lgb.train(parameters, data, TREES)
    return lambda lists: booster.predict(lists.features, num_threads=1)


def xgboost(train: ReadyLists, seed: int) -> Scorer:
    import xgboost

    groups = np.repeat(np.arange(len(train)), train.sizes)
    data = xgboost.DMatrix(train.features, train.labels, qid=groups)
    parameters = {"objective": "rank:ndcg", "eta": 0.1, "max_leaves": 31, "max_depth": 0, "grow_policy": "lossguide"}
    booster = xgboost.train({**parameters, "seed": seed, "nthread": 1, "subsample": 0.9}, data, TREES)
    booster.set_param({"nthread": 1})
    return lambda lists: booster.inplace_predict(lists.features)


def catboost(train: ReadyLists, seed: int) -> Scorer:
    from catboost import CatBoost, Pool  # type: ignore[import-untyped]

    def pool(lists: ReadyLists) -> Any:
        return Pool(lists.features, lists.labels, group_id=np.repeat(np.arange(len(lists)), lists.sizes))

    parameters = {"loss_function": "YetiRank", "iterations": TREES, "learning_rate": 0.1, "depth": 5}
    model = CatBoost(
        {**parameters, "random_seed": seed, "thread_count": 1, "verbose": False, "allow_writing_files": False}
    )
    model.fit(pool(train))
    return lambda lists: model.predict(lists.features, thread_count=1)


def neural_of(loss: str) -> Callable[[ReadyLists, int], Scorer]:
    def make(train: ReadyLists, seed: int) -> Scorer:
        model = neural(train, loss_plan(loss, 10, seed, 4.0, weight_decay=0.05), hidden=64, blocks=0, dropout=0.3)
        return lambda lists: scores_of(model, lists)

    return make


def ndcg(make: Callable[[ReadyLists, int], Scorer], train: ReadyLists, test: ReadyLists, k: int) -> tuple[float, float]:
    """Mean nDCG@k over the seeds, and the half width of its 95% interval over lists."""
    values = np.mean([test.ndcg(np.asarray(make(train, seed)(test)), k) for seed in range(SEEDS)], axis=0)
    return float(values.mean()), float(1.96 * values.std(ddof=1) / len(values) ** 0.5)


def tell_reranking() -> None:
    """p99 of re-ranking a list of 300, features and scores, against the 20 ms that a ranker may add to a search."""
    titles = [f"Brand{row % 50} model {row} drill cordless 18V set with two batteries" for row in range(3_000)]
    numbers = np.zeros((len(titles), len(NUMBERS)), np.float32)
    items = item_arrays(titles, [f"Brand{row % 50}" for row in range(len(titles))], numbers, "none")
    scores, ranks = np.linspace(1, 0, 300).astype(np.float32), np.arange(1, 301, dtype=np.int32)
    for kind, score in {"none, features alone": lambda made: made, "trees": _trees(), "neural": _neural()}.items():
        spent = np.zeros((ROUNDS, TIMED))
        for turn in range(ROUNDS):
            for query in range(TIMED):
                listed = Candidates(np.arange(query, 3_000, 10)[:300], scores, ranks, scores, ranks, scores)
                started = time.perf_counter()
                score(list_features(items, f"brand{query} cordless drill {query}v", listed))
                spent[turn, query] = 1000 * (time.perf_counter() - started)
        p99 = float(np.percentile(spent.min(axis=0), 99))
        varied = f"p99 of each list's best of {ROUNDS}; median of all {np.median(spent):.1f}"
        tell(f"ranker: re-ranking 300, {kind}", p99, 20.0, "limit", 20 / p99, "ms", varied)


def _trees() -> Callable[[Any], Any]:
    """400 trees of 31 leaves, of noise: as large as a ranker gets."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60 * 300, len(FEATURES))).astype(np.float32)
    data = TreeData(lambda start, stop: rows[start:stop], rng.integers(0, 31, len(rows), np.int32), np.full(60, 300))
    booster = fit_trees(data, None, FEATURES, TreeSettings()).booster
    return lambda made: booster.predict(made, num_threads=1)


def _neural() -> Callable[[Any], Any]:
    """The graph of the neural ranker at its default size, reading vectors of 128 numbers."""
    rng = np.random.default_rng(0)
    folder = Path(tempfile.mkdtemp())
    write_neural(NeuralRanker(NeuralConfig(len(FEATURES), 128)), cast(Any, SimpleNamespace(folder=folder)))
    graph = session(folder / GRAPH_FILE, 1)
    vectors = rng.normal(size=(1, 128)).astype(np.float32), rng.normal(size=(300, 128)).astype(np.float32)
    return lambda made: graph.run(None, dict(zip(INPUTS, (made, *vectors), strict=True)))


def peers() -> None:
    """Quality of every side on the example, then training rows and scored lists a CPU-second of the trees."""
    train, test = (lambdarank_set(DATA / "lambdarank", name) for name in ("train", "test"))
    apart = np.abs(np.asarray(ours(train, 0)(test)) - np.asarray(lightgbm(train, 0)(test))).max()
    others = {"LightGBM": lightgbm, "XGBoost": xgboost, "CatBoost YetiRank": catboost}
    sides = {"trees": ours, "neural ndcg2pp": neural_of("ndcg2pp"), "neural neural_ndcg": neural_of("neural_ndcg")}
    best = {}
    for name, make in {**sides, **others}.items():
        started = time.perf_counter()
        best[name] = ndcg(make, train, test, 5)
        sys.stderr.write(
            f"{name}: nDCG@5 {best[name][0]:.3f} +-{best[name][1]:.3f}, {time.perf_counter() - started:.0f} s\n"
        )
    for name in sides:
        for peer in others:
            mine, theirs = best[name][0], best[peer][0]
            varied = f"seed, {SEEDS}; 50 lists, +-{best[name][1]:.2f}; LightGBM apart {apart:.1g}"
            tell(f"ranker: {name}", mine, theirs, peer, mine / theirs, "nDCG@5", varied)
    for peer, other in others.items():
        mine_of, theirs_of = partial(ours, train, 0), partial(other, train, 0)
        compare("ranker: training", mine_of, theirs_of, peer, TREES * len(train.labels), "row and tree", "side")
        scored, peer_scored = partial(mine_of(), test), partial(theirs_of(), test)
        compare("ranker: scoring", scored, peer_scored, peer, len(test), "list", "side", 20)


def main() -> None:
    """One part; the first three where none is named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--part", choices=["", "time", "chorus", "peers", "shop", "homedepot", "curve"], default="")
    parser.add_argument("--items", type=int, default=4_000, help="of the simulated shop")
    parser.add_argument("--queries", type=int, default=1_200)
    parser.add_argument("--searches", type=int, default=12_000, help="a day")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rows", default="1000000,3000000,10000000", help="of the learning curve")
    parser.add_argument("--rounds", type=int, default=100, help="trees of the learning curve")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.part in ("", "time"):
        tell_reranking()
    if args.part in ("", "chorus"):
        tell_chorus(DATA / "chorus")
    if args.part in ("", "peers"):
        peers()
    if args.part == "shop":
        _ranker_shop.main(args.items, args.queries, args.searches, args.seed)
    if args.part == "homedepot":
        _ranker_homedepot.main(DATA / "homedepot")
    if args.part == "curve":
        _ranker_curve.curve([int(rows) for rows in args.rows.split(",")], args.rounds, threads=1)


if __name__ == "__main__":
    main()
