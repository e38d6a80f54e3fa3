"""The neural ranker: what it learns, what must not matter, and its ONNX graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from jobs.bundle.export_onnx import tensor_places
from models.reranking.losses import LOSSES, LossSettings
from models.reranking.neural import Inputs, NeuralConfig, NeuralRanker, score_list
from models.reranking.onnx_ranker import ranker_graph
from models.reranking.training import ListBatch, RankerPlan, RankerTraining, list_ndcg
from models.training.fit import fit
from tests.models.reranking.naive_losses import ndcg

DIM, FEATURES = 8, 5


class Lists:
    """Lists whose label follows from one number and from the cosine of query and item; some numbers are unknown."""

    def __init__(self, count: int, length: int = 20, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.numbers = rng.normal(size=(count, length, FEATURES)).astype(np.float32)
        self.queries = rng.normal(size=(count, DIM)).astype(np.float32)
        self.items = rng.normal(size=(count, length, DIM)).astype(np.float32)
        value = self.numbers[:, :, 0] + np.einsum("bd,bld->bl", self.queries, self.items) / 2
        self.labels = (value > 1).astype(np.float32)
        self.numbers[:, :, 1][rng.random((count, length)) < 0.3] = np.nan
        self.lengths = rng.integers(length // 2, length + 1, count)

    def __len__(self) -> int:
        return len(self.numbers)

    def batch(self, numbers: NDArray[np.int64]) -> ListBatch:
        mask = torch.from_numpy(np.arange(self.labels.shape[1]) < self.lengths[numbers][:, None])
        parts = [torch.from_numpy(part[numbers]) for part in (self.numbers, self.queries, self.items)]
        return ListBatch(
            Inputs(parts[0], parts[1], parts[2], mask), torch.from_numpy(self.labels[numbers]), torch.ones(len(numbers))
        )


def ranker(reads: str = "both", blocks: int = 1, **more: Any) -> NeuralRanker:
    torch.manual_seed(0)
    model = NeuralRanker(NeuralConfig(FEATURES, DIM, reads, hidden=32, blocks=blocks, **more))
    model.standardise(torch.from_numpy(Lists(50, seed=3).numbers.reshape(-1, FEATURES)))
    return model


def plan(**more: Any) -> RankerPlan:
    return RankerPlan(**{"epochs": 6, "batch_lists": 16, "lr": 3e-3, "loss": LossSettings("ndcg2pp"), **more})


def dev_ndcg(model: NeuralRanker) -> float:
    lists = Lists(100, seed=9)
    batch = lists.batch(np.arange(100))
    model.eval()
    with torch.no_grad():
        scores = model(batch.inputs).numpy()
    return float(list_ndcg(scores, lists.labels, batch.inputs.mask.numpy()).mean())


def trained(model: NeuralRanker, **more: Any) -> RankerTraining:
    training = RankerTraining(model, Lists(400), plan(**more))
    for _ in fit(training):
        pass
    return training


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_teaches_the_ranker(loss: str) -> None:
    model = ranker(blocks=0)
    before = dev_ndcg(model)
    trained(model, loss=LossSettings(loss, temperature=1.0))
    assert dev_ndcg(model) > before + 0.2


def test_numbers_and_vectors_together_beat_either_alone() -> None:
    scores = {}
    for reads in ("both", "numbers", "vectors"):
        model = ranker(reads)
        trained(model, epochs=12)
        scores[reads] = dev_ndcg(model)
    assert scores["both"] > max(scores["numbers"], scores["vectors"]) + 0.03


@pytest.mark.parametrize("blocks", [0, 2])
def test_order_and_padding_of_a_list_change_no_score(blocks: int) -> None:
    model = ranker(blocks=blocks).eval()
    inputs = Lists(3).batch(np.arange(3)).inputs
    order = torch.from_numpy(np.random.default_rng(0).permutation(20))

    def padded(part: Tensor) -> Tensor:
        more = torch.full((3, 7, *part.shape[2:]), 9.0).to(part.dtype)
        return torch.cat([part, more if part.dtype.is_floating_point else torch.zeros(3, 7, dtype=torch.bool)], dim=1)

    with torch.no_grad():
        plain = model(inputs)
        moved = Inputs(inputs.numbers[:, order], inputs.queries, inputs.items[:, order], inputs.mask[:, order])
        longer = Inputs(padded(inputs.numbers), inputs.queries, padded(inputs.items), padded(inputs.mask))
        mask = inputs.mask
        assert torch.allclose(model(moved)[mask[:, order]], plain[:, order][mask[:, order]], atol=1e-5)
        assert torch.allclose(model(longer)[:, :20][mask], plain[mask], atol=1e-5)


def test_attention_sees_the_other_items_and_the_mlp_does_not() -> None:
    inputs = Lists(1).batch(np.arange(1)).inputs
    other = inputs.numbers.clone()
    other[0, 1] += 3.0
    for blocks, moves in ((0, False), (1, True)):
        model = ranker(blocks=blocks).eval()
        with torch.no_grad():
            apart = (model(inputs) - model(inputs._replace(numbers=other)))[0, 0]
        assert bool(apart.abs() > 1e-6) is moves


def test_a_training_stopped_and_restored_ends_with_equal_weights() -> None:
    whole = trained(ranker(dropout=0.2), epochs=2)
    steps = fit(stopped := RankerTraining(ranker(dropout=0.2), Lists(400), plan(epochs=2)))
    for _ in range(30):  # into the second epoch
        next(steps)
    state = stopped.state()
    resumed = RankerTraining(ranker(dropout=0.2), Lists(400), plan(epochs=2))
    resumed.restore(state)
    for _ in fit(resumed):
        pass
    assert resumed.done == whole.done
    for name, weight in whole.weights().items():
        assert torch.equal(weight, resumed.weights()[name]), name


@pytest.mark.parametrize(("reads", "blocks"), [("both", 2), ("numbers", 0), ("vectors", 1)])
def test_the_onnx_graph_scores_as_torch(reads: str, blocks: int, tmp_path: Path) -> None:
    model = ranker(reads, blocks).eval()
    save_file(model.state_dict(), tmp_path / "ranker.safetensors")
    (tmp_path / "r.onnx").write_bytes(
        ranker_graph(model, "ranker.safetensors", tensor_places(tmp_path / "ranker.safetensors"))
    )
    session = ort.InferenceSession(str(tmp_path / "r.onnx"))
    lists = Lists(1, length=300)
    numbers = lists.numbers[0].copy()
    numbers[0] = [1e9, np.nan, -1e9, 0, 0]  # far beyond what training saw
    given = {"numbers": numbers, "query": lists.queries, "items": lists.items[0]}
    wanted = {one.name for one in session.get_inputs()}
    scores = session.run(None, {name: part for name, part in given.items() if name in wanted})[0]
    np.testing.assert_allclose(scores, score_list(model, numbers, lists.queries[0], lists.items[0]), atol=1e-4)


def test_ndcg_of_lists_equals_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    scores, labels, mask = rng.normal(size=(5, 9)), rng.integers(0, 3, (5, 9)) / 2, np.ones((5, 9), bool)
    expected = [ndcg(scores[row].tolist(), labels[row].tolist()) for row in range(5)]
    assert list_ndcg(scores, labels, mask, 9) == pytest.approx(expected)
    mask[0, 4:] = False
    assert list_ndcg(scores, labels, mask, 9)[0] == pytest.approx(ndcg(scores[0, :4].tolist(), labels[0, :4].tolist()))
    assert list_ndcg(np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]]), np.ones((1, 2), bool), 1) == [0.0]


def test_shapes_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="reads=text: expected one of both"):
        NeuralConfig(3, 3, reads="text")
    with pytest.raises(ValueError, match="not a multiple of heads"):
        NeuralConfig(3, 3, hidden=10, heads=4)
    with pytest.raises(ValueError, match="must be > 0"):
        plan(lr=0.0)
