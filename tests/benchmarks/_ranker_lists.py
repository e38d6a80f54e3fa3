"""Lists that are ready as arrays, for rankers in benchmarks: LightGBM's own example, and features that were made once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_svmlight_file

from models.reranking.losses import LossSettings
from models.reranking.neural import Inputs, NeuralConfig, NeuralRanker
from models.reranking.training import ListBatch, RankerPlan, RankerTraining, list_ndcg
from models.reranking.trees import FittedTrees, TreeData, TreeSettings, fit_trees
from models.training.fit import fit


@dataclass(frozen=True)
class ReadyLists:
    """features [N, F], labels [N], sizes [lists]; queries [lists, D] and vectors [N, D] where there are any."""

    features: NDArray[np.float32]
    labels: NDArray[np.float32]
    sizes: NDArray[np.int64]
    queries: NDArray[np.float32]
    vectors: NDArray[np.float32]

    @property
    def offsets(self) -> NDArray[np.int64]:
        return np.concatenate([[0], np.cumsum(self.sizes)])

    def __len__(self) -> int:
        return len(self.sizes)

    def take(self, lists: NDArray[np.int64]) -> ReadyLists:
        rows = np.concatenate([np.arange(self.offsets[n], self.offsets[n + 1]) for n in lists])
        return ReadyLists(
            self.features[rows], self.labels[rows], self.sizes[lists], self.queries[lists], self.vectors[rows]
        )

    def batch(self, numbers: NDArray[np.int64]) -> ListBatch:
        shape = (len(numbers), int(self.sizes[numbers].max()))
        mask = np.arange(shape[1]) < self.sizes[numbers][:, None]
        features = np.full((*shape, self.features.shape[1]), np.nan, np.float32)
        items, labels = np.zeros((*shape, self.vectors.shape[1]), np.float32), np.zeros(shape, np.float32)
        rows = np.concatenate([np.arange(self.offsets[n], self.offsets[n + 1]) for n in numbers])
        features[mask], items[mask], labels[mask] = self.features[rows], self.vectors[rows], self.labels[rows]
        tensors = [torch.from_numpy(part) for part in (features, self.queries[numbers], items, mask)]
        return ListBatch(Inputs(*tensors), torch.from_numpy(labels), torch.ones(len(numbers)))

    def padded(self, flat: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
        """Values of all rows as [lists, longest], and where they are."""
        mask = np.arange(int(self.sizes.max())) < self.sizes[:, None]
        values = np.zeros(mask.shape, flat.dtype)
        values[mask] = flat
        return values, mask

    def ndcg(self, scores: NDArray[np.floating], k: int) -> NDArray[np.float64]:
        """nDCG@k of each list, gain 2^label - 1."""
        values, mask = self.padded(scores)
        return list_ndcg(values, self.padded(self.labels)[0], mask, k)

    def data(self, grades: NDArray[np.int32]) -> TreeData:
        return TreeData(lambda start, stop: self.features[start:stop], grades, self.sizes)


def lambdarank_set(folder: Path, name: str) -> ReadyLists:
    """rank.train or rank.test of LightGBM's example."""
    rows, labels = load_svmlight_file(str(folder / f"rank.{name}"), n_features=301)
    features = rows.toarray()[:, 1:].astype(np.float32)
    sizes = np.loadtxt(folder / f"rank.{name}.query", dtype=np.int64)
    none = np.zeros((len(sizes), 1), np.float32), np.zeros((len(labels), 1), np.float32)
    return ReadyLists(features, labels.astype(np.float32), sizes, *none)


def trees(train: ReadyLists, settings: TreeSettings, names: list[str], dev: ReadyLists | None = None) -> FittedTrees:
    def whole(lists: ReadyLists) -> TreeData:
        levels = settings.levels
        return lists.data(np.rint(lists.labels * levels if levels else lists.labels).astype(np.int32))

    return fit_trees(whole(train), whole(dev) if dev else None, names, settings)


def neural(train: ReadyLists, plan: RankerPlan, levels: float = 1.0, **shape: object) -> NeuralRanker:
    """A neural ranker trained to the last epoch. levels: the highest label."""
    torch.manual_seed(plan.seed)
    reads = shape.pop("reads", "numbers")
    model = NeuralRanker(NeuralConfig(train.features.shape[1], train.vectors.shape[1], str(reads), **shape))  # type: ignore[arg-type]
    model.standardise(torch.from_numpy(train.features))
    for _ in fit(RankerTraining(model, train, plan)):
        pass
    return model.eval()


def scores_of(model: NeuralRanker, lists: ReadyLists) -> NDArray[np.float32]:
    with torch.no_grad():
        parts = []
        for start in range(0, len(lists), 8):
            batch = lists.batch(np.arange(start, min(start + 8, len(lists))))
            parts.append(model(batch.inputs)[batch.inputs.mask].numpy())
    return np.concatenate(parts)


def loss_plan(loss: str, epochs: int, seed: int = 0, top_grade: float = 1.0, **more: float) -> RankerPlan:
    settings = LossSettings(loss, top_grade=top_grade, levels=int(max(2, top_grade + 1)))
    return RankerPlan(epochs, int(more.pop("batch_lists", 8)), more.pop("lr", 1e-3), settings, seed, **more)  # type: ignore[arg-type]
