"""Training of the neural ranker in the loop of the towers, and its files: safetensors, and the graph that a service has."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from jobs.bundle.export_onnx import tensor_places
from jobs.bundle.files import write_json
from jobs.bundle.reranker import CONFIG_FILE, GRAPH_FILE, NEURAL, WEIGHTS_FILE
from jobs.lake import storage as store
from jobs.lake.attempt import Attempt
from jobs.platform.tracking import MlflowRun
from jobs.reranking.dataset import ListSubset
from jobs.reranking.settings import RankerSettings
from jobs.towers.training_loop import Checkpoint, EpochScore, TrainingLoop
from models.reranking.features import FEATURES
from models.reranking.losses import LossSettings
from models.reranking.neural import NeuralConfig, NeuralRanker, score_list
from models.reranking.onnx_ranker import ranker_graph
from models.reranking.training import RankerPlan, RankerTraining

STANDARDISED_LISTS = 200
CURVES = ("loss", "lr", "dev_ndcg10")
Floats = NDArray[np.float32]


def fit_neural(
    args: RankerSettings, train: ListSubset, dev: ListSubset, out: Attempt, tracked: MlflowRun, checkpoint: Checkpoint
) -> Callable[[int, Floats], Floats]:
    """Train to the best epoch by dev nDCG@10 and write the files; returns scores of a list by number and features."""
    data = train.data
    if args.reads != "numbers" and data.query_vectors.shape[1] != data.bundle.dim:
        raise ValueError(
            f"reads={args.reads}: {data.bundle.name} has several vectors of a query; expected reads=numbers"
        )
    torch.manual_seed(args.seed)
    config = NeuralConfig(
        len(FEATURES), data.query_vectors.shape[1], args.reads, args.hidden, blocks=args.blocks, dropout=args.dropout
    )
    model = NeuralRanker(config)
    sample = [data.features(number) for number in train.numbers[:STANDARDISED_LISTS].tolist()]
    model.standardise(torch.from_numpy(np.concatenate(sample)))
    loss = LossSettings(args.loss, args.temperature)
    plan = RankerPlan(args.epochs, args.batch_lists, args.lr, loss, args.seed, args.max_steps)

    def score(number: int, features: Floats) -> Floats:
        items = data.bundle.item_vectors(data.listed(number).rows)
        return score_list(model, features, data.query_vectors[number], items)

    def evaluate() -> EpochScore:
        values = dev.values(lambda number: score(number, data.features(number))) if len(dev) else np.zeros(0)
        return EpochScore({"dev_ndcg10": float(values.mean())} if len(values) else {}, values)

    training = RankerTraining(model, train, plan)
    # patience is in trees; an epoch is worth ten of them
    patience = max(1, args.patience // 10)
    loop = TrainingLoop("ranker", training, evaluate, checkpoint, tracked, patience, args.checkpoint_s)
    loop.run()
    write_neural(model, out)
    pq.write_table(loop.curves(CURVES), out.folder / "curves.parquet", write_page_checksum=True)
    out.facts.update({name: value for name, value in loop.best.items() if name == "best_epoch"})
    return score


def write_neural(model: NeuralRanker, out: Attempt) -> None:
    """Write weights, shape and graph; the golden listings, which follow, compare the graph with torch."""
    weights = {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, out.folder / WEIGHTS_FILE)
    graph = ranker_graph(model, WEIGHTS_FILE, tensor_places(out.folder / WEIGHTS_FILE))
    (out.folder / GRAPH_FILE).write_bytes(graph)
    store.fsync(out.folder / GRAPH_FILE)
    write_json({"kind": NEURAL, **model.config.to_dict()}, out.folder / CONFIG_FILE)
