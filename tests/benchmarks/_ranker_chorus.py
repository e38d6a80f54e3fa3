"""Trees that re-rank BM25's first 300 of Chorus (72 queries, grades 0 to 3): five folds by query, unjudged as 0."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.reranking.features import FEATURES, Candidates, item_arrays, list_features
from models.reranking.numbers import NUMBERS
from models.reranking.trees import TreeData, TreeSettings, fit_trees, to_grades
from models.sparse.bm25 import build_sparse

Floats = NDArray[np.float64]
DEPTH, FOLDS, SEEDS, TOP_GRADE, RESAMPLES = 300, 5, 3, 3, 2_000
SETTINGS = {"rounds": 60, "leaves": 7, "min_rows": 100}


def rows_of(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def ndcg10(scores: Floats, labels: Floats, ideal: list[float]) -> float:
    """nDCG@10 against all that was judged, also what the first stage did not find."""
    discounts = 1 / np.log2(2 + np.arange(10))
    gains = np.exp2(labels[np.argsort(-scores, kind="stable")][:10]) - 1
    best = np.exp2(np.sort(ideal)[::-1][:10]) - 1
    whole = (best * discounts[: len(best)]).sum()
    return float((gains * discounts[: len(gains)]).sum() / whole) if whole else 0.0


def chorus(folder: Path, with_attributes: bool) -> tuple[Floats, Floats]:
    """nDCG@10 of each query: of BM25's order, and of the trees', the mean of the seeds."""
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
    plain = [ndcg10(-np.arange(len(own)), own, best) for own, best in zip(labels, ideal, strict=True)]
    seeds = [folded(features, labels, ideal, seed) for seed in range(SEEDS)]
    return np.array(plain), np.mean(seeds, axis=0)


def folded(features: list[NDArray[np.float32]], labels: list[Floats], ideal: list[list[float]], seed: int) -> Floats:
    """nDCG@10 of each query by the trees of the other folds."""
    fold = np.random.default_rng(seed).permutation(len(labels)) % FOLDS
    values = np.zeros(len(labels))
    for number in range(FOLDS):
        train = np.flatnonzero(fold != number)
        matrix = np.concatenate([features[row] for row in train])
        sizes = np.array([len(labels[row]) for row in train])
        grades = to_grades(np.concatenate([labels[row] for row in train]))
        data = TreeData(lambda start, stop, matrix=matrix: matrix[start:stop], grades, sizes)  # type: ignore[misc]
        fitted = fit_trees(data, None, FEATURES, TreeSettings(**SETTINGS, seed=seed))  # type: ignore[arg-type]
        for row in np.flatnonzero(fold == number).tolist():
            values[row] = ndcg10(np.asarray(fitted.booster.predict(features[row])), labels[row], ideal[row])
    return values


def interval(gain: Floats) -> tuple[float, float]:
    """95% interval of a mean over queries, by bootstrap."""
    rng = np.random.default_rng(0)
    means = [gain[rng.integers(0, len(gain), len(gain))].mean() for _ in range(RESAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
