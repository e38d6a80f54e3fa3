"""Two processes have the gradient of one, whichever loss, with dropout, and end with its weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from models.training import gradcache
from models.training.distillation import distil
from models.training.distributed import ProcessGroup
from models.training.fit import fit
from models.training.gradcache import CachedEncoding
from models.training.losses import batch_loss
from tests.models.shop import towers
from tests.models.training.two_processes import CALM, KINDS, NOISY, gradient, training

pytestmark = pytest.mark.slow


class Seat(ProcessGroup):
    """A place in a group of two whose other process is not there: it knows its share alone."""

    def __init__(self, rank: int) -> None:
        self.rank, self.size = rank, 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("two")
    script = Path(__file__).with_name("two_processes.py")
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", script, found]
    subprocess.run([sys.executable, *map(str, command)], check=True, timeout=300)
    return found


def equal(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, one in expected.items():
        worst = float((found[name] - one).abs().max())
        assert worst <= 1e-5 * float(one.abs().max()) + 1e-7, name


@pytest.mark.parametrize("kind", KINDS)
def test_two_have_the_gradient_of_one(folder: Path, kind: str) -> None:
    expected = gradient(towers(CALM), kind, ProcessGroup())
    for rank in (0, 1):
        equal(load_file(folder / f"{kind}.calm.{rank}"), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_two_with_dropout_have_the_plain_gradient_of_what_each_drew(
    folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reference: one process, no cache, both seats' texts encoded with their own noise."""
    found = load_file(folder / f"{kind}.noisy.0")
    grouped = gradcache._chunks
    monkeypatch.setattr(gradcache, "_chunks", lambda sizes, _, on: grouped(sizes, 3, on))
    of = towers(NOISY).train()
    sides: list[list[CachedEncoding]] = [[], []]
    for rank in (0, 1):
        seat = training(of, kind, Seat(rank))
        batch = next(seat.batches(0))
        for place, store in enumerate((batch.queries, batch.items)):
            noise = seat._noise_seed(place)
            sides[place].append(CachedEncoding(of.item_tower, store, of.pad, of.device, noise, 0, "fp32"))
    columns = batch.columns.weigh(seat.plan.objective, 0.0)
    leaves = [torch.cat([one.vectors.detach() for one in side]).requires_grad_() for side in sides]
    loss = batch_loss(seat.plan.objective, *leaves, columns, seat.log_scale, ProcessGroup())
    if seat.teacher:
        loss += distil(seat.teacher, batch, *leaves, 1 / seat.plan.objective.temperature, ProcessGroup())
    for side, leaf in zip(sides, leaves, strict=True):
        assert leaf.grad is not None
        parts = leaf.grad.split([len(one.vectors) for one in side])
        for one, part in zip(side, parts, strict=True):
            one.vectors.grad = part
            one.backward()
    expected = {name: p.grad for name, p in of.named_parameters() if p.grad is not None}
    if seat.log_scale.grad is not None:
        expected["log_scale"] = seat.log_scale.grad
    equal(found, {**expected, "loss": torch.tensor(loss)})


def test_a_training_of_two_ends_where_that_of_one_does(folder: Path) -> None:
    found = [load_file(folder / f"trained.{rank}") for rank in (0, 1)]
    for name, one in found[0].items():
        assert torch.equal(one, found[1][name]), name  # both hold the same towers, bit for bit
    alone = towers(CALM)
    losses = [step.loss for step in fit(training(alone, "softmax", ProcessGroup()))]
    assert found[0]["losses"].tolist() == pytest.approx(losses, rel=1e-4)
    for name, one in alone.state()[2].items():
        assert float((found[0][name] - one).abs().max()) < 2e-3, name


def test_shares_cover_everything_once() -> None:
    for count in (0, 1, 2, 3, 10, 11):
        shares = [Seat(rank).local_slice(count) for rank in (0, 1)]
        assert [*range(count)[shares[0]], *range(count)[shares[1]]] == list(range(count))
