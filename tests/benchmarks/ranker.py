"""ROOM=ranker: trees on Chorus; trees and neural rankers against LightGBM's own call, XGBoost and CatBoost, on its example.

201 lists to train on, 50 to test (`lambdarank` of NIGHTSHELF_DATA); the gain is 2^label - 1. nDCG is the mean of three
seeds; settings are the library's defaults of each side but for 100 trees of 31 leaves and a rate of .1.
"""

from __future__ import annotations

import os
import sys
import time
import timeit
from collections.abc import Callable
from functools import partial
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import lightgbm as lgb
import numpy as np
import torch

from models.reranking.features import Candidates, item_arrays, list_features
from models.reranking.numbers import NUMBERS
from models.reranking.trees import TreeSettings, quiet
from tests.benchmarks._compare import compare, tell
from tests.benchmarks._ranker_chorus import chorus, interval
from tests.benchmarks._ranker_lists import ReadyLists, lambdarank_set, loss_plan, neural, scores_of, trees
from tests.real_data import DATA

SEEDS, TREES = 3, 100
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


def tell_features() -> None:
    """Fastest of 20 rounds of the features of one list of 300, against the 20 ms that a ranker may add to a search."""
    titles = [f"Brand{row % 50} model {row} drill cordless 18V set with two batteries" for row in range(3_000)]
    numbers = np.zeros((len(titles), len(NUMBERS)), np.float32)
    items = item_arrays(titles, [f"Brand{row % 50}" for row in range(len(titles))], numbers, "none")
    scores, ranks = np.linspace(1, 0, 300).astype(np.float32), np.arange(1, 301, dtype=np.int32)
    listed = Candidates(np.arange(0, 3_000, 10), scores, ranks, scores, ranks, scores)
    best = 1000 * min(
        timeit.repeat(lambda: list_features(items, "brand7 cordless drill 18v", listed), number=1, repeat=20)
    )
    tell("ranker: features of 300 items", best, 20.0, "limit", 20 / best, "ms", "fastest of 20")


def main() -> None:
    """Features, Chorus, then quality of every side on the example, then training rows and scored lists a CPU-second of the trees."""
    torch.set_num_threads(1)
    tell_features()
    for words, with_attributes in (("titles", False), ("titles and attributes", True)):
        plain, ranked = chorus(DATA / "chorus", with_attributes)
        low, high = interval(ranked - plain)
        varied = f"BM25 over {words}; {len(plain)} queries, gain {low:+.3f} to {high:+.3f}"
        mine, theirs = float(ranked.mean()), float(plain.mean())
        tell("ranker: Chorus, trees", mine, theirs, "BM25", mine / theirs, "nDCG@10", varied)
    train, test = (lambdarank_set(DATA / "lambdarank", name) for name in ("train", "test"))
    apart = np.abs(np.asarray(ours(train, 0)(test)) - np.asarray(lightgbm(train, 0)(test))).max()
    peers = {"LightGBM": lightgbm, "XGBoost": xgboost, "CatBoost YetiRank": catboost}
    sides = {"trees": ours, "neural ndcg2pp": neural_of("ndcg2pp"), "neural neural_ndcg": neural_of("neural_ndcg")}
    best = {}
    for name, make in {**sides, **peers}.items():
        started = time.perf_counter()
        best[name] = ndcg(make, train, test, 5)
        sys.stderr.write(
            f"{name}: nDCG@5 {best[name][0]:.3f} +-{best[name][1]:.3f}, {time.perf_counter() - started:.0f} s\n"
        )
    for name in sides:
        for peer in peers:
            mine, theirs = best[name][0], best[peer][0]
            varied = f"seed, {SEEDS}; 50 lists, +-{best[name][1]:.2f}; LightGBM apart {apart:.1g}"
            tell(f"ranker: {name}", mine, theirs, peer, mine / theirs, "nDCG@5", varied)
    for peer, other in peers.items():
        mine_of, theirs_of = partial(ours, train, 0), partial(other, train, 0)
        compare("ranker: training", mine_of, theirs_of, peer, len(train.labels), "row", "side")
        scored, peer_scored = partial(mine_of(), test), partial(theirs_of(), test)
        compare("ranker: scoring", scored, peer_scored, peer, len(test), "list", "side", 20)


if __name__ == "__main__":
    main()
