"""Trees that re-rank BM25's first 300 of Chorus (72 queries, grades 0 to 3): five folds by query, unjudged as 0.

Settings are chosen by nested cross-validation: by four folds within the training part of each fold, so that no query is
told by settings that it helped to choose.
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.evaluation.intervals import mean_interval
from models.reranking.features import FEATURES, Candidates, item_arrays, list_features
from models.reranking.numbers import NUMBERS
from models.reranking.trees import TreeData, TreeSettings, fit_trees, to_grades
from models.sparse.bm25 import build_sparse
from tests.benchmarks._compare import tell

Floats = NDArray[np.float64]
DEPTH, FOLDS, INNER, SEEDS, TOP_GRADE = 300, 5, 4, 3, 3
# the first is what was always used here; the others are for few lists
CHOICES: dict[str, dict[str, Any]] = {
    "7 leaves": {"rounds": 60, "leaves": 7, "min_rows": 100},
    "3 leaves": {"rounds": 60, "leaves": 3, "min_rows": 200, "column_frac": 0.4},
    "stumps": {"rounds": 100, "leaves": 2, "min_rows": 200, "column_frac": 0.4},
    "4 leaves, bagged": {"rounds": 60, "leaves": 4, "min_rows": 300, "column_frac": 0.3, "row_frac": 0.6},
}


@dataclass(frozen=True)
class Judged:
    """Lists with their features [n, F], labels [n] and the labels of all that was judged; plain: nDCG@10 of BM25's order."""

    features: list[NDArray[np.float32]]
    labels: list[Floats]
    ideal: list[list[float]]

    @property
    def plain(self) -> Floats:
        """nDCG@10 of each query by the order of the first stage."""
        return np.array([self.ndcg10(row, -np.arange(len(own))) for row, own in enumerate(self.labels)])

    def ndcg10(self, row: int, scores: NDArray[Any]) -> float:
        """nDCG@10 against all that was judged, also what the first stage did not find."""
        discounts = 1 / np.log2(2 + np.arange(10))
        gains = np.exp2(self.labels[row][np.argsort(-scores, kind="stable")][:10]) - 1
        best = np.exp2(np.sort(self.ideal[row])[::-1][:10]) - 1
        whole = (best * discounts[: len(best)]).sum()
        return float((gains * discounts[: len(gains)]).sum() / whole) if whole else 0.0

    def held_out(self, train: NDArray[np.int64], test: NDArray[np.int64], choice: str, seeds: int) -> Floats:
        """nDCG@10 of test lists by trees of the training lists: the mean score of trees of some seeds."""
        matrix = np.concatenate([self.features[row] for row in train])
        sizes = np.array([len(self.labels[row]) for row in train])
        data = TreeData(
            lambda start, stop: matrix[start:stop],
            to_grades(np.concatenate([self.labels[row] for row in train])),
            sizes,
        )
        boosters = [
            fit_trees(data, None, FEATURES, TreeSettings(**CHOICES[choice], seed=seed)).booster for seed in range(seeds)
        ]
        scores = ([booster.predict(self.features[row]) for booster in boosters] for row in test)
        return np.array([self.ndcg10(row, np.mean(own, axis=0)) for row, own in zip(test, scores, strict=True)])

    def folded(self, rows: NDArray[np.int64], folds: int, choice: str) -> Floats:
        """nDCG@10 of each of some lists by the trees of the other folds."""
        fold, values = np.arange(len(rows)) % folds, np.zeros(len(rows))
        for number in range(folds):
            test = np.flatnonzero(fold == number)
            values[test] = self.held_out(rows[fold != number], rows[test], choice, seeds=1)
        return values

    def nested(self) -> tuple[Floats, Counter[str]]:
        """nDCG@10 of each list by the settings that the other folds chose among themselves, and how often each was chosen."""
        order = np.random.default_rng(0).permutation(len(self.labels))
        fold, values, chosen = np.arange(len(order)) % FOLDS, np.zeros(len(order)), Counter[str]()
        for number in range(FOLDS):
            train, test = order[fold != number], order[fold == number]
            best = max(CHOICES, key=lambda choice: float(self.folded(train, INNER, choice).mean()))
            chosen[best] += 1
            values[test] = self.held_out(train, test, best, SEEDS)
        return values, chosen


def tell_chorus(folder: Path) -> None:
    """Nested trees against BM25's order, over titles, and over titles and attributes."""
    for words, with_attributes in (("titles", False), ("titles and attributes", True)):
        judged = judged_lists(folder, with_attributes)
        ranked, chosen = judged.nested()
        gain = mean_interval(ranked - judged.plain)
        mine, theirs = float(ranked.mean()), float(judged.plain.mean())
        varied = f"BM25 over {words}; {len(ranked)} queries, gain {gain.low:+.3f} to {gain.high:+.3f}; {dict(chosen)}"
        tell("ranker: Chorus, trees", mine, theirs, "BM25", mine / theirs, "nDCG@10", varied)
        sys.stdout.flush()


def rows_of(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def judged_lists(folder: Path, with_attributes: bool) -> Judged:
    """BM25's first 300 of each query, with their features and grades."""
    items = sorted(rows_of(folder / "items.csv.gz"), key=lambda row: row["item_id"])
    row_of = {item["item_id"]: row for row, item in enumerate(items)}
    attributes = [json.loads(item["attributes"] or "{}") for item in items]
    numbers = np.full((len(items), len(NUMBERS)), np.nan, np.float32)
    numbers[:, NUMBERS.index("price")] = [float(item["price"] or "nan") for item in items]
    numbers[:, NUMBERS.index("attributes")] = [len(filled) for filled in attributes]
    arrays = item_arrays([item["title"] for item in items], [item["brand"] for item in items], numbers, "en")
    grades: dict[str, dict[int, float]] = {}
    for row in rows_of(folder / "relevance.csv.gz"):
        if row["item_id"] in row_of:
            grades.setdefault(row["query"], {})[row_of[row["item_id"]]] = float(row["relevance"]) / TOP_GRADE
    queries = sorted(grades)
    more = [" ".join(map(str, filled.values())) if with_attributes else "" for filled in attributes]
    texts = [f"{item['title']} {item['brand']} {added}" for item, added in zip(items, more, strict=True)]
    ranked = build_sparse(texts, "en").search(queries, DEPTH)
    features, labels = [], []
    for query, listed, scores in zip(queries, ranked.items, ranked.scores, strict=True):
        rows, score = listed[listed >= 0], scores[listed >= 0]
        none, place = np.zeros(len(rows), np.int32), np.arange(1, len(rows) + 1, dtype=np.int32)
        stage = Candidates(rows, score, none, np.full(len(rows), np.nan, np.float32), place, score)
        features.append(list_features(arrays, query, stage))
        labels.append(np.array([grades[query].get(row, 0.0) for row in rows.tolist()]))
    ideal = [list(grades[query].values()) for query in queries]
    return Judged(features, labels, ideal)
