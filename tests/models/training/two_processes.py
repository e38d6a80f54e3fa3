"""One of two processes of a training, under torchrun: `two_processes.py <folder>` writes what it computed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from safetensors.torch import save_file

sys.path[0] = str(Path(__file__).resolve().parents[3])

from models.text.ragged import ragged
from models.towers.two_tower import TwoTower
from models.training.distillation import Teacher
from models.training.distributed import ProcessGroup
from models.training.fit import fit
from models.training.losses import Objective
from models.training.tower_training import TowerTraining
from tests.models.shop import BERT, ITEMS, QUERIES, examples, plan, towers

CALM = {**BERT, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
NOISY = {**BERT, "hidden_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.3}
KINDS: dict[str, dict[str, object]] = {
    "softmax": {},
    "both ways, corrected": {"symmetric": True, "logq": True, "learn_temperature": True},
    "own hardest": {"hardest": 4, "share_hard": False},
    "pairwise": {"kind": "pairwise", "easy_per_hard": 3.0},
    "triplet": {"kind": "triplet"},
    "taught": {},
}


def opinion(query: np.ndarray, item: np.ndarray) -> np.ndarray:
    """Scores of a teacher."""
    return np.sin(3.0 * query + 7.0 * item).astype(np.float32)


def training(of: TwoTower, kind: str, group: ProcessGroup, **more: object) -> TowerTraining:
    """A training of the tests' shop: batches of 11, which two processes cannot share evenly."""
    lists = ragged([[q % len(ITEMS), (q + 5) % len(ITEMS)] for q in range(len(QUERIES))])
    data = examples(of, lists, group)
    sampling = {"hard": 2, "uniform": 0.5, "batch_size": 11, "trigram_dropout": 0.0}
    objective = Objective(temperature=0.2, **KINDS[kind])  # type: ignore[arg-type]
    teacher = Teacher(opinion, len(QUERIES), 0.5) if kind == "taught" else None
    given = plan(chunk=3, objective=objective, sampling=sampling, precision="fp32", epochs=2, **more)
    return TowerTraining(of, data, given, teacher)


def gradient(of: TwoTower, kind: str, group: ProcessGroup) -> dict[str, torch.Tensor]:
    """Of the first batch, summed over the processes."""
    begun = training(of, kind, group)
    of.train()
    batch = next(begun.batches(0))
    loss, _ = begun.gradient(batch)
    group.all_reduce_gradients([*of.parameters(), begun.log_scale])
    found = {name: p.grad for name, p in of.named_parameters() if p.grad is not None}
    if begun.log_scale.requires_grad and begun.log_scale.grad is not None:
        found["log_scale"] = begun.log_scale.grad
    return {**found, "loss": torch.tensor(loss)}


def main(folder: Path) -> None:
    """Gradients of every kind without and with dropout, and the weights after a whole training."""
    dist.init_process_group("gloo")
    group = ProcessGroup()
    for kind in KINDS:
        save_file(gradient(towers(CALM), kind, group), folder / f"{kind}.calm.{group.rank}")
        save_file(gradient(towers(NOISY), kind, group), folder / f"{kind}.noisy.{group.rank}")
    found = towers(CALM)
    steps = [step.loss for step in fit(training(found, "softmax", group))]
    weights = {name: one.clone() for name, one in found.state()[2].items()}
    save_file({**weights, "losses": torch.tensor(steps)}, folder / f"trained.{group.rank}")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
