"""A small training whose figures are pinned: a change that moves them is meant, or it is a defect.

REBUILD_GOLDEN=1 writes golden/measures.yaml anew; say in the commit why the figures moved.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import yaml

from models.ann.exact import nearest
from models.evaluation.recall import recall_and_rr
from models.mining.star import Likeness, RankWindow, mine
from models.text.ragged import Ragged
from models.towers.encode import encode_items, encode_queries
from models.towers.two_tower import TwoTower
from models.training.fit import fit
from models.training.losses import Objective
from models.training.tower_training import TowerTraining
from tests.models.shop import ITEMS, QUERIES, examples, plan, towers

GOLDEN = Path(__file__).with_name("golden") / "measures.yaml"
# the arithmetic of another CPU, or another version of torch, moves a loss by less than this
TOLERANCE = 0.02
CUTOFF = 3
GENTLY = {"max_steps": 4, "trigram_lr": 2e-3}  # else everything is found, and nothing can move
TRAININGS: dict[str, dict[str, object]] = {
    "softmax": {},
    "pairwise": {"objective": Objective("pairwise")},
    "triplet": {"objective": Objective("triplet", margin=0.3)},
    "both encoders, GradCache": {"chunk": 8, "precision": "fp32"},
    "Matryoshka, averaged, both ways": {
        "matryoshka": (8,),
        "ema": 0.8,
        "objective": Objective(symmetric=True, logq=True),
    },
}


def figures(of: TwoTower, losses: list[float]) -> dict[str, float]:
    """The last loss, R@3 and RR@3 of all queries."""
    data = examples(of)
    asked, sold = encode_queries(of, QUERIES), encode_items(of, ITEMS)
    recall, rr = recall_and_rr(nearest(asked, [sold], CUTOFF)[1], np.arange(len(QUERIES)), data.known)
    return {"loss": losses[-1], "R@3": float(recall.mean()), "RR@3": float(rr.mean())}


def trained(name: str) -> dict[str, float]:
    """Four steps of 12 pairs."""
    of = towers("encoders" in name)
    training = TowerTraining(of, examples(of), plan(sampling={"trigram_dropout": 0.1}, **GENTLY, **TRAININGS[name]))
    losses = [step.loss for step in fit(training)]
    with training.evaluated_weights():
        return figures(of, losses)


def starred() -> dict[str, float]:
    """Step 1, mining, step 3."""
    of = towers(bert=False)
    for _ in fit(TowerTraining(of, examples(of), plan(**GENTLY))):
        pass
    data = examples(of)
    query = np.arange(len(QUERIES))
    scores, found = nearest(encode_queries(of, QUERIES), iter([encode_items(of, ITEMS)]), len(ITEMS))
    alone = np.arange(len(ITEMS))
    mined = mine(found, scores, query, data.known, Likeness(alone, alone), RankWindow(0, 20, 8), seed=0)
    kept = mined.items >= 0
    offsets = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
    lists = Ragged(mined.items[kept].astype(np.int32), offsets)
    losses = [step.loss for step in fit(TowerTraining(of, examples(of, lists), plan(sampling={"hard": 2}, **GENTLY)))]
    return figures(of, losses)


@pytest.mark.parametrize("name", [*TRAININGS, "star"])
def test_a_training_ends_where_it_did(name: str) -> None:
    found = starred() if name == "star" else trained(name)
    if os.environ.get("REBUILD_GOLDEN"):
        GOLDEN.parent.mkdir(exist_ok=True)
        kept = yaml.safe_load(GOLDEN.read_text()) if GOLDEN.exists() else {}
        kept[name] = {figure: round(value, 4) for figure, value in found.items()}
        GOLDEN.write_text(yaml.safe_dump(kept, sort_keys=True))
    assert found == pytest.approx(yaml.safe_load(GOLDEN.read_text())[name], abs=TOLERANCE)
