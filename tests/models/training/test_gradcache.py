"""GradCache: the plain gradient, for every kind of loss, with dropout, in chunks that do not divide."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.text.ragged import ragged
from models.towers.two_tower import TwoTower
from models.training import gradcache
from models.training.fit import fit
from models.training.gradcache import CachedEncoding
from models.training.losses import Objective
from models.training.tower_training import TowerTraining
from tests.models.shop import BERT, ITEMS, QUERIES, examples, plan, towers

KINDS: list[dict[str, object]] = [
    {"kind": "softmax"},
    {"kind": "softmax", "symmetric": True, "logq": True, "learn_temperature": True},
    {"kind": "softmax", "hardest": 4, "share_hard": False},
    {"kind": "pairwise", "easy_per_hard": 3.0},
    {"kind": "triplet", "hard_ramp_frac": 0.5},
]
CALM = {**BERT, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
NOISY = {**BERT, "hidden_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.3}


def gradient(of: TwoTower, chunk: int, objective: Objective, **more: object) -> dict[str, torch.Tensor]:
    """Of the second step, when hard negatives that ramp up have a weight."""
    lists = ragged([[q % len(ITEMS), (q + 5) % len(ITEMS)] for q in range(len(QUERIES))])
    training = TowerTraining(
        of,
        examples(of, lists),
        plan(chunk=chunk, objective=objective, sampling={"hard": 2, "uniform": 0.5}, precision="fp32", **more),
    )
    training.done = 1
    batch = next(training.batches(0))
    of.train()
    training.gradient(batch)
    found = {name: p.grad.clone() for name, p in of.named_parameters() if p.grad is not None}
    if objective.learn_temperature:
        assert training.log_scale.grad is not None
        found["log_scale"] = training.log_scale.grad
    return found


def equal(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    """Relative to the largest part of each weight's gradient, 1e-5."""
    assert found.keys() == expected.keys()
    for name, one in expected.items():
        worst = float((found[name] - one).abs().max())
        assert worst <= 1e-5 * float(one.abs().max()) + 1e-8, name


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("chunk", [1, 5, 64])
def test_chunks_have_the_gradient_of_the_whole(
    monkeypatch: pytest.MonkeyPatch, chunk: int, kind: dict[str, object]
) -> None:
    """The plain way takes the same groups of texts, so that both draw the same dropout: with the graph
    of all of them kept, and without it."""
    objective = Objective(temperature=0.2, **kind)  # type: ignore[arg-type]
    monkeypatch.setattr(gradcache, "_FUSED", 5)
    cached = gradient(towers(NOISY), chunk, objective)
    grouped = gradcache._chunks
    monkeypatch.setattr(gradcache, "_chunks", lambda sizes, _, on: grouped(sizes, chunk, on))
    equal(cached, gradient(towers(NOISY), 0, objective))


@pytest.mark.parametrize(
    "settings",
    [
        {"shared": False},
        {"encoders": "bert"},
        {"encoders": "trigrams"},
        {"fusion": "attention"},
        {"cut": 8},
        {"matryoshka": (8, 4)},
    ],
    ids=str,
)
def test_every_make_of_towers(monkeypatch: pytest.MonkeyPatch, settings: dict[str, object]) -> None:
    more = {"matryoshka": settings.pop("matryoshka")} if "matryoshka" in settings else {}
    monkeypatch.setattr(gradcache, "_FUSED", 5)
    cached = gradient(towers(NOISY, **settings), 5, Objective(), **more)
    grouped = gradcache._chunks
    monkeypatch.setattr(gradcache, "_chunks", lambda sizes, _, on: grouped(sizes, 5, on))
    equal(cached, gradient(towers(NOISY, **settings), 0, Objective(), **more))


def test_dropout_is_another_one_in_the_next_step() -> None:
    found = towers(NOISY)
    training = TowerTraining(found, examples(found), plan())
    first = [training._noise_seed(place) for place in (0, 1)]
    training.done = 1
    assert len({*first, *(training._noise_seed(place) for place in (0, 1))}) == 4


def test_bf16_loses_no_gradient_between_the_passes() -> None:
    """Weights that autocast casts in the pass without graph must not serve the pass with it."""
    cached = {}
    for chunk in (0, 5):
        found = towers(CALM)
        training = TowerTraining(found, examples(found), plan(chunk=chunk, precision="bf16"))
        batch = next(training.batches(0))
        training.gradient(batch)
        cached[chunk] = {n: p.grad for n, p in found.named_parameters() if p.grad is not None}
    assert cached[0].keys() == cached[5].keys()
    for name, one in cached[0].items():
        norm = float(one.norm())
        assert float((cached[5][name] - one).norm()) <= 0.1 * norm + 1e-6, name


def test_the_longest_come_first_in_passes_of_like_work() -> None:
    """Mean length 5, two texts of it: passes of at most 10 tokens, padding included."""
    sizes = np.array([3, 9, 1, 7, 5])
    passes = gradcache._chunks(sizes, 2, torch.device("cpu"))
    assert [sizes[rows].tolist() for rows in passes] == [[9], [7], [5, 3], [1]]


class Memory:
    """A GPU that has room for `texts` at a time: a pass through BERT with more of them, in the part, runs out of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, part: str, texts: int, from_step: int) -> None:
        self.passes, self.step, self.from_step = 0, 0, from_step
        whole = getattr(CachedEncoding, part)

        def limited(encoding: CachedEncoding) -> torch.Tensor | None:
            widest = max(map(len, encoding.groups)) if encoding.chunk else len(encoding.store)
            if self.step >= self.from_step and widest > texts:
                if part == "backward":  # in the middle: some weights have a part of their gradient already
                    whole(encoding)
                self.passes += 1
                raise torch.OutOfMemoryError("CUDA out of memory")
            done: torch.Tensor | None = whole(encoding)
            return done

        monkeypatch.setattr(CachedEncoding, part, limited)


@pytest.mark.parametrize("part", ["_deep", "backward"])
@pytest.mark.parametrize("chunk", [0, 12])
def test_a_gpu_that_runs_out_of_memory_goes_on_in_halves(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, part: str, chunk: int
) -> None:
    """Without dropout the losses are those of a GPU with room enough; from step 3 on chunks are small."""

    def losses(memory: Memory | None) -> tuple[list[float], TowerTraining]:
        of = towers(CALM)
        training = TowerTraining(of, examples(of), plan(chunk=chunk, precision="fp32", max_steps=8))
        found = []
        for step in fit(training):
            found.append(step.loss)
            if memory:
                memory.step = step.number
        return found, training

    straight, roomy = losses(None)
    memory = Memory(monkeypatch, part, 4, from_step=2)
    halved, training = losses(memory)
    assert halved == pytest.approx(straight, rel=1e-6, abs=1e-6)
    for name, tensor in roomy.weights().items():
        assert float((training.weights()[name] - tensor).abs().max()) < 1e-4, name
    assert 1 < training.chunk <= 4 and memory.passes >= 2
    assert caplog.messages[0].startswith("step 3: the GPU ran out of memory; BERT reads")
    assert caplog.messages[-1].endswith(f"(gradcache_chunk_size={training.chunk})")


def test_a_gpu_without_room_for_one_text_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    Memory(monkeypatch, "_deep", 0, from_step=0)
    of = towers(CALM)
    with pytest.raises(RuntimeError, match="step 1: the GPU's memory does not do for one text at a time; lower"):
        list(fit(TowerTraining(of, examples(of), plan())))
