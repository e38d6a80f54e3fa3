"""The second stage of a search: a ranker that puts the first 300 items of a bundle's list into a better order.

    from jobs.bundle.reranker import open_reranker

    reranker = open_reranker(pin_alias("reranking/champion"))
    bundle.search("tenisówki pikachu", rerank=reranker)

It loads LightGBM or onnxruntime and no torch. A ranker reads the scores of the towers that it was trained with, so it is
refused for a bundle of other towers.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from jobs.bundle.query_encoder import session
from jobs.bundle.reader import Bundle, FirstStage
from jobs.lake.read import Pinned
from models.reranking.features import FEATURES, list_features

Floats = NDArray[np.float32]
TREES_FILE = "ranker.txt"
WEIGHTS_FILE = "ranker.safetensors"
GRAPH_FILE = "ranker.onnx"
CONFIG_FILE = "config.json"
GOLDEN_FILE = "golden.safetensors"
TREES, NEURAL = "trees", "neural"
# of a golden listing's scores: another library or machine rounds differently, another model is far off
MOST_APART = 1e-4
Scorer = Callable[[Floats, Floats, Floats], Floats]  # numbers [n, F], query [1, D], items [n, D] to scores [n]


@dataclass(frozen=True)
class Reranker:
    """A verified ranker. reads_vectors: whether it needs the towers' vectors beside the numbers."""

    pinned: Pinned
    kind: str
    score: Scorer
    reads_vectors: bool

    @property
    def name(self) -> str:
        """Address of the ranker."""
        return str(self.pinned.partition)

    def fits(self, bundle: Bundle) -> None:
        """Refuse a bundle whose scores the ranker has never seen.

        Raises:
            RuntimeError: the bundle is of other towers.
        """
        trained, given = self.pinned.facts["space_id"], bundle.facts["space_id"]
        if trained != given:
            raise RuntimeError(
                f"{self.name}: trained on listings of space {trained}, {bundle.name} is of space {given};"
                " make listings of this bundle and train the ranker again"
            )

    def scores(self, bundle: Bundle, query: str, first: FirstStage) -> Floats:
        """Scores [n] of the items of a first stage."""
        numbers = list_features(bundle.item_arrays, query, first.listed)
        items = (
            bundle.item_vectors(first.listed.rows) if self.reads_vectors else np.zeros((len(numbers), 0), np.float32)
        )
        return self.score(numbers, first.vector[None], items)


def open_reranker(pinned: Pinned, threads: int = 1) -> Reranker:
    """Open a ranker for serving; each file is checked, and the golden listings must have the scores that they had.

    Raises:
        RuntimeError: a file is damaged, the ranker reads other features than this code makes, or golden scores moved.
    """
    if tuple(pinned.facts["features"]) != FEATURES:
        raise RuntimeError(
            f"{pinned.partition}: reads {len(pinned.facts['features'])} features, this code makes {len(FEATURES)} or"
            " others; train the ranker again with this code"
        )
    kind = str(pinned.facts["kind"])
    score, reads_vectors = _trees(pinned, threads) if kind == TREES else _neural(pinned, threads)
    reranker = Reranker(pinned, kind, score, reads_vectors)
    _check_golden(reranker)
    return reranker


def _trees(pinned: Pinned, threads: int) -> tuple[Scorer, bool]:
    import lightgbm as lgb

    booster = lgb.Booster(model_str=pinned.path(TREES_FILE).read_text("utf-8"))

    def score(numbers: Floats, query: Floats, items: Floats) -> Floats:
        if not len(numbers):
            return np.zeros(0, np.float32)
        return np.asarray(booster.predict(numbers, num_threads=threads), np.float32)

    return score, False


def _neural(pinned: Pinned, threads: int) -> tuple[Scorer, bool]:
    config: dict[str, Any] = json.loads(pinned.path(CONFIG_FILE).read_bytes())
    pinned.path(WEIGHTS_FILE)  # checked, and fetched into the folder of the graph
    graph = session(pinned.path(GRAPH_FILE), threads)
    inputs = [given.name for given in graph.get_inputs()]

    def score(numbers: Floats, query: Floats, items: Floats) -> Floats:
        if not len(numbers):
            return np.zeros(0, np.float32)
        known = {"numbers": numbers, "query": query, "items": items}
        return np.asarray(graph.run(None, {name: known[name] for name in inputs})[0], np.float32)

    return score, config["reads"] != "numbers"


def _check_golden(reranker: Reranker) -> None:
    """Score the golden listings again."""
    golden = load_file(reranker.pinned.path(GOLDEN_FILE))
    for number in range(len(golden) // 4):
        numbers, query, items, expected = (
            golden[f"{name}.{number}"] for name in ("numbers", "query", "items", "scores")
        )
        apart = float(np.abs(reranker.score(numbers, query, items) - expected).max(initial=0.0))
        if not apart <= MOST_APART:
            raise RuntimeError(
                f"{reranker.name}: golden listing {number} has scores {apart:.2g} from those of its training, expected"
                f" at most {MOST_APART}; are lightgbm and onnxruntime those of requirements.lock?"
            )
